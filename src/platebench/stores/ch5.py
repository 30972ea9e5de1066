"""CellH5 files: CellCognition's HDF5 layout, one file per movie, through h5py.

Images of one plate, well, site, shape and dtype are the frames of one movie, in row order, as
`/sample/0/plate/{plate}/experiment/{well}/position/{site}/image/channel` of (c, t, z, y, x).
The table is a CSV file beside them. The layout holds only two-dimensional images.

- `default`: what CellH5 writes: chunks of a quarter by a quarter of an image, gzip.
- `fast`: contiguous and uncompressed. Readers of CellH5 can read it too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores import csv_table
from platebench.stores.contract import OpenByRow, OpenStore, Store

TABLE = "images.csv"
PIXELS = "image/channel"
OBJECTS = "definition/object"

Movie = tuple[str, str, str, str]
"""Plate, well, site, and a name for the shape and dtype."""


class Ch5(Store):
    """One .ch5 file per movie."""

    format = "ch5"

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one movie after another, frame by frame."""
        for shape in set(images.shapes):
            if len(shape) != 2 or 0 in shape:
                raise Unsupported(f"CellH5 holds images of shape (y, x), not {shape}")
        path.mkdir(parents=True)
        for number, (movie, rows) in enumerate(_movies(images.table).items()):
            with h5py.File(_file(path, number), "w") as file:
                self._write_movie(file, movie, images, rows)
                # Bio-Formats requires this group in every file.
                file.create_group(OBJECTS)
        csv_table.write_table(images.table, path / TABLE)

    def open(self, path: Path) -> OpenStore:
        """Read the table, which maps rows to frames. Each file is opened when it is first read."""
        return _OpenCh5(path)

    def _write_movie(
        self, file: h5py.File, movie: Movie, images: ImageSet, rows: Sequence[int]
    ) -> None:
        height, width = images.shapes[rows[0]]
        pixels = file.create_dataset(
            f"{_position(movie)}/{PIXELS}",
            shape=(1, len(rows), 1, height, width),
            dtype=images.dtypes[rows[0]],
            **self._storage(height, width),
        )
        pixels.attrs["valid"] = np.ones(len(rows))
        for frame, row in enumerate(rows):
            pixels[0, frame, 0] = images.pixels(row)

    def _storage(self, height: int, width: int) -> dict[str, Any]:
        if self.tuning == "fast":
            return {}
        chunk = (1, 1, 1, max(1, height // 4), max(1, width // 4))
        return {"chunks": chunk, "compression": "gzip", "compression_opts": 4}


def _movies(table: pa.Table) -> dict[Movie, list[int]]:
    """Return the rows of each movie."""
    movies: dict[Movie, list[int]] = defaultdict(list)
    for record in table.to_pylist():
        kind = f"{record['dtype']}{record['shape']}"
        plate, well, site = (record[key] or "0" for key in ("plate", "well", "site"))
        movies[plate, well, site, kind].append(record["row"] - table["row"][0].as_py())
    return movies


def _position(movie: Movie) -> str:
    plate, well, site, _ = movie
    return f"/sample/0/plate/{plate}/experiment/{well}/position/{site}"


def _file(path: Path, number: int) -> Path:
    return path / f"{number:05d}_01.ch5"


class _OpenCh5(OpenByRow):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._table = csv_table.read_table(path / TABLE)
        self._frames: list[tuple[int, Movie, int]] = [None] * len(self._table)  # type: ignore[list-item]
        for number, (movie, rows) in enumerate(_movies(self._table).items()):
            for frame, row in enumerate(rows):
                self._frames[row] = (number, movie, frame)
        self._open: dict[int, tuple[h5py.File, h5py.Dataset, np.ndarray]] = {}

    def close(self) -> None:
        for file, _, _ in self._open.values():
            file.close()
        self._open.clear()

    def __len__(self) -> int:
        return len(self._frames)

    def table(self) -> pa.Table:
        return self._table

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        for row in rows:
            number, movie, frame = self._frames[row]
            pixels, image = self._movie(number, movie)
            pixels.read_direct(image, np.s_[0, frame, 0])
            yield image

    def _movie(self, number: int, movie: Movie) -> tuple[h5py.Dataset, np.ndarray]:
        """Return a movie's dataset and a buffer for one of its images."""
        if number not in self._open:
            file = h5py.File(_file(self._path, number), "r")
            pixels = file[f"{_position(movie)}/{PIXELS}"]
            self._open[number] = (file, pixels, np.empty(pixels.shape[3:], pixels.dtype))
        return self._open[number][1:]
