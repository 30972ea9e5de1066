"""Calls of zarr-python that the stores of Zarr have in common."""

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
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.calls import About, Images, Reading


def readings(quick_start: bool) -> list[Reading]:
    """Return the readings of a store that zarr-python reads."""
    if quick_start:
        return [
            Reading("array[i]; array[i:i+4]", opened, rows, partial(blocks, 4)),
            Reading("oindex[rows]", opened, _at_once),
        ]
    return [
        Reading("array[i]; array[i:i+16]", opened, rows, partial(blocks, 16)),
        Reading("get_basic_selection(out=)", opened, rows_into, partial(blocks_into, 16)),
        Reading("gather of getitem; array[i:i+4]", opened, gathered, partial(blocks, 4)),
    ]


def opened(path: Path) -> AbstractContextManager[zarr.Array]:
    """Open the array of images."""
    return nullcontext(zarr.open_array(path / "images", mode="r"))


def rows(array: zarr.Array, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    """Read rows by `array[i]`."""
    out = about.image(memory)
    for row in rows:
        out[...] = array[row]
        yield out


def _at_once(array: zarr.Array, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    order = sorted(set(rows))
    found = np.asarray(array.oindex[np.array(order)])
    for row in rows:
        out[...] = found[order.index(row)]
        yield out


def blocks(block: int, array: zarr.Array, about: About, memory: np.ndarray) -> Images:
    """Read blocks of images by `array[i:j]`."""
    out = about.image(memory)
    for first in range(0, about.images, block):
        for image in np.asarray(array[first : first + block]):
            out[...] = image
            yield out


def _buffer(out: np.ndarray) -> Any:
    return default_buffer_prototype().nd_buffer.from_numpy_array(out)


def rows_into(array: zarr.Array, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    """Read rows straight into memory."""
    out = about.image(memory)
    buffer = _buffer(out)
    for row in rows:
        array.get_basic_selection(row, out=buffer)
        yield out


def blocks_into(block: int, array: zarr.Array, about: About, memory: np.ndarray) -> Images:
    """Read blocks of images straight into memory."""
    for first in range(0, about.images, block):
        out = about.block(memory, min(block, about.images - first))
        array.get_basic_selection(slice(first, first + block), out=_buffer(out))
        yield from out


async def _all(waiting: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    return await asyncio.gather(*waiting)


def gathered(array: zarr.Array, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    """Read rows by concurrent requests."""
    out = about.image(memory)
    for image in sync(_all([array.async_array.getitem(row) for row in rows])):
        out[...] = image
        yield out


def table(path: Path) -> pa.Table:
    """Read the table from the attributes of the group."""
    return pa.Table.from_pylist(zarr.open_group(path, mode="r").attrs["images"], IMAGE_SCHEMA)


def write(images: ImageSet, path: Path, block: int | None, options: dict[str, Any]) -> None:
    """Write blocks of images to an array with these options; without `block`, whole chunks."""
    group = zarr.create_group(path, attributes={"images": images.table.to_pylist()})
    array = group.create_array(
        "images", shape=(len(images), *images.shapes[0]), dtype=images.dtypes[0], **options
    )
    step = block or (array.shards or array.chunks)[0]
    for first in range(0, len(images), step):
        rows = range(first, min(first + step, len(images)))
        if step == 1:
            array[first] = images.pixels(first)
        else:
            array[first : rows.stop] = np.stack([images.pixels(row) for row in rows])
