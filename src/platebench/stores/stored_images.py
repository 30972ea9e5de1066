"""What a store holds as an image set, so that it can be written again, by any store.

The images are read when they are asked for. An image set in memory would not fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa


from platebench.images.imageset import ImageSet, digest
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


class StoredImages(ImageSet):
    """The images of an open store.

    `files` is the same store, opened for the bytes of its TIFF files. Without it an image's file is
    its pixels, encoded as a TIFF file.
    """

    def __init__(self, opened: OpenStore, files: OpenStore | None = None) -> None:
        self.name = "stored"
        self.table = opened.table()
        self.tables = StoredTablesOf(opened)
        self._opened = opened
        self._files = files

    def pixels(self, row: int) -> np.ndarray:
        """Read image `row`."""
        (image,) = (np.array(each) for each in self._opened.take([row]))
        return image

    def file(self, row: int) -> bytes | memoryview:
        """Read its TIFF file, or encode its pixels as one."""
        if self._files is None:
            from platebench.images import tiff  # tifffile takes long to import

            return tiff.encode(self.pixels(row))
        (file,) = (np.array(each) for each in self._files.take([row]))
        return file.data

    def digests(self) -> Sequence[str]:
        """Read every image and return its digest."""
        return [digest(self.pixels(row)) for row in range(len(self))]
