"""Zarr, through TensorStore alone, with zarr-python for the group."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
import zarr

from platebench.images.imageset import ImageSet
from platebench.stores.direct import zarr_reads
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing
from platebench.stores.tensorstore import CANDIDATES

_AHEAD = 4


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    readings = [Reading("store[i].read()", _opened, _rows, _blocks)]
    if tuning == "default":
        readings.append(Reading("store[rows].read()", _opened, _at_once))
    else:
        readings += [
            Reading("ts.array(out).write(store[i])", _opened, _rows_into),
            Reading("read() of 4 rows at once", _opened, _together),
        ]
    writing = Writing("store[i:j].write(block)", partial(_write, layout, tuning))
    return Calls([writing], readings, [TableReading("group.attrs", zarr_reads.table)])


def _spec(path: Path) -> dict[str, Any]:
    return {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path / "images")}}


def _opened(path: Path) -> AbstractContextManager[Any]:
    return nullcontext(ts.open(_spec(path), open=True, read=True).result())


def _rows(store: Any, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for row in rows:
        out[...] = store[row].read().result()
        yield out


def _at_once(store: Any, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for image in store[np.array(rows)].read().result():
        out[...] = image
        yield out


def _blocks(store: Any, about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    block = max(_AHEAD, store.chunk_layout.read_chunk.shape[0])
    for first in range(0, about.images, block):
        for image in store[first : min(first + block, about.images)].read().result():
            out[...] = image
            yield out


def _rows_into(store: Any, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    view = ts.array(out, copy=False)
    for row in rows:
        view.write(store[row]).result()
        yield out


def _together(store: Any, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for first in range(0, len(rows), _AHEAD):
        for coming in [store[row].read() for row in rows[first : first + _AHEAD]]:
            out[...] = coming.result()
            yield out


def _write(layout: str, tuning: str, images: ImageSet, path: Path) -> None:
    zarr.create_group(path, attributes={"images": images.table.to_pylist()})
    shape, dtype = images.shapes[0], images.dtypes[0]
    if tuning == "default":
        whole = (len(images), *shape)
        store = ts.open(_spec(path), create=True, dtype=dtype, shape=whole).result()
    else:
        metadata = CANDIDATES[layout].of(tuning).metadata(len(images), shape, dtype)
        spec = _spec(path) | {"metadata": metadata, "context": {"file_io_sync": False}}
        store = ts.open(spec, create=True).result()
    whole_chunk: Any = store.chunk_layout.write_chunk.shape
    block = int(whole_chunk[0])
    waiting = []
    for first in range(0, len(images), block):
        rows = range(first, min(first + block, len(images)))
        pixels = np.stack([images.pixels(row) for row in rows])
        waiting.append(store[first : rows.stop].write(pixels))
    for each in waiting:
        each.result()
