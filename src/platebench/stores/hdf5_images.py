"""Read and write images of an HDF5 dataset through h5py's low-level interface.

`d[i]` describes the selection anew and allocates an array for each image. Here one selection is
moved, and pixels are read straight into the caller's memory. Chunks of one image under gzip are
read and written as they are, and compressed by libdeflate (`hdf5_filters`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

from platebench.stores.ahead import done_ahead
from platebench.stores.crops import Crop
from platebench.stores.hdf5_filters import Filter, decode_chunk, encode_chunk, is_direct


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
        self._direct, self._shuffled = is_direct(self._pixels, axes)

    def read(self, index: tuple[int, ...], memory: np.ndarray) -> np.ndarray:
        """Read the image at `index` to the start of `memory` and return it there."""
        image = memory[: self.image_bytes].view(self.dtype).reshape(self.shape)
        if self._direct:
            mask, chunk = self._pixels.read_direct_chunk((*index, *self._origin))
            if mask == 0:  # no filter was left out
                decode_chunk(chunk, self._shuffled, image)
                return image
        self._there.select_hyperslab((*index, *self._origin), self._count)
        self._pixels.read(self._here, self._there, image, self._type)
        return image

    @property
    def decodes_whole(self) -> bool:
        """True if a chunk is one image that libdeflate decodes: quicker than HDF5 reads a part."""
        return self._direct

    def read_crop(self, index: tuple[int, ...], crop: Crop, memory: np.ndarray) -> np.ndarray:
        """Read a part of the image at `index` to the start of `memory` and return it there.

        HDF5 reads the chunks that hold it, of a contiguous dataset its lines.
        """
        window = crop.index(self.shape)
        shape = tuple(part.stop - part.start for part in window)
        size = math.prod(shape) * self.dtype.itemsize
        part = memory[:size].view(self.dtype).reshape(shape)
        start = (*index, *(part.start for part in window))
        self._there.select_hyperslab(start, (*(1 for _ in index), *shape))
        self._pixels.read(h5py.h5s.create_simple(shape), self._there, part, self._type)
        return part

    def close(self) -> None:
        """Close the file. HDF5 keeps it open as long as one of its datasets is."""
        del self._pixels
        self._file.close()


class ImageWriter:
    """Writes images of one shape to an open dataset."""

    def __init__(
        self, pixels: h5py.h5d.DatasetID, shape: tuple[int, ...], filter_: Filter | None = None
    ) -> None:
        self._pixels = pixels
        self._filter = filter_
        self._shape = shape
        self._here, self._there = h5py.h5s.create_simple(shape), pixels.get_space()

    def write_all(self, indices: Iterable[tuple[int, ...]], images: Iterable[np.ndarray]) -> None:
        """Write each image at its index. Chunks are compressed in threads ahead."""
        filter_ = self._filter
        if filter_ is None or not filter_.direct:
            for index, image in zip(indices, images, strict=True):
                self._write(index, image)
            return
        level, shuffle = filter_.level or 1, filter_.shuffle
        chunks = done_ahead(lambda image: encode_chunk(image, level, shuffle), images)
        for index, chunk in zip(indices, chunks, strict=True):
            self._pixels.write_direct_chunk((*index, *(0 for _ in self._shape)), chunk)

    def _write(self, index: tuple[int, ...], image: np.ndarray) -> None:
        origin = (*index, *(0 for _ in self._shape))
        self._there.select_hyperslab(origin, (*(1 for _ in index), *self._shape))
        self._pixels.write(self._here, self._there, image)
