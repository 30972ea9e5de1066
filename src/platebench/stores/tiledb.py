"""A TileDB dense array of (images, *shape), through TileDB-Py.

- On disk, an array is a folder: its schema, and a folder per write (a fragment) with one file of
  pixels. A tile is the unit that is compressed and read. The images' table is `images.csv`.
- One image is `tiledb.open("images")[i]["image"]`.
- A random row costs its tile, whose place in the file is computed, after the fragments' footers
  have been read. Opening costs a listing of the folder and a read per fragment.
- It cannot hold images of different shapes or dtypes. A dense array cannot lose rows.
- Python, R, C++, Java and Go open it, and napari by a plugin. The format's own document:
  https://github.com/TileDB-Inc/TileDB/blob/main/format_spec/FORMAT_SPEC.md

Its time travel opens an array as it was at a millisecond. It is not used for versions here, since
each write is a fragment with a time of its own: nothing says which of them are a version, a killed
append leaves some of them visible, of two writers at once both succeed, and going back to fewer
rows needs `delete_fragments`. So versions are platebench's part list.

The tunings:

- `default`: `tiledb.from_numpy`, which makes one uncompressed tile of all images, and needs them
  all in memory. Every request reads the tile, so a scan requests all rows, and up to 16 random
  rows are requested at once by `multi_index`.
- `fast`: one image per tile, uncompressed, and 16 images per write.
- `balanced`: the same with Zstandard level 1: 0.36 of the raw size. A bit shuffle and LZ4 make 0.41
  and take twice as long to write (TileDB 2.30).
- `small`: Zstandard level 9: 0.34. A delta filter before level 1 makes as much, and reads 10 times
  as slowly.

Tables that belong to the images are Arrow IPC files (see `arrow_tables`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import tiledb

from platebench.errors import Unsupported
from platebench.images.changed import check_same_kinds, with_rows
from platebench.images.imageset import ImageSet
from platebench.stores import csv_table
from platebench.stores.arrow_tables import ArrowTables
from platebench.stores.by_request import by_request
from platebench.stores.contract import (
    OpenInBlocks,
    OpenStore,
    Store,
    check_rows,
    copied_into,
    require_common_image,
)
from platebench.stores.crops import Crop
from platebench.stores.table_files import TABLES
from platebench.stores.tables import StoredTables
from platebench.stores.variants import Variants

IMAGES, TABLE, IMAGE = "images", "images.csv", "image"

TOGETHER = 16
"""Images per write, and per read of a scan."""


@dataclass(frozen=True)
class Settings:
    """What a tile is: all images as `from_numpy` does it, or one image with these filters."""

    quick_start: bool = False
    filters: tuple[Any, ...] = ()


def _zstd(level: int, *before: Any) -> Settings:
    return Settings(filters=(*before, tiledb.ZstdFilter(level)))


CANDIDATES: Mapping[str, Variants[Settings]] = {
    "tensor": Variants(
        {
            "default": Settings(quick_start=True),
            "uncompressed": Settings(),
            "zstd-1": _zstd(1),
            "bitshuffle-zstd-1": _zstd(1, tiledb.BitShuffleFilter()),
            "bitshuffle-lz4": Settings(filters=(tiledb.BitShuffleFilter(), tiledb.LZ4Filter())),
            "zstd-9": _zstd(9),
            "zstd-12": _zstd(12),
        },
        {
            "default": "default",
            "fast": "uncompressed",
            "balanced": "zstd-1",
            "small": "zstd-9",
        },
    )
}


class TileDb(Store):
    """A folder with a dense array and its table."""

    format = "tiledb"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tensor:default": {
            "Python": """
import tiledb
print(tiledb.open(f"{place}/images")[0])
""",
        },
        "tensor": {
            "Python": """
import tiledb
print(tiledb.open(f"{place}/images")[0]["image"])
""",
            "R": """
