"""Read and write images of an HDF5 dataset through h5py's low-level interface.

`d[i]` describes the selection anew and allocates an array for each image. Here one selection is
moved, and pixels are read straight into the caller's memory.
"""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np


class ImageReader:
    """An open dataset whose first `axes` axes count images."""

    def __init__(self, path: Path, dataset: str, axes: int) -> None:
        self._file = h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDONLY)
        self._pixels = h5py.h5d.open(self._file, dataset.encode())
        whole = self._pixels.shape
        self.images = int(whole[0])
        self.shape: tuple[int, ...] = whole[axes:]
        self.dtype: np.dtype = self._pixels.dtype
        self.image_bytes = int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize
        self._origin = (0,) * len(self.shape)
        self._count = (*(1 for _ in range(axes)), *self.shape)
        self._here, self._there = h5py.h5s.create_simple(self.shape), self._pixels.get_space()
        self._type = h5py.h5t.py_create(self.dtype)

    def read(self, index: tuple[int, ...], memory: np.ndarray) -> np.ndarray:
        """Read the image at `index` to the start of `memory` and return it there."""
        image = memory[: self.image_bytes].view(self.dtype).reshape(self.shape)
        self._there.select_hyperslab((*index, *self._origin), self._count)
        self._pixels.read(self._here, self._there, image, self._type)
        return image

    def close(self) -> None:
        """Close the file. HDF5 keeps it open as long as one of its datasets is."""
        del self._pixels
        self._file.close()


class ImageWriter:
    """Writes images of one shape to an open dataset."""

    def __init__(self, pixels: h5py.h5d.DatasetID, shape: tuple[int, ...]) -> None:
        self._pixels = pixels
        self._shape = shape
        self._here, self._there = h5py.h5s.create_simple(shape), pixels.get_space()

    def __call__(self, index: tuple[int, ...], image: np.ndarray) -> None:
        """Write the image at `index`."""
        origin = (*index, *(0 for _ in self._shape))
        self._there.select_hyperslab(origin, (*(1 for _ in index), *self._shape))
        self._pixels.write(self._here, self._there, image)
