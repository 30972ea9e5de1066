"""A folder of TIFF files, through tifffile, imagecodecs and NumPy alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pyarrow as pa
import tifffile
from pyarrow import csv

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing
from platebench.stores.direct.tiff_values import JPEG_XL, OPTIONS, ZSTD


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    readings = [Reading("tifffile.imread", _folder, _imread)]
    if tuning != "default":
        if tuning != "small":  # libtiff has no JPEG XL
            readings.append(Reading("imagecodecs.tiff_decode(out=)", _folder, _decoded))
        readings.append(Reading("tifffile.imread(out=)", _folder, _imread_into))
    if tuning == "fast":
        readings.append(Reading("tifffile.memmap", _folder, _memmap))
        readings.append(Reading("readinto at a known offset", _folder, _known_offset))
    writing = {
        "default": Writing("write_bytes", _write_bytes),
        "fast": Writing("tifffile.imwrite", partial(_imwrite, {})),
        "balanced": Writing("tifffile.imwrite, zstd 1", partial(_imwrite, OPTIONS[ZSTD])),
        "small": Writing("tifffile.imwrite, JPEG XL", partial(_imwrite, OPTIONS[JPEG_XL])),
    }[tuning]
    return Calls([writing], readings, [TableReading("pyarrow.csv.read_csv", read_csv)])


def _folder(path: Path) -> AbstractContextManager[Path]:
    return nullcontext(path)


def _files(path: Path, rows: Sequence[int]) -> Iterator[str]:
    return (f"{path}/{row:06d}.tif" for row in rows)


def _imread(path: Path, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for file in _files(path, rows):
        out[...] = tifffile.imread(file)
        yield out


def _imread_into(path: Path, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for file in _files(path, rows):
        tifffile.imread(file, out=out)
        yield out


def _decoded(path: Path, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for name in _files(path, rows):
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123 - as one types it
            imagecodecs.tiff_decode(file.read(), out=out)
        yield out


def _memmap(path: Path, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for file in _files(path, rows):
        out[...] = tifffile.memmap(file, mode="r")
        yield out


def _known_offset(path: Path, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    """Read at the offset that the first file has, which is the same in files of one program."""
    with tifffile.TiffFile(path / "000000.tif") as first:
        (offset,) = first.pages[0].dataoffsets
    out = about.image(memory)
    for name in _files(path, rows):
        file = os.open(name, os.O_RDONLY)
        os.preadv(file, [out.reshape(-1).view(np.uint8).data], offset)
        os.close(file)
        yield out


def read_csv(path: Path) -> pa.Table:
    """Read the table with the types of its columns; a shape is written as `1024x1344`."""
    types = {field.name: field.type for field in IMAGE_SCHEMA} | {"shape": pa.string()}
    options = csv.ConvertOptions(
        column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    table = csv.read_csv(path / "images.csv", convert_options=options)
    shapes = [[int(n) for n in text.split("x")] for text in table["shape"].to_pylist()]
    place = IMAGE_SCHEMA.get_field_index("shape")
    return table.set_column(place, "shape", pa.array(shapes, pa.list_(pa.int32())))


def write_csv(images: ImageSet, path: Path) -> None:
    """Write the table as CSV."""
    shapes = ["x".join(map(str, shape)) for shape in images.table["shape"].to_pylist()]
    place = IMAGE_SCHEMA.get_field_index("shape")
    csv.write_csv(images.table.set_column(place, "shape", pa.array(shapes)), path / "images.csv")


def _write_bytes(images: ImageSet, path: Path) -> None:
    path.mkdir()
    for row in range(len(images)):
        (path / f"{row:06d}.tif").write_bytes(images.file(row))
    write_csv(images, path)


def _imwrite(options: Mapping[str, Any], images: ImageSet, path: Path) -> None:
    path.mkdir()
    for row in range(len(images)):
        file = path / f"{row:06d}.tif"
        tifffile.imwrite(file, images.pixels(row), photometric="minisblack", **options)
    write_csv(images, path)
