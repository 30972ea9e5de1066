"""OME-Zarr plates: what ngff-zarr writes is read by zarr-python alone.

Writing has no direct call: the store itself does no more than call ngff-zarr.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr
from zarr.core.buffer import default_buffer_prototype

from platebench.stores.direct import zarr_reads
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    readings = [Reading("array[t, c, z]", _opened, partial(_rows, False))]
    if tuning != "default":
        readings.append(Reading("get_basic_selection(out=)", _opened, partial(_rows, True)))
    return Calls([], readings, [TableReading("group.attrs", zarr_reads.table)])


class _Opened(NamedTuple):
    places: list[Any]
    field: Any


def _opened(path: Path) -> AbstractContextManager[_Opened]:
    places: Any = zarr.open_group(path, mode="r").attrs["fields"]
    field = cache(lambda name: zarr.open_array(path / name / "scale0/image", mode="r"))
    return nullcontext(_Opened(places, field))


def _rows(
    into: bool, opened: _Opened, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    out = about.image(memory)
    buffer = default_buffer_prototype().nd_buffer.from_numpy_array(out)
    for row in rows:
        name, place = opened.places[row]
        if into:
            opened.field(name).get_basic_selection(tuple(place), out=buffer)
        else:
            out[...] = opened.field(name)[tuple(place)]
        yield out
