"""What a store holds as an image set, so that it can be written again, by any store.

The images are read when they are asked for; all of them would not fit in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from platebench.images.imageset import ImageSet, digest

if TYPE_CHECKING:
    from platebench.stores.contract import OpenStore


class StoredTablesOf(Mapping[str, pa.Table]):
    """The tables of an open store, each read when it is asked for."""

    def __init__(self, opened: OpenStore) -> None:
        self._opened = opened

    def __getitem__(self, name: str) -> pa.Table:
        return self._opened.read_table(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened.tables())

    def __len__(self) -> int:
        return len(self._opened.tables())


class _Ascending:
    """Reads images by one scan as long as they are asked for in ascending order.

    A store whose images lie in one compressed block would otherwise decode it for each of them.
    """

    def __init__(self, opened: OpenStore) -> None:
        self._opened = opened
        self._scan: Iterator[np.ndarray] | None = None
        self._next = 0
        self._reading = threading.Lock()

    def read(self, row: int) -> np.ndarray:
        """Return image `row`, in memory of its own."""
        with self._reading:
            if row < self._next:
                (image,) = (np.array(each) for each in self._opened.take([row]))
                return image
            if self._scan is None:
                self._scan = self._opened.scan()
            for each in self._scan:
                self._next += 1
                if self._next > row:
                    return np.array(each)
        raise IndexError(f"row {row}: the scan ended after {self._next} images")


class StoredImages(ImageSet):
    """The images of an open store.

    `files` is the same store, opened for the bytes of its TIFF files. Without it an image's file is
    its pixels, encoded as a TIFF file.
    """

    def __init__(self, opened: OpenStore, files: OpenStore | None = None) -> None:
        self.name = "stored"
        self.table = opened.table()
        self.tables = StoredTablesOf(opened)
        self._opened = _Ascending(opened)
        self._files = None if files is None else _Ascending(files)

    def pixels(self, row: int) -> np.ndarray:
        """Read image `row`."""
        return self._opened.read(row)

    def file(self, row: int) -> bytes | memoryview:
        """Read its TIFF file, or encode its pixels as one."""
        if self._files is None:
            from platebench.images import tiff  # tifffile takes long to import

            return tiff.encode(self.pixels(row))
        return self._files.read(row).data

    def digests(self) -> Sequence[str]:
        """Read every image and return its digest."""
        return [digest(self.pixels(row)) for row in range(len(self))]
