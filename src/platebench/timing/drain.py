"""Receive images from a store in memory, and compare what it returns with the image set."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from platebench.errors import Mismatch
from platebench.images.imageset import ImageSet, digest

_PAGE = mmap.PAGESIZE

ROOM = 16
"""Images that the suite's memory has room for, as far as `MOST_BYTES` allow."""

MOST_BYTES = 256 * 2**20
"""The most bytes of the suite's memory, unless one image has more."""


class Drain:
    """Memory of the suite's own, in which every image read must arrive.

    A read ends when all its bytes are in `memory`, uint8 of one dimension that begins at a page.
    NumPy's own memory begins 16 bytes after a page, where pread takes twice as long (24.3 ms and
    10.4 ms for 176 MB). A view of a store's own memory or a lazy batch does not count as read.
    """

    def __init__(self, images: ImageSet) -> None:
        largest = max(images.image_bytes(row) for row in range(len(images)))
        self._allocate(max(largest, min(ROOM * largest, MOST_BYTES), 1))

    @classmethod
    def of_bytes(cls, size: int) -> Self:
        """Return a drain with room for so many bytes, for a process without the images."""
        drain = cls.__new__(cls)
        drain._allocate(size)
        return drain

    def _allocate(self, size: int) -> None:
        size = -(-size // _PAGE) * _PAGE  # O_DIRECT fills whole pages
        self.memory = np.frombuffer(mmap.mmap(-1, size), np.uint8)
        self.memory.fill(1)  # page faults now, not while a cell is timed
        self.last: np.ndarray | None = None
        self._start = self.memory.ctypes.data
        self._end = self._start + size

    def __call__(self, arrays: Iterable[np.ndarray]) -> int:
        """Return the number of bytes of all images, and keep the last one in `last`.

        Raises Mismatch for an image that is not in `memory`.
        """
        read = 0
        for number, array in enumerate(arrays):
            if type(array) is not np.ndarray:
                raise Mismatch(f"read {number} gave {_not_pixels(array)}")
            start: int = array.__array_interface__["data"][0]
            inside = self._start <= start and start + array.nbytes <= self._end
            if not inside or not array.flags.c_contiguous:
                raise Mismatch(f"read {number} did not arrive in the suite's memory")
            read += array.nbytes
            self.last = array
        return read

    def forget(self) -> None:
        """Forget the last image, so that one which does not arrive is noticed."""
        self.last = None

    def spoil(self) -> None:
        """Change one byte of each page, so that what an earlier sample left is not taken for read.

        All pages of 22 MB take 0.1 ms, and the rest of the processor's cache stays as it is.
        """
        self.forget()
        np.invert(self.memory[::_PAGE], out=self.memory[::_PAGE])


def _is_pixels(array: object) -> bool:
    return type(array) is np.ndarray or isinstance(array, np.memmap)


def _not_pixels(given: object) -> str:
    return f"a {type(given).__name__}, not an array of pixels"


def check(arrays: Iterable[np.ndarray], images: ImageSet, rows: Sequence[int]) -> None:
    """Raise Mismatch unless `arrays` are exactly the images of `rows`, in that order."""
    digests = images.digests()
    found = 0
    for array in arrays:
        if found == len(rows):
            raise Mismatch(
                f"more than the {len(rows)} images asked for came back, after image {rows[-1]}"
            )
        row = rows[found]
        _check_kind(array, images, row)
        if digest(array) != digests[row]:
            raise Mismatch(_difference(array, images, row))
        found += 1
    if found < len(rows):
        raise Mismatch(
            f"{found} of the {len(rows)} images asked for came back, image {rows[found]} did not"
        )


def _check_kind(array: np.ndarray, images: ImageSet, row: int) -> None:
    if not _is_pixels(array):
        raise Mismatch(f"image {row} came back as {_not_pixels(array)}")
    if array.dtype != images.dtypes[row]:
        raise Mismatch(f"image {row} came back as {array.dtype}, not {images.dtypes[row]}")
    if array.shape != images.shapes[row]:
        raise Mismatch(f"image {row} came back with shape {array.shape}, not {images.shapes[row]}")


def _difference(array: np.ndarray, images: ImageSet, row: int) -> str:
    digests = images.digests()
    returned = digest(array)
    if returned in digests:
        return f"image {digests.index(returned)} came back in place of image {row}"
    differing = int(np.count_nonzero(array != images.pixels(row)))
    return f"image {row} came back with {differing} of {array.size} values changed"


def check_table(table: pa.Table, images: ImageSet) -> None:
    """Raise Mismatch unless `table` equals the image set's table."""
    if table.equals(images.table):
        return
    if table.schema != images.table.schema or table.num_rows != len(images):
        raise Mismatch(
            f"a table of {table.num_rows} rows and the columns {', '.join(table.column_names)} came"
            f" back, not the one of {len(images)} images"
        )
    pairs = zip(table.to_pylist(), images.table.to_pylist(), strict=True)
    row = next((row for row, (back, put) in enumerate(pairs) if back != put), 0)
    raise Mismatch(f"the table row of image {row} differs from the one that was written")


def check_stored(store: Any, path: Path, images: ImageSet, version: int | None = None) -> None:
    """Raise Mismatch unless this version, or the newest, holds exactly `images` and their table."""
    with store.open(path, *([] if version is None else [version])) as opened:
        check(opened.scan(), images, range(len(images)))
        check_table(opened.table(), images)


def check_files(store: Any, path: Path, images: ImageSet) -> None:
    """Raise Mismatch unless a store that keeps TIFF files has those of `images`, byte for byte."""
    if not store.keeps_files:
        return
    found = 0
    with store.open_files(path) as opened:
        for row, file in enumerate(opened.scan()):
            if row == len(images) or bytes(file) != bytes(images.file(row)):
                raise Mismatch(f"the TIFF file of image {row} differs from the one in the folder")
            found += 1
    if found < len(images):
        raise Mismatch(f"{found} of {len(images)} TIFF files came back")
