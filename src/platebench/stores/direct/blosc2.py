"""Blosc2, through python-blosc2 alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
import pyarrow as pa

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.blosc2 import CANDIDATES
from platebench.stores.direct.calls import (
    About,
    Calls,
    Images,
    Reading,
    Reason,
    TableReading,
    Writing,
)

REASONS = (
    Reason(
        "blosc2:*:[!d]*",
        "cold scan",
        "The file is mapped. From the page cache that takes half the time of read calls, from the"
        " disk 1.0 to 1.3 times as long.",
    ),
    Reason(
        "blosc2:*:[!d]*",
        "table",
        "The store maps the file as it opens it. This takes 0.1 ms.",
    ),
)


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    readings = [Reading("array[i]; array[i:j]", _opened, _rows, _blocks)]
    if tuning != "default":
        mapped = partial(_opened, mmap_mode="r")
        readings += [
            Reading("decompress_chunk(i, dst=)", _opened, _into),
            Reading("decompress_chunk(i, dst=), mmap_mode", mapped, _into),
        ]
    writing = Writing("array[i:j] = block", partial(_write, layout, tuning))
    return Calls([writing], readings, [TableReading("schunk.vlmeta", _table)])


def _opened(path: Path, **options: Any) -> AbstractContextManager[Any]:
    return nullcontext(blosc2.open(str(path), mode="r", **options))


def _rows(array: Any, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for row in rows:
        out[...] = array[row]
        yield out


def _blocks(array: Any, about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    block = array.chunks[0]
    for first in range(0, about.images, block):
        for image in array[first : first + block]:
            out[...] = image
            yield out


def _into(array: Any, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for row in rows:
        array.schunk.decompress_chunk(row, dst=out)
        yield out


def _table(path: Path) -> pa.Table:
    array = blosc2.open(str(path), mode="r")
    return pa.Table.from_pylist(array.schunk.vlmeta["images"], IMAGE_SCHEMA)


def _write(layout: str, tuning: str, images: ImageSet, path: Path) -> None:
    shape, dtype = images.shapes[0], images.dtypes[0]
    options = CANDIDATES[layout].of(tuning).options(shape, dtype)
    array = blosc2.empty((len(images), *shape), dtype=dtype, urlpath=str(path), **options)
    block = array.chunks[0]
    for first in range(0, len(images), block):
        rows = range(first, min(first + block, len(images)))
        array[first : rows.stop] = np.stack([images.pixels(row) for row in rows])
    array.schunk.vlmeta["images"] = images.table.to_pylist()
