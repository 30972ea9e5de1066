"""Reads of rows of HDF5 datasets through h5py alone, high and low level."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np

from platebench.stores.direct.calls import About, Images, Reading

Place = tuple[Path, str, tuple[int, ...]]
"""A file, a dataset in it, and the index of one image."""


@dataclass
class _Files:
    """Files that are opened when they are first needed, and the dataset of each."""

    place_of: Callable[[int], Place]
    files: dict[Path, Any] = field(default_factory=dict)
    datasets: dict[Path, Any] = field(default_factory=dict)

    def high(self, row: int) -> tuple[h5py.Dataset, tuple[int, ...]]:
        path, name, index = self.place_of(row)
        if path not in self.files:
            self.files[path] = h5py.File(path, "r")
            self.datasets[path] = self.files[path][name]
        return self.datasets[path], index

    def low(self, row: int) -> tuple[h5py.h5d.DatasetID, h5py.h5s.SpaceID, tuple[int, ...]]:
        path, name, index = self.place_of(row)
        if path not in self.files:
            self.files[path] = h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDONLY)
            pixels = h5py.h5d.open(self.files[path], name.encode())
            self.datasets[path] = (pixels, pixels.get_space())
        return (*self.datasets[path], index)


@contextmanager
def _opened(places: Callable[[Path], Callable[[int], Place]], path: Path) -> Iterator[_Files]:
    opened = _Files(places(path))
    yield opened
    opened.datasets.clear()
    for file in opened.files.values():
        file.close()


def _indexed(files: _Files, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for row in rows:
        pixels, index = files.high(row)
        out[...] = pixels[index]
        yield out


def _directly(files: _Files, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for row in rows:
        pixels, index = files.high(row)
        pixels.read_direct(out, index)
        yield out


def _by_id(files: _Files, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    kind = h5py.h5t.py_create(about.dtype)
    here = h5py.h5s.create_simple(about.shape)
    rest = (0,) * len(about.shape)
    for row in rows:
        pixels, there, index = files.low(row)
        there.select_hyperslab((*index, *rest), (*(1 for _ in index), *about.shape))
        pixels.read(here, there, out, kind)
        yield out


def readings(places: Callable[[Path], Callable[[int], Place]]) -> list[Reading]:
    """Return the ways to read rows: `places` gives, for a store's path, where each row is."""
    opened = partial(_opened, places)
    return [
        Reading("d[i]", opened, _indexed),
        Reading("read_direct", opened, _directly),
        Reading("d.id.read", opened, _by_id),
    ]


def chunks(places: Callable[[Path], Callable[[int], Place]]) -> Reading:
    """Return the way to read chunks of one image under gzip, decoded by libdeflate."""
    return Reading("read_direct_chunk, libdeflate", partial(_opened, places), _by_chunk)


def _by_chunk(files: _Files, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    rest = (0,) * len(about.shape)
    for row in rows:
        pixels, _, index = files.low(row)
        _, chunk = pixels.read_direct_chunk((*index, *rest))
        imagecodecs.deflate_decode(chunk, out=out.reshape(-1).view(np.uint8))
        yield out


def deflated(image: np.ndarray) -> bytes:
    """Return the bytes of a chunk of one image of single bytes under gzip."""
    compressed: bytes = imagecodecs.deflate_encode(image.reshape(-1).view(np.uint8), level=1)
    return compressed
