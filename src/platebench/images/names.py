"""Parse plate, well, site and frame from the names of microscopy files."""

from __future__ import annotations

import re
from typing import NamedTuple


class Place(NamedTuple):
    """Plate, well, site, frame, channel and z of an image; None where unknown.

    `frame` and `z` count from 0 if they come from the axes of a file.
    """

    plate: str | None = None
    well: str | None = None
    site: str | None = None
    frame: int | None = None
    channel: str | None = None
    z: int | None = None


NOWHERE = Place()

_MITOCHECK = re.compile(
    r"(?P<plate>LT\d{4}_\d{2})(?:\.|--)(?:(?P=plate)_)?(?P<well>\d+)_(?P<frame>\d+)(?:_IC)?$"
)
"""`LT0001_02.LT0001_02_15_43_IC`: plate, plate again, well, frame, illumination-corrected."""

_CYTATION = re.compile(r"(?P<well>[A-P]\d{1,2})_\d+_\d+_(?P<site>\d+)_[A-Za-z]\w*_(?P<frame>\d+)$")
"""`B7_01_1_3_DAPI_001`: well, two numbers, site, channel, frame; as in CytoDataFrame's data."""


def place_of(stem: str) -> Place:
    """Parse a file name without its suffix; return NOWHERE if it matches no known pattern."""
    found = _MITOCHECK.search(stem) or _CYTATION.match(stem)
    if not found:
        return NOWHERE
    parts = found.groupdict()
    return Place(parts.get("plate"), parts["well"], parts.get("site"), int(parts["frame"]))