array <- tiledb::tiledb_array(paste0(place, "/images"), return_as = "array")
array[1, , ]
""",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one fragment per 16 images, or all at once with `default`."""
        settings = CANDIDATES[self.layout].of(self.tuning)
        shape, dtype = require_common_image(images, self.layout)
        if dtype.kind not in "uif":
            raise Unsupported(f"platebench keeps no {dtype} in TileDB, only numbers")
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        path.mkdir(parents=True)
        place = str(path / IMAGES)
        if settings.quick_start:
            tiledb.from_numpy(place, np.stack(list(images))).close()
        else:
            tiledb.Array.create(place, _schema(len(images), shape, dtype, settings))
            with tiledb.open(place, "w") as array:
                for first in range(0, len(images), TOGETHER):
                    rows = range(first, min(first + TOGETHER, len(images)))
                    array[first : rows.stop] = np.stack([images.pixels(row) for row in rows])
        csv_table.write_table(images.table, path / TABLE)
        tables.write(images.tables)

    def open(self, path: Path) -> OpenStore:
        """Open the array for reading."""
        settings = CANDIDATES[self.layout].of(self.tuning)
        kind = _OpenTiles if settings.quick_start else _OpenArray
        return kind(path).with_tables(self.tables_at(path))

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Assign rows of the array: each is a fragment more. Then write the table again."""
        place = str(path / IMAGES)
        with tiledb.open(place) as array:
            check_rows(rows, array.shape[0])
            kind = (array.shape[1:], array.attr(0).dtype)
        check_same_kinds([kind] * len(rows), images, "an array of TileDB")
        with tiledb.open(place, "w") as array:
            for number, row in enumerate(rows):
                array[row : row + 1] = images.pixels(number)[np.newaxis]
        csv_table.change_table(path / TABLE, lambda table: with_rows(table, rows, images.table))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep each table as Arrow IPC files."""
        return ArrowTables(path / TABLES)


def _schema(
    images: int, shape: tuple[int, ...], dtype: np.dtype, settings: Settings
) -> tiledb.ArraySchema:
    """Return the schema of an array with one image per tile."""
    sides = [("row", images, 1), *((f"axis{axis}", side, side) for axis, side in enumerate(shape))]
    domain = tiledb.Domain(
        *(
            tiledb.Dim(name, domain=(0, side - 1), tile=tile, dtype=np.uint64)
            for name, side, tile in sides
        )
    )
    filters = tiledb.FilterList(settings.filters)
    return tiledb.ArraySchema(
        domain=domain, attrs=[tiledb.Attr(IMAGE, dtype=dtype, filters=filters)]
    )


class _OpenArray(OpenInBlocks):
    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _array(self) -> tiledb.DenseArray:
        return tiledb.open(str(self._path / IMAGES))

    def close(self) -> None:
        if "_array" in vars(self):
            self._array.close()

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def scan(self) -> Iterator[np.ndarray]:
        for first in range(0, len(self), TOGETHER):
            yield from self._read(slice(first, min(first + TOGETHER, len(self))))

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return (self._read(row) for row in rows)

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        check_rows([crop.row for crop in crops], len(self))
        shape = self._array.shape[1:]
        return copied_into(memory, (self._read((crop.row, *crop.index(shape))) for crop in crops))

    def _read(self, rows: int | slice | tuple[int | slice, ...]) -> np.ndarray:
        found = self._array[rows]
        pixels: np.ndarray = found[IMAGE] if isinstance(found, Mapping) else found
        return pixels

    def table(self) -> pa.Table:
        return csv_table.read_table(self._path / TABLE)


class _OpenTiles(_OpenArray):
    """Tiles of many images, each of which a scan or a request for several rows reads once."""

    def scan(self) -> Iterator[np.ndarray]:
        tile = int(self._array.dim(0).tile)
        for first in range(0, len(self), tile):
            yield from self._read(slice(first, min(first + tile, len(self))))

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return by_request(rows, self._several)

    def _several(self, rows: list[int]) -> list[np.ndarray]:
        return list(self._array.multi_index[rows][self._array.attr(0).name])
