"""Icechunk, through icechunk and zarr alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pyarrow as pa
import zarr
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.core.sync import sync

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing

_CODECS: dict[str, Any] = {
    "fast": None,
    "balanced": BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),
    "small": ZstdCodec(level=9),
}


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    readings = [
        Reading("open_array[i]; blocks", _array, _taken, partial(_blocks, tuning)),
        Reading("gather of getitem", _array, _gathered),
    ]
    writing = Writing("create_array; commit", partial(_write, tuning))
    return Calls([writing], readings, [TableReading("open_group.attrs", _table)])


def _store(path: Path) -> Any:
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(path)))
    return repository.readonly_session("main").store


def _array(path: Path) -> AbstractContextManager[zarr.Array]:
    return nullcontext(zarr.open_array(_store(path), path="images", mode="r"))


def _taken(array: zarr.Array, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for row in rows:
        out[...] = array[row]
        yield out


def _gathered(array: zarr.Array, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    async def read() -> list[Any]:
        return list(await asyncio.gather(*(array.async_array.getitem(row) for row in rows)))

    out = about.image(memory)
    for image in sync(read()):
        out[...] = image
        yield out


def _blocks(tuning: str, array: zarr.Array, about: About, memory: np.ndarray) -> Images:
    size = int(np.prod(about.shape)) * about.dtype.itemsize
    block = max(1, min(16, memory.size // size))
    if tuning == "default":
        block = max(4, array.chunks[0])
    for first in range(0, about.images, block):
        found = np.asarray(array[first : first + block])
        if block * size > memory.size:
            for image in found:
                about.image(memory)[...] = image
                yield about.image(memory)
        else:
            out = about.block(memory, len(found))
            out[...] = found
            yield from out


def _table(path: Path) -> pa.Table:
    group = zarr.open_group(_store(path), mode="r")
    return pa.Table.from_pylist(group.attrs["images"], IMAGE_SCHEMA)


def _write(tuning: str, images: ImageSet, path: Path) -> None:
    shape, dtype = images.shapes[0], images.dtypes[0]
    path.mkdir(parents=True)
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(path)))
    session = repository.writable_session("main")
    group = zarr.create_group(session.store, attributes={"images": images.table.to_pylist()})
    options: dict[str, Any] = {}
    if tuning != "default":
        sides = [-(-side // (4 if tuning == "small" else 1)) for side in shape]
        options = {"chunks": (1, *sides), "compressors": _CODECS[tuning]}
        options["config"] = {"write_empty_chunks": True}
    whole = (len(images), *shape)
    array = group.create_array("images", shape=whole, dtype=dtype, **options)
    block = 1 if tuning == "fast" else max(4, array.chunks[0])
    for first in range(0, len(images), block):
        rows = range(first, min(first + block, len(images)))
        array[first : rows.stop] = np.stack([images.pixels(row) for row in rows])
    session.commit("images", metadata={"version": 1})
