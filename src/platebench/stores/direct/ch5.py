"""CellH5 files, one per movie, through h5py alone."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa

from platebench.images.imageset import ImageSet
from platebench.stores.direct.calls import Calls, TableReading, Writing
from platebench.stores.direct.h5py_reads import Place, chunks, deflated, readings
from platebench.stores.direct.tiff_files import read_csv, write_csv


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    ways = readings(lambda path: _places(path).__getitem__)
    writings = [Writing("d[0, i, 0] = image", partial(_write, tuning, False))]
    if tuning == "fast":
        writings.append(Writing("d.id.write", partial(_write, tuning, True)))
    if tuning == "balanced":
        writings.append(Writing("write_direct_chunk, libdeflate", partial(_write, tuning, True)))
        ways.append(chunks(lambda path: _places(path).__getitem__))
    return Calls(writings, ways, [TableReading("pyarrow.csv.read_csv", read_csv)])


def _movies(table: pa.Table) -> dict[str, list[int]]:
    """Return the rows of each movie, by its dataset's name."""
    movies = defaultdict(list)
    for row, each in enumerate(table.select(["plate", "well", "site"]).to_pylist()):
        plate, well, site = (value or "0" for value in each.values())
        position = f"/sample/0/plate/{plate}/experiment/{well}/position/{site}"
        movies[f"{position}/image/channel"].append(row)
    return movies


@lru_cache
def _places(path: Path) -> dict[int, Place]:
    """Return where each row is: who reads a movie knows its file and frame."""
    return {
        row: (path / f"{number:05d}_01.ch5", name, (0, frame, 0))
        for number, (name, rows) in enumerate(_movies(read_csv(path)).items())
        for frame, row in enumerate(rows)
    }


def _write(tuning: str, low: bool, images: ImageSet, path: Path) -> None:
    path.mkdir()
    height, width = images.shapes[0]
    options: dict[str, Any] = {}
    if tuning == "default":
        chunk = (1, 1, 1, height // 4, width // 4)
        options = {"chunks": chunk, "compression": "gzip", "compression_opts": 4}
    if tuning == "balanced":
        chunk = (1, 1, 1, height, width)
        options = {"chunks": chunk, "compression": "gzip", "compression_opts": 1}
    here = h5py.h5s.create_simple((height, width))
    for number, (name, rows) in enumerate(_movies(images.table).items()):
        with h5py.File(path / f"{number:05d}_01.ch5", "w") as file:
            shape = (1, len(rows), 1, height, width)
            pixels = file.create_dataset(name, shape, images.dtypes[0], **options)
            pixels.attrs["valid"] = np.ones(len(rows))
            there = pixels.id.get_space()
            for frame, row in enumerate(rows):
                if low and tuning == "balanced":
                    origin = (0, frame, 0, 0, 0)
                    pixels.id.write_direct_chunk(origin, deflated(images.pixels(row)))
                elif low:
                    there.select_hyperslab((0, frame, 0, 0, 0), (1, 1, 1, height, width))
                    pixels.id.write(here, there, images.pixels(row))
                else:
                    pixels[0, frame, 0] = images.pixels(row)
            file.create_group("definition/object")
    write_csv(images, path)
