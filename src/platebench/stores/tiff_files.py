"""A folder of TIFF files with a CSV table beside them, as labs have it today, through tifffile.

- `default`: the files' own bytes, read by `tifffile.imread`.
- `fast`: written by tifffile uncompressed in one strip and read by `tifffile.memmap`.
- `small`: written by tifffile with Zstandard level 9. Other readers need a plug-in for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import tifffile

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores import csv_table
from platebench.stores.contract import OpenByRow, OpenStore, Store
from platebench.stores.values import native

TABLE = "images.csv"


class TiffFiles(Store):
    """One TIFF file per image."""

    format = "tiff-files"

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one file per image, then the table."""
        if self.tuning != "default":
            _check_writable(images)
        path.mkdir(parents=True)
        for row in range(len(images)):
            file = _file(path, row)
            if self.tuning == "default":
                file.write_bytes(images.file(row))
            elif self.tuning == "fast":
                tifffile.imwrite(file, images.pixels(row), photometric="minisblack")
            else:
                tifffile.imwrite(
                    file,
                    images.pixels(row),
                    photometric="minisblack",
                    compression="zstd",
                    compressionargs={"level": 9},
                )
        csv_table.write_table(images.table, path / TABLE)

    def open(self, path: Path) -> OpenStore:
        """Open the folder."""
        return _OpenTiffFiles(path, mapped=self.tuning == "fast")


def _check_writable(images: ImageSet) -> None:
    for row, (shape, dtype) in enumerate(zip(images.shapes, images.dtypes, strict=True)):
        if not shape or 0 in shape:
            raise Unsupported(f"image {row} of {images.name} has no pixels for a TIFF file")
        if dtype.kind not in "uif":
            raise Unsupported(f"TIFF cannot hold {dtype}")


def _file(path: Path, row: int) -> Path:
    return path / f"{row:06d}.tif"


class _OpenTiffFiles(OpenByRow):
    def __init__(self, path: Path, mapped: bool) -> None:
        self._path = path
        self._read = _map if mapped else _read
        self._images = sum(1 for file in path.iterdir() if file.suffix == ".tif")

    def __len__(self) -> int:
        return self._images

    def table(self) -> pa.Table:
        return csv_table.read_table(self._path / TABLE)

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return (self._read(_file(self._path, row)) for row in rows)


def _read(file: Path) -> np.ndarray:
    return native(tifffile.imread(file))


def _map(file: Path) -> np.ndarray:
    mapped: np.ndarray = tifffile.memmap(file, mode="r")
    return mapped
