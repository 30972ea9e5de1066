"""Zarr, through zarr-python alone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import zarr
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    if tuning == "default":
        readings = [Reading("array[i]; array[i:i+4]", _opened, _rows, partial(_blocks, 4))]
    else:
        readings = [
            Reading("array[i]; array[i:i+16]", _opened, _rows, partial(_blocks, 16)),
            Reading("get_basic_selection(out=)", _opened, _rows_into, partial(_blocks_into, 16)),
            Reading("gather of getitem; array[i:i+4]", _opened, _gathered, partial(_blocks, 4)),
        ]
    block = {"default": 16, "small": 16}.get(tuning, 1)
    writing = Writing("array[i:j] = block, write_empty_chunks", partial(_write, tuning, block))
    return Calls([writing], readings, [TableReading("group.attrs", _table)])


def _opened(path: Path) -> AbstractContextManager[zarr.Array]:
    return nullcontext(zarr.open_array(path / "images", mode="r"))


def _rows(array: zarr.Array, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for row in rows:
        out[...] = array[row]
        yield out


def _blocks(block: int, array: zarr.Array, about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for first in range(0, about.images, block):
        for image in np.asarray(array[first : first + block]):
            out[...] = image
            yield out


def _buffer(out: np.ndarray) -> Any:
    return default_buffer_prototype().nd_buffer.from_numpy_array(out)


def _rows_into(array: zarr.Array, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    buffer = _buffer(out)
    for row in rows:
        array.get_basic_selection(row, out=buffer)
        yield out


def _blocks_into(block: int, array: zarr.Array, about: About, memory: np.ndarray) -> Images:
    for first in range(0, about.images, block):
        out = about.block(memory, min(block, about.images - first))
        array.get_basic_selection(slice(first, first + block), out=_buffer(out))
        yield from out


async def _all(waiting: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    return await asyncio.gather(*waiting)


def _gathered(array: zarr.Array, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for image in sync(_all([array.async_array.getitem(row) for row in rows])):
        out[...] = image
        yield out


def _table(path: Path) -> pa.Table:
    return pa.Table.from_pylist(zarr.open_group(path, mode="r").attrs["images"], IMAGE_SCHEMA)


def _write(tuning: str, block: int, images: ImageSet, path: Path) -> None:
    settings: dict[str, Any] = {
        "chunks": (1, *images.shapes[0]),
        "config": {"write_empty_chunks": True},
    }
    if tuning == "default":
        settings = {}
    elif tuning == "fast":
        settings |= {"compressors": None}
    elif tuning == "balanced":
        settings |= {"compressors": BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")}
    else:
        height, width = images.shapes[0]
        tile = -(-height // 4), -(-width // 4)
        settings |= {
            "chunks": (1, *tile),
            "shards": (block, 4 * tile[0], 4 * tile[1]),
            "compressors": ZstdCodec(level=9),
        }
    group = zarr.create_group(path, attributes={"images": images.table.to_pylist()})
    array = group.create_array(
        "images",
        shape=(len(images), *images.shapes[0]),
        dtype=images.dtypes[0],
        **settings,
    )
    if tuning == "default":
        block = array.chunks[0]
    for first in range(0, len(images), block):
        rows = range(first, min(first + block, len(images)))
        if block == 1:
            array[first] = images.pixels(first)
        else:
            array[first : rows.stop] = np.stack([images.pixels(row) for row in rows])
