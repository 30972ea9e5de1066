"""A `.npy` file, through NumPy alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from platebench.images.imageset import ImageSet
from platebench.stores.direct.calls import (
    About,
    Calls,
    Images,
    Reading,
    Reason,
    TableReading,
    Writing,
)
from platebench.stores.direct.tiff_files import read_csv, write_csv

REASONS = (
    Reason(
        "npy:*",
        "table",
        "The store maps its images as it is opened, and so notices a file that is missing or "
        "cut off. This takes 0.2 ms.",
    ),
    Reason(
        "npy:*",
        "take kept",
        "Images are copied by preadv. From a map whose pages are in memory NumPy copies them "
        "in 0.8 of the time; from the disk preadv, with advice to the kernel, takes less.",
    ),
)


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of the one store."""
    readings = [
        Reading('np.load(mmap_mode="r")', _mapped, _indexed),
        Reading("preadv at a computed offset", _file, _preadv),
    ]
    writings = [
        Writing("np.lib.format.open_memmap", _write_mapped),
        Writing("header, then tofile per image", _write),
    ]
    return Calls(writings, readings, [TableReading("pyarrow.csv.read_csv", read_csv)])


def _mapped(path: Path) -> AbstractContextManager[np.ndarray]:
    return nullcontext(np.load(path / "images.npy", mmap_mode="r"))


def _indexed(array: np.ndarray, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for row in rows:
        out[...] = array[row]
        yield out


@contextmanager
def _file(path: Path) -> Iterator[tuple[int, int]]:
    start = np.load(path / "images.npy", mmap_mode="r").offset
    file = os.open(path / "images.npy", os.O_RDONLY)
    yield file, start
    os.close(file)


def _preadv(
    opened: tuple[int, int], rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    file, start = opened
    out = about.image(memory)
    pixels = out.reshape(-1).view(np.uint8).data
    for row in rows:
        os.preadv(file, [pixels], start + row * out.nbytes)
        yield out


def _write_mapped(images: ImageSet, path: Path) -> None:
    path.mkdir()
    shape = (len(images), *images.shapes[0])
    array: Any = np.lib.format.open_memmap(path / "images.npy", "w+", images.dtypes[0], shape)
    for row in range(len(images)):
        array[row] = images.pixels(row)
    array.flush()
    write_csv(images, path)


def _write(images: ImageSet, path: Path) -> None:
    path.mkdir()
    header = {
        "descr": np.lib.format.dtype_to_descr(images.dtypes[0]),
        "fortran_order": False,
        "shape": (len(images), *images.shapes[0]),
    }
    with (path / "images.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for row in range(len(images)):
            images.pixels(row).tofile(file)
    write_csv(images, path)
