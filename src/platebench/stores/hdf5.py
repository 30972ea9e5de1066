"""One HDF5 file with one dataset of all images, through h5py.

- On disk, `images` is one array of (images, *shape), and `table` beside it has one record per
  image. `missing`, if there is one, marks the missing values of `table`.
- One image is `h5py.File(path)["images"][i]`; MATLAB, ImageJ, HDFView, napari and R read it too.
- A random image costs one read, of its own bytes or of its own chunk.
- It keeps no versions, has one writer at a time, and every image has one shape and dtype.
- A crash while a file is written can make it unreadable.

The tunings:

- `default`: what `create_dataset(name, shape, dtype)` makes: contiguous, uncompressed. Images are
  read by `d[i]`.
- `fast`: contiguous too, from a page of memory on, written and read by the low-level `d.id`,
  straight into the reader's memory.
- `balanced`: one image per chunk, gzip 1 by libdeflate, with bytes shuffled if a pixel has several
  (`hdf5_filters`). Every reader of HDF5 reads it. h5py's own gzip writes in four times the time.
- `small`: one image per chunk, szip. It is as small as gzip 9, which takes ten times as long to
  write. Some HDF5 libraries are built without szip.

How `balanced` and `small` were chosen is in docs/tuning.md. The filters of hdf5plugin read faster:
Bitshuffle with LZ4 makes 0.42 of the bytes, and is written and read in 0.6 of the time of
`balanced`; Zstandard level 1 makes 0.36, is written in 1.7 and read in 0.8 of it. No tuning has
them, since MATLAB, R and Fiji do not open such files; with Python alone, take them.

Tables that belong to the images are groups of one dataset for each column (see `hdf5_tables`),
with gzip 1 in `balanced` and gzip 9 in `small`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import pyarrow as pa

from platebench.images.changed import check_same_kinds, with_rows
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.optional import missing
from platebench.stores.contract import (
    OpenByRow,
    OpenIntoMemory,
    OpenStore,
    Store,
    check_rows,
    copied_into,
    require_common_image,
)
from platebench.stores.crops import Crop
from platebench.stores.hdf5_filters import Filter
from platebench.stores.hdf5_images import ImageReader, ImageWriter
from platebench.stores.hdf5_tables import Hdf5Tables
from platebench.stores.tables import StoredTables
from platebench.stores.variants import Variants

IMAGES = "images"
TABLE = "table"
MISSING = "missing"

_PAGE = 4096


@dataclass(frozen=True)
class Settings:
    """How a file is written and read.

    `quick_start` uses `d[i]`. `aligned` begins the pixels at a page of memory. `filter` compresses.
    """

    quick_start: bool = False
    aligned: bool = False
    filter: Filter | None = None


_OF_THE_PLUGIN = (
    {}
    if missing("hdf5plugin")
    else {
        "bitshuffle-lz4": Settings(filter=Filter("bitshuffle")),
        "zstd-1": Settings(filter=Filter("zstd", 1)),
    }
)
_PLUGIN = "MATLAB, R and Fiji do not open such a file, since they lack the plugin."

CANDIDATES: Mapping[str, Variants[Settings]] = {
    "tensor": Variants(
        {
            "default": Settings(quick_start=True),
            "contiguous": Settings(aligned=True),
            **{
                f"gzip-{level}": Settings(filter=Filter("gzip", level, direct=True))
                for level in (1, 2, 4, 6)
            },
            "gzip-1-zlib": Settings(filter=Filter("gzip", 1)),
            "gzip-1-tiles": Settings(filter=Filter("gzip", 1, tiles=4)),
            "lzf": Settings(filter=Filter("lzf")),
            "szip": Settings(filter=Filter("szip")),
            **_OF_THE_PLUGIN,
        },
        {"default": "default", "fast": "contiguous", "balanced": "gzip-1", "small": "szip"},
        dict.fromkeys(_OF_THE_PLUGIN, _PLUGIN),
    )
}


class Hdf5(Store):
    """One HDF5 file."""

    format = "hdf5"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tensor": {
            "Python": """
import h5py
print(h5py.File(place)["images"][0])
""",
            "R": """
