"""TileDB, through TileDB-Py alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tiledb

from platebench.images.imageset import ImageSet
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing
from platebench.stores.direct.tiff_files import read_csv, write_csv


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one tuning."""
    readings = [
        Reading("array[i]; array[i:i+16]", _opened, _rows, partial(_blocks, 16)),
        Reading("array[i]; array[i:i+4]", _opened, _rows, partial(_blocks, 4)),
    ]
    writing = Writing("array[i:i+16] = block", partial(_write, tuning))
    if tuning == "default":
        readings.append(Reading("multi_index[rows]; array[:]", _opened, _at_once, _whole))
        writing = Writing("from_numpy", _from_numpy)
    return Calls([writing], readings, [TableReading("pyarrow.csv.read_csv", read_csv)])


def _opened(path: Path) -> Any:
    return tiledb.open(str(path / "images"))


def _pixels(found: Any) -> np.ndarray:
    pixels: np.ndarray = found if isinstance(found, np.ndarray) else found["image"]
    return pixels


def _rows(
    array: tiledb.DenseArray, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    out = about.image(memory)
    for row in rows:
        out[...] = _pixels(array[row])
        yield out


def _blocks(block: int, array: tiledb.DenseArray, about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for first in range(0, about.images, block):
        for image in _pixels(array[first : min(first + block, about.images)]):
            out[...] = image
            yield out


def _at_once(
    array: tiledb.DenseArray, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    out = about.image(memory)
    order = sorted(set(rows))
    found = array.multi_index[order][array.attr(0).name]
    for row in rows:
        out[...] = found[order.index(row)]
        yield out


def _whole(array: tiledb.DenseArray, about: About, memory: np.ndarray) -> Images:
    return _blocks(about.images, array, about, memory)


def _from_numpy(images: ImageSet, path: Path) -> None:
    path.mkdir()
    tiledb.from_numpy(str(path / "images"), np.stack(list(images))).close()
    write_csv(images, path)


def _write(tuning: str, images: ImageSet, path: Path) -> None:
    path.mkdir()
    levels = {"balanced": 1, "small": 9}
    filters = [tiledb.ZstdFilter(levels[tuning])] if tuning in levels else []
    sides = [(len(images), 1), *((side, side) for side in images.shapes[0])]
    dimensions = [
        tiledb.Dim(f"axis{axis}", domain=(0, side - 1), tile=tile, dtype=np.uint64)
        for axis, (side, tile) in enumerate(sides)
    ]
    attribute = tiledb.Attr("image", dtype=images.dtypes[0], filters=tiledb.FilterList(filters))
    schema = tiledb.ArraySchema(domain=tiledb.Domain(*dimensions), attrs=[attribute])
    tiledb.Array.create(str(path / "images"), schema)
    with tiledb.open(str(path / "images"), "w") as array:
        for first in range(0, len(images), 16):
            rows = range(first, min(first + 16, len(images)))
            array[first : rows.stop] = np.stack([images.pixels(row) for row in rows])
    write_csv(images, path)
