"""Parse plate, well, site and frame from the names of microscopy files."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from platebench.errors import UserError


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

_WELL_AND_SITE = re.compile(
    r"(?:(?P<plate>.+)_)?(?P<well>[A-P]\d{2})_s(?P<site>\d+)"
    r"(?:_t(?P<frame>\d+))?(?:_z(?P<z>\d+))?(?:_cell\d+|_(?P<channel>[A-Za-z]\w*))?$"
)
"""`B02_s1_DAPI`, `plate1_B02_s1_t003_z2_w1`: well, site, and what else there is. Of `B02_s1_cell7`,
which is a crop, they are those of the site."""

_LARGEST = 2**31 - 1


def place_of(stem: str, pattern: re.Pattern[str] | None = None) -> Place:
    """Parse a file name without its suffix; return NOWHERE if it matches no known pattern.

    With a `pattern` of `file_pattern`, only that is searched for. Raises UserError if its frame or
    z is not an integer.
    """
    if pattern is not None:
        found = pattern.search(stem)
    else:
        found = _MITOCHECK.search(stem) or _CYTATION.match(stem) or _WELL_AND_SITE.match(stem)
    if not found:
        return NOWHERE
    parts: dict[str, Any] = found.groupdict()
    for key in ("frame", "z"):
        if parts.get(key) is not None:
            parts[key] = _integer(key, parts[key], stem)
    return Place(**parts)


def file_pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern for file names: `{well}_s{site}_w{channel}.tif`, or a regular expression.

    In the first form, each name in braces is one of plate, well, site, frame, channel and z, and
    `*` is any text; it is the whole name of a file. Its ending .tif may be left out. A regular
    expression has these names as groups, as in `(?P<well>[A-P]\\d+)_(?P<site>\\d+)`. Raises
    UserError for an invalid one, for other names, and for none.
    """
    if "(?P<" not in text and _FIELD.search(text):
        return _from_template(text)
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UserError(f"{text}: not a regular expression ({error})") from error
    unknown = [name for name in pattern.groupindex if name not in Place._fields]
    if unknown or not pattern.groupindex:
        what = f"has an unknown group {unknown[0]!r}" if unknown else "has no named group"
        raise UserError(f"{text}: {what}; name groups as in (?P<well>...): {_FIELDS}")
    return pattern


_FIELDS = ", ".join(Place._fields)
_FIELD = re.compile(r"\{([A-Za-z]\w*)\}")
_INTEGERS = {"frame", "z"}


def _from_template(text: str) -> re.Pattern[str]:
    stem = re.sub(r"\.(ome\.)?tiff?$", "", text, flags=re.IGNORECASE)
    parts = []
    seen: set[str] = set()
    for place, part in enumerate(_FIELD.split(stem)):
        if place % 2 == 0:
            parts.append(".*?".join(map(re.escape, part.split("*"))))
        elif part not in Place._fields:
            raise UserError(f"{text}: has an unknown name {{{part}}}; give {_FIELDS}")
        elif part in seen:
            parts.append(f"(?P={part})")
        else:
            seen.add(part)
            values = r"\d+" if part in _INTEGERS else ".+?"
            parts.append(f"(?P<{part}>{values})")
    return re.compile(f"^{''.join(parts)}$")


def _integer(key: str, text: str, stem: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST:
        raise UserError(f"{stem}: its {key} {text!r} is not an integer; correct the pattern")
    return int(text)
