"""CellH5 files: CellCognition's HDF5 layout, one file per movie, through h5py.

Images of one plate, well, site, shape and dtype are the frames of one movie, in row order, as
`/sample/0/plate/{plate}/experiment/{well}/position/{site}/image/channel` of (c, t, z, y, x).
The table is a CSV file beside them, and a JSON file says which rows are the frames of each movie:
CSV takes 2 ms to parse. The layout holds only two-dimensional images.

Further tables are in one HDF5 file beside the movies, with a dataset for each column (see
`hdf5_tables`). CellH5's own object tables are one for each movie: rows of a plate would lose their
order, and they have no place for text, missing values, or types other than float64.

- `default`: what CellH5 writes: chunks of a quarter by a quarter of an image, gzip.
- `fast`: contiguous and uncompressed. Readers of CellH5 can read it too.
- `balanced`: one image per chunk, gzip 1 by libdeflate (`hdf5_filters`), which every reader of HDF5
  reads. How it was chosen is in docs/tuning.md. There is no `small`: szip would be 6% smaller than
  the default, but not every reader of CellH5 has it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores import csv_table
from platebench.stores.contract import OpenIntoMemory, OpenStore, Store, check_rows
from platebench.stores.crops import Crop
from platebench.stores.hdf5_filters import Filter
from platebench.stores.hdf5_images import ImageReader, ImageWriter
from platebench.stores.hdf5_tables import Hdf5Tables
from platebench.stores.tables import StoredTables
from platebench.stores.variants import Variants

TABLE = "images.csv"
MOVIES = "movies.json"
TABLES = "tables.h5"
PIXELS = "image/channel"
OBJECTS = "definition/object"

Movie = tuple[str, str, str, str]
"""Plate, well, site, and a name for the shape and dtype."""

CANDIDATES: Mapping[str, Variants[Filter | None]] = {
    "tensor": Variants(
        {
            "default": Filter("gzip", 4, tiles=4, shuffle=False),
            "contiguous": None,
            "gzip-1": Filter("gzip", 1, direct=True),
            "gzip-2": Filter("gzip", 2, direct=True),
            "gzip-6": Filter("gzip", 6, direct=True),
            "gzip-1-zlib": Filter("gzip", 1),
            "szip": Filter("szip"),
        },
        {"default": "default", "fast": "contiguous", "balanced": "gzip-1"},
    )
}
"""How the planes are compressed; None leaves them as they are."""


class Ch5(Store):
    """One .ch5 file per movie."""

    format = "ch5"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tensor": {
            "Python": """
import h5py, json, pathlib
index = json.loads(pathlib.Path(place, "movies.json").read_text())
movie = next(n for n, rows in enumerate(index["rows"]) if 0 in rows)
with h5py.File(f"{place}/{movie:05d}_01.ch5") as file:
    print(file[index["datasets"][movie]][0, index["rows"][movie].index(0), 0])
""",
            "Fiji": "File > Import > Bio-Formats, then name a .ch5 file.",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one movie after another, frame by frame."""
        for row, shape in enumerate(images.shapes):
            if len(shape) != 2 or 0 in shape:
                named = images.table["path"][row]
                raise Unsupported(f"{named}: CellH5 holds images of shape (y, x), not {shape}")
        for shape in set(images.shapes):
            if self._filter is not None:
                self._filter.check(shape)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        path.mkdir(parents=True)
        movies = _movies(images.table)
        for number, (movie, rows) in enumerate(movies.items()):
            with h5py.File(_file(path, number), "w") as file:
                self._write_movie(file, movie, images, rows)
                # Bio-Formats requires this group in every file.
                file.create_group(OBJECTS)
        index = {"datasets": [_dataset(movie) for movie in movies], "rows": list(movies.values())}
        (path / MOVIES).write_text(json.dumps(index))
        csv_table.write_table(images.table, path / TABLE)
        tables.write(images.tables)

    def open(self, path: Path) -> OpenStore:
        """Read which rows each movie has. A movie's file is opened when it is first read."""
        return _OpenCh5(path).with_tables(self.tables_at(path))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep tables in an HDF5 file beside the movies, compressed as the images are."""
        options = {} if self.tuning == "fast" else {"compression": "gzip", "compression_opts": 4}
        return Hdf5Tables(path / TABLES, self.tuning == "fast", options)

    def _write_movie(
        self, file: h5py.File, movie: Movie, images: ImageSet, rows: Sequence[int]
    ) -> None:
        shape, dtype = images.shapes[rows[0]], images.dtypes[rows[0]]
        options = {} if self._filter is None else self._filter.options(3, shape, dtype)
        pixels = file.create_dataset(
            _dataset(movie), shape=(1, len(rows), 1, *shape), dtype=dtype, **options
        )
        pixels.attrs["valid"] = np.ones(len(rows))
        writer = ImageWriter(pixels.id, shape, self._filter)
        frames = ((0, frame, 0) for frame in range(len(rows)))
        writer.write_all(frames, (images.pixels(row) for row in rows))

    @property
    def _filter(self) -> Filter | None:
        return CANDIDATES[self.layout].of(self.tuning)


def _movies(table: pa.Table) -> dict[Movie, list[int]]:
    """Return the rows of each movie."""
    movies: dict[Movie, list[int]] = defaultdict(list)
    for row, record in enumerate(table.to_pylist()):
        kind = f"{record['dtype']}{record['shape']}"
        plate, well, site = (record[key] or "0" for key in ("plate", "well", "site"))
        movies[plate, well, site, kind].append(row)
    return movies


def _dataset(movie: Movie) -> str:
    plate, well, site, _ = movie
    return f"/sample/0/plate/{plate}/experiment/{well}/position/{site}/{PIXELS}"


def _file(path: Path, number: int) -> Path:
    return path / f"{number:05d}_01.ch5"


class _OpenCh5(OpenIntoMemory):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: dict[int, ImageReader] = {}

    @cached_property
    def _index(self) -> dict[str, Any]:
        index: dict[str, Any] = json.loads((self._path / MOVIES).read_bytes())
        return index

    @cached_property
    def _frames(self) -> list[tuple[int, int]]:
        """The movie and the frame of each row."""
        frames = [(0, 0)] * len(self)
        for number, rows in enumerate(self._index["rows"]):
            for frame, row in enumerate(rows):
                frames[row] = (number, frame)
        return frames

    def close(self) -> None:
        for reader in self._open.values():
            reader.close()
        self._open.clear()

    def __len__(self) -> int:
        return sum(map(len, self._index["rows"]))

    def table(self) -> pa.Table:
        return csv_table.read_table(self._path / TABLE)

    @property
    def largest_image(self) -> int:
        readers = map(self._reader, range(len(self._index["datasets"])))
        return max((reader.image_bytes for reader in readers), default=0)

    def images_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        for row in rows:
            number, frame = self._frames[row]
            yield self._reader(number).read((0, frame, 0), memory)

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        check_rows([crop.row for crop in crops], len(self))
        readers = map(self._reader, {self._frames[crop.row][0] for crop in crops})
        if any(reader.decodes_whole for reader in readers):
            return super().crops_into(crops, memory)
        return self._crops(crops, memory)

    def _crops(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        for crop in crops:
            number, frame = self._frames[crop.row]
            yield self._reader(number).read_crop((0, frame, 0), crop, memory)

    def _reader(self, number: int) -> ImageReader:
        if number not in self._open:
            self._open[number] = ImageReader(
                _file(self._path, number), self._index["datasets"][number], 3
            )
        return self._open[number]
