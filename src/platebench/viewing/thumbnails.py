"""Make thumbnails of the images in a column. The data are not changed."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from platebench.limits import refuse_larger_than_memory

SIDE = 192
"""Maximum of the longer side of a thumbnail, in pixels."""

DARKEST, BRIGHTEST = 0.1, 99.9
"""Percentiles shown as black and white in images that are not uint8."""

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""Little- and big-endian TIFF, then BigTIFF."""


class Thumbnail(NamedTuple):
    """A PNG file as bytes, and a caption with shape, dtype and the range shown."""

    png: bytes
    caption: str

    @property
    def source(self) -> str:
        """The PNG as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def image_of(value: object) -> np.ndarray | None:
    """Return the 2-D image that a value of a table represents; None if it is not an image.

    An image is a 2-D array of numbers, the bytes of a TIFF file, or nested lists: an array or a
    list of rows of equal length, as pandas returns them from Arrow.
    """
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value if value.ndim == 2 and value.size and value.dtype.kind in "buif" else None
    if isinstance(value, bytes | bytearray | memoryview):
        return _from_tiff(bytes(value)) if bytes(value[:4]) in _TIFF_STARTS else None
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim):
        return _from_rows(value)
    return None


def _from_tiff(content: bytes) -> np.ndarray | None:
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(content)) as opened:
            first = opened.series[0]
            if first.ndim != 2:
                return None
            refuse_larger_than_memory("a TIFF file", first.size * first.dtype.itemsize)
            return image_of(first.asarray())
    except Exception:  # on a damaged file, tifffile and its codecs may raise any exception
        return None


def _from_rows(rows: Sequence[object] | np.ndarray) -> np.ndarray | None:
    if len(rows) == 0 or not isinstance(rows[0], np.ndarray | list):
        return None
    lengths = {len(row) if isinstance(row, np.ndarray | list) else -1 for row in rows}
    if len(lengths) > 1:
        return None
    try:
        image = np.stack([np.asarray(row) for row in rows])
        # An object array, as from a column with missing pixels, may still be numeric.
        image = image if image.dtype != object else np.array(image.tolist())
    except (ValueError, TypeError, OverflowError):
        return None
    return None if image.dtype == object else image_of(image)


def thumbnail(image: np.ndarray) -> Thumbnail:
    """Return a thumbnail of a 2-D image.

    uint8 values are shown unscaled. Other values are scaled so that the percentiles DARKEST and
    BRIGHTEST of the finite values are black and white; the caption gives these two values. Pixels
    are averaged over squares.
    """
    import imagecodecs

    size = f"{image.shape[0]} × {image.shape[1]} {image.dtype}"
    if image.dtype == np.uint8:
        small, shown = _smaller(image.astype(np.float32)), ""
    elif image.dtype == np.bool_:
        small, shown = _smaller(image.astype(np.float32)) * 255, ""
    else:
        values = image.astype(np.float64)
        low, high = _range(values)
        # Halved, because the difference of the largest numbers would overflow.
        spread = (high / 2 - low / 2) or 1.0
        clipped = np.clip(np.where(np.isfinite(values), values, low), low, high)
        scaled = (clipped / 2 - low / 2) / spread * 255
        small, shown = _smaller(scaled.astype(np.float32)), f", shown from {low:.6g} to {high:.6g}"
    png = imagecodecs.png_encode(np.rint(small).astype(np.uint8))
    return Thumbnail(bytes(png), size + shown)


def _range(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 0.0
    # Halved, because np.percentile interpolates and the difference of two values may overflow.
    low, high = np.percentile(finite / 2, [DARKEST, BRIGHTEST])
    return float(low) * 2, float(high) * 2


def _smaller(image: np.ndarray) -> np.ndarray:
    """Average the image over squares so that no side exceeds SIDE."""
    step = -(-max(image.shape) // SIDE)
    height, width = (max(1, side // step) for side in image.shape)
    tall, wide = min(step, image.shape[0]), min(step, image.shape[1])
    squares = image[: height * tall, : width * wide].reshape(height, tall, width, wide)
    return np.asarray(squares.mean(axis=(1, 3)))
