"""TIFF files as values, compressed by tifffile and decoded by tifffile and imagecodecs alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import imagecodecs
import numpy as np
import tifffile

from platebench.images.imageset import ImageSet

ZSTD, JPEG_XL = "tiff-zstd", "tiff-jpeg-xl"

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    ZSTD: {"compression": "zstd", "compressionargs": {"level": 1}},
    JPEG_XL: {"compression": "jpegxl", "compressionargs": {"lossless": True, "effort": 2}},
}
"""Options of `tifffile.imwrite` by the kind of value."""


def values_of(layout: str, tuning: str) -> str:
    """Return what a value is: the layout, but `ZSTD` or `JPEG_XL` for compressed TIFF files."""
    if layout != "tiff":
        return layout
    return {"balanced": ZSTD, "small": JPEG_XL}.get(tuning, layout)


def files_of(images: ImageSet, values: str) -> Callable[[int], bytes | memoryview]:
    """Return a function that gives a row's TIFF file."""
    if values not in OPTIONS:
        return images.file

    def compressed(row: int) -> bytes:
        sink = io.BytesIO()
        tifffile.imwrite(sink, images.pixels(row), photometric="minisblack", **OPTIONS[values])
        return sink.getvalue()

    return compressed


def decode_tiff(value: bytes | memoryview, values: str, out: np.ndarray) -> None:
    """Decode a TIFF file into `out`. libtiff has no JPEG XL."""
    if values == JPEG_XL:
        out[...] = tifffile.imread(io.BytesIO(value))
    else:
        imagecodecs.tiff_decode(value, out=out)
