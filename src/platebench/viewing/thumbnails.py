"""Values of a column as small pictures. Only what is shown is scaled; the data stay as they are."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import NamedTuple

import imagecodecs
import numpy as np
import tifffile

SIDE = 192
"""The longer side of a thumbnail, in pixels, or less."""

DARKEST, BRIGHTEST = 0.1, 99.9
"""The percentiles of the values that are shown black and white, where values are not bytes."""

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""Little- and big-endian TIFF, then BigTIFF."""


class Thumbnail(NamedTuple):
    """A picture of an image: `png` bytes, and a caption that says what it shows."""

    png: bytes
    caption: str

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def image_of(value: object) -> np.ndarray | None:
    """Return the image that a value of a table is, with two axes; None when it is none.

    An image is a 2-D array of numbers, the bytes of a TIFF file with one, or nested lists as
    pandas makes of Arrow's: an array or a list of rows that are equally long.
    """
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value if value.ndim == 2 and value.size and value.dtype.kind in "buif" else None
    if isinstance(value, bytes | bytearray | memoryview):
        return _from_tiff(bytes(value)) if bytes(value[:4]) in _TIFF_STARTS else None
    if isinstance(value, np.ndarray | list):
        return _from_rows(value)
    return None


def _from_tiff(content: bytes) -> np.ndarray | None:
    try:
        return image_of(tifffile.imread(io.BytesIO(content)))
    except (tifffile.TiffFileError, ValueError, RuntimeError, IndexError, KeyError):
        return None


def _from_rows(rows: Sequence[object] | np.ndarray) -> np.ndarray | None:
    if len(rows) == 0 or not isinstance(rows[0], np.ndarray | list):
        return None
    lengths = {len(row) if isinstance(row, np.ndarray | list) else -1 for row in rows}
    if len(lengths) > 1:
        return None
    return image_of(np.stack([np.asarray(row) for row in rows]))


def thumbnail(image: np.ndarray) -> Thumbnail:
    """Return a picture of a 2-D image.

    Bytes are shown as they are. Other values are scaled, for the picture alone, so that the
    percentiles DARKEST and BRIGHTEST of the finite ones are black and white; the caption says
    which values those are. Pixels are averaged over squares, so a thumbnail is not for measuring.
    """
    size = f"{image.shape[0]} × {image.shape[1]} {image.dtype}"
    if image.dtype == np.uint8:
        small, shown = _smaller(image.astype(np.float32)), ""
    elif image.dtype == np.bool_:
        small, shown = _smaller(image.astype(np.float32)) * 255, ""
    else:
        low, high = _range(image)
        spread = (high - low) or 1.0
        scaled = (np.clip(_finite(image, low), low, high) - low) * (255 / spread)
        small, shown = _smaller(scaled.astype(np.float32)), f", shown from {low:.6g} to {high:.6g}"
    png = imagecodecs.png_encode(np.rint(small).astype(np.uint8))
    return Thumbnail(bytes(png), size + shown)


def _range(image: np.ndarray) -> tuple[float, float]:
    values = image[np.isfinite(image)] if image.dtype.kind == "f" else image
    if values.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(values, [DARKEST, BRIGHTEST])
    return float(low), float(high)


def _finite(image: np.ndarray, instead: float) -> np.ndarray:
    values = image.astype(np.float64)
    return np.where(np.isfinite(values), values, instead)


def _smaller(image: np.ndarray) -> np.ndarray:
    """Return the image with each square of pixels averaged, so that SIDE is not exceeded."""
    step = -(-max(image.shape) // SIDE)
    height, width = (max(1, side // step) for side in image.shape)
    tall, wide = min(step, image.shape[0]), min(step, image.shape[1])
    squares = image[: height * tall, : width * wide].reshape(height, tall, width, wide)
    return np.asarray(squares.mean(axis=(1, 3)))
