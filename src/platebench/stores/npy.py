"""One `.npy` file of NumPy, read through a memory map.

- On disk, all images are one array of (images, *shape): a header of a few lines, then raw pixels in
  C order. The images' table is `images.csv` beside it.
- One image is `np.load("images.npy", mmap_mode="r")[i]`; nothing is read until a pixel is used.
- A random row costs one read of known offset and size, without any index: offset + i * size.
- It cannot compress, grow without being written anew, check its own bytes, hold images of different
  shapes or dtypes, or keep versions.
- NumPy opens it, and libraries for R, MATLAB, Julia, C++ and Rust. The format is described in
  https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

There is one tuning, since NumPy has nothing to set: `np.save` and `np.lib.format.open_memmap` write
the same bytes. Here the header is written by `numpy.lib.format`, then one image after another, so
memory does not grow. `np.load` reads the header and checks that the file is complete. Then pixels
are read into the reader's memory with `preadv`, without a page fault for every 4 KiB of the map.
Compressed `.npz` files are zip archives of such files, and compressed by deflate only.

Tables that belong to the images are Arrow IPC files (see `arrow_tables`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from platebench.images.changed import check_same_kinds, with_rows
from platebench.images.imageset import ImageSet
from platebench.stores import csv_table
from platebench.stores.arrow_tables import ArrowTables
from platebench.stores.contract import (
    OpenIntoMemory,
    OpenStore,
    Store,
    check_rows,
    require_common_image,
)
from platebench.stores.crops import Crop
from platebench.stores.raw_crops import RawImage, crops_of_file
from platebench.stores.read_ahead import read_ahead
from platebench.stores.table_files import TABLES
from platebench.stores.tables import StoredTables
from platebench.stores.together import Begun, OfStore, Together
from platebench.stores.variants import Variants

IMAGES, TABLE = "images.npy", "images.csv"

CANDIDATES: Mapping[str, Variants[None]] = {
    "tensor": Variants({"raw": None}, {"default": "raw"}),
}


class Npy(Store):
    """A folder with one `.npy` file and its table."""

    format = "npy"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tensor": {
            "Python": """
import numpy as np
print(np.load(f"{place}/images.npy", mmap_mode="r")[0])
""",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Write the header, then one image after another."""
        with self.begin(images, path) as file:
            for row in range(len(images)):
                _write_all(file.fileno(), images.pixels(row).reshape(-1).view(np.uint8).data)
        self.end(images, path)

    def begin(self, images: ImageSet, path: Path) -> FileIO:
        """Make the folder and write the header; return the open file. Raises as `write` does."""
        shape, dtype = require_common_image(images, self.layout)
        self.tables_at(path).check_all(images.tables)
        path.mkdir(parents=True)
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": (len(images), *shape),
        }
        file = (path / IMAGES).open("wb", buffering=0)
        np.lib.format.write_array_header_1_0(file, header)
        return file

    def end(self, images: ImageSet, path: Path) -> None:
        """Write the tables."""
        csv_table.write_table(images.table, path / TABLE)
        self.tables_at(path).write(images.tables)

    def together(self) -> Together:
        """Have each process write its rows at their places in the file."""
        return NpyRegions(self)

    def open(self, path: Path) -> OpenStore:
        """Map the file."""
        return _OpenNpy(path).with_tables(self.tables_at(path))

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Assign rows of the memory map, then write the table again."""
        array = np.load(path / IMAGES, mmap_mode="r+")
        check_rows(rows, len(array))
        check_same_kinds([(array.shape[1:], array.dtype)] * len(rows), images, "a .npy file")
        for place, row in enumerate(rows):
            array[row] = images.pixels(place)
        array.flush()
        csv_table.change_table(path / TABLE, lambda table: with_rows(table, rows, images.table))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep each table as Arrow IPC files."""
        return ArrowTables(path / TABLES)


class NpyRegions(OfStore):
    """One file, made before with its whole size; each process assigns rows of a memory map."""

    way = "one file, rows of a memory map"

    def __init__(self, store: Npy) -> None:
        super().__init__(store)
        self._npy = store

    def begin(self, images: ImageSet, path: Path) -> Begun:
        """Write the header and make the file as large as it will be."""
        with self._npy.begin(images, path) as file:
            file.truncate(file.tell() + images.pixel_bytes)
        return Begun()

    def share(self, images: ImageSet, path: Path, rows: range, state: Any) -> None:
        """Assign rows of the map."""
        array = np.load(path / IMAGES, mmap_mode="r+")
        for row in rows:
            array[row] = images.pixels(row)
        array.flush()

    def end(self, images: ImageSet, path: Path, written: Sequence[Any]) -> None:
        """Write the tables."""
        self._npy.end(images, path)


def _write_all(file: int, data: memoryview) -> None:
    while data:
        data = data[os.write(file, data) :]


class _OpenNpy(OpenIntoMemory):
    def __init__(self, path: Path) -> None:
        self._path = path
        array = np.load(path / IMAGES, mmap_mode="r")
        self._images, *shape = array.shape
        self._shape, self._dtype, self._start = tuple(shape), array.dtype, array.offset

    @cached_property
    def _file(self) -> int:
        return os.open(self._path / IMAGES, os.O_RDONLY)

    def close(self) -> None:
        if "_file" in vars(self):
            os.close(self._file)

    def __len__(self) -> int:
        return int(self._images)

    @property
    def largest_image(self) -> int:
        return int(np.prod(self._shape, dtype=np.int64)) * int(self._dtype.itemsize)

    def images_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        size = self.largest_image
        pixels = memory[:size]
        image = pixels.view(self._dtype).reshape(self._shape)
        ahead = read_ahead(self._file, rows, lambda row: (self._start + row * size, size))
        # For plain reads in order the kernel reads ahead by itself, in larger pages.
        for row in rows if isinstance(rows, range) else ahead:
            if os.preadv(self._file, [pixels.data], self._start + row * size) != size:
                raise EOFError(f"{self._path / IMAGES} is truncated")
            yield image

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        check_rows([crop.row for crop in crops], len(self))
        return crops_of_file(self._file, crops, self._image_at, memory)

    def _image_at(self, row: int) -> RawImage:
        return RawImage(self._start + row * self.largest_image, self._shape, self._dtype)

    def table(self) -> pa.Table:
        return csv_table.read_table(self._path / TABLE)