rhdf5::h5read(place, "images", index = list(NULL, NULL, 1))
""",
            "Fiji": "File > Import > HDF5, then name the file and its dataset `images`.",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one image at a time, then the table."""
        shape, dtype = require_common_image(images, self.layout)
        settings = self._settings
        options = {}
        if settings.filter is not None:
            settings.filter.check(shape)
            options = settings.filter.options(1, shape, dtype)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        path.parent.mkdir(parents=True, exist_ok=True)
        aligned = {"alignment_threshold": _PAGE, "alignment_interval": _PAGE}
        with h5py.File(path, "w", **(aligned if settings.aligned else {})) as file:
            pixels = file.create_dataset(IMAGES, (len(images), *shape), dtype, **options)
            if settings.quick_start:
                for row in range(len(images)):
                    pixels[row] = images.pixels(row)
            else:
                writer = ImageWriter(pixels.id, shape, settings.filter)
                writer.write_all(((row,) for row in range(len(images))), images)
            _write_table(images.table, file)
        tables.write(images.tables)

    def open(self, path: Path) -> OpenStore:
        """Open the file for reading."""
        if self._settings.filter is not None:
            self._settings.filter.make_readable()
        opened = _OpenIndexed if self._settings.quick_start else _OpenInto
        return opened(path).with_tables(self.tables_at(path))

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Assign rows of the dataset, then write the table again. The old one's bytes stay."""
        with h5py.File(path, "r+") as file:
            pixels = file[IMAGES]
            check_rows(rows, len(pixels))
            kind = (pixels.shape[1:], pixels.dtype)
            check_same_kinds([kind] * len(rows), images, "an HDF5 dataset")
            if self._settings.quick_start:
                for place, row in enumerate(rows):
                    pixels[row] = images.pixels(place)
            else:
                writer = ImageWriter(pixels.id, pixels.shape[1:], self._settings.filter)
                writer.write_all(((row,) for row in rows), images)
            table = with_rows(_read_table(file), rows, images.table)
            for name in (TABLE, MISSING):
                if name in file:
                    del file[name]
            _write_table(table, file)

    def tables_at(self, path: Path) -> StoredTables:
        """Keep tables in the same file."""
        level = {"balanced": 1, "small": 9}.get(self.tuning)
        options = {"compression": "gzip", "compression_opts": level, "shuffle": True}
        return Hdf5Tables(path, self.tuning != "default", options if level else {})

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)


def _write_table(table: pa.Table, file: h5py.File) -> None:
    """Write records of numbers, UTF-8 texts of fixed length, and shapes."""
    columns = {field.name: table[field.name].to_pylist() for field in IMAGE_SCHEMA}
    kinds = [(field.name, *_kind(field.type, columns[field.name])) for field in IMAGE_SCHEMA]
    records = np.zeros(len(table), kinds)
    missing = np.zeros(len(table), [(name, bool) for name in columns])
    for name, values in columns.items():
        missing[name] = [value is None for value in values]
        filled = [value for value in values if value is not None]
        if filled and isinstance(filled[0], str):
            filled = [text.encode() for text in filled]
        records[name][~missing[name]] = filled
    file[TABLE] = records
    if any(missing[name].any() for name in columns):
        file[MISSING] = missing


def _kind(kind: pa.DataType, values: list[Any]) -> tuple[Any, ...]:
    """Return the type of a column, and its shape if a value is a list."""
    if pa.types.is_string(kind):
        longest = max((len(text.encode()) for text in values if text is not None), default=0)
        return (h5py.string_dtype("utf-8", max(1, longest)),)
    if pa.types.is_list(kind):
        return (kind.value_type.to_pandas_dtype(), (len(values[0]),))
    return (kind.to_pandas_dtype(),)


def _read_table(file: h5py.File) -> pa.Table:
    records = file[TABLE][()]
    missing = file[MISSING][()] if MISSING in file else {}
    columns = []
    for field in IMAGE_SCHEMA:
        values = np.ascontiguousarray(records[field.name])
        mask = missing[field.name] if len(missing) else None
        if pa.types.is_string(field.type):
            columns.append(pa.array(values, pa.binary(), mask=mask).cast(pa.string()))
        elif pa.types.is_list(field.type):
            columns.append(_lists(values, field.type))
        else:
            columns.append(pa.array(values, field.type, mask=mask))
    return pa.Table.from_arrays(columns, schema=IMAGE_SCHEMA)


def _lists(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    rows, length = values.shape
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * np.int32(length))
    return pa.ListArray.from_arrays(offsets, pa.array(values.reshape(-1)), type=kind)


class _OpenIndexed(OpenByRow):
    """Images by `d[i]`."""

    def __init__(self, path: Path) -> None:
        self._file = h5py.File(path, "r")

    @cached_property
    def _pixels(self) -> h5py.Dataset:
        return self._file[IMAGES]

    def close(self) -> None:
        self._file.close()

    def __len__(self) -> int:
        return int(self._pixels.shape[0])

    def table(self) -> pa.Table:
        return _read_table(self._file)

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return (np.asarray(self._pixels[row]) for row in rows)

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        check_rows([crop.row for crop in crops], len(self))
        shape = self._pixels.shape[1:]
        parts = (self._pixels[(crop.row, *crop.index(shape))] for crop in crops)
        return copied_into(memory, parts)


class _OpenInto(OpenIntoMemory):
    """Images by `d.id.read`, which fills the reader's memory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _reader(self) -> ImageReader:
        return ImageReader(self._path, IMAGES, 1)

    def close(self) -> None:
        if "_reader" in vars(self):
            self._reader.close()

    def __len__(self) -> int:
        return self._reader.images

    @property
    def largest_image(self) -> int:
        return int(self._reader.image_bytes)

    def table(self) -> pa.Table:
        with h5py.File(self._path, "r") as file:
            return _read_table(file)

    def images_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        return (self._reader.read((row,), memory) for row in rows)

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        check_rows([crop.row for crop in crops], len(self))
        if self._reader.decodes_whole:
            return super().crops_into(crops, memory)
        return (self._reader.read_crop((crop.row,), crop, memory) for crop in crops)
