"""TIFF files: written as the talk's were, and read with nothing scaled or converted."""

from __future__ import annotations

import io
import struct
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import tifffile

from platebench.errors import UserError

PIXELS_AT = 256
"""Where the one strip of a file that `header` describes begins, in bytes."""

_SHORT, _LONG, _ASCII, _RATIONAL = 3, 4, 2, 5


def header(height: int, width: int) -> bytes:
    """Return the 256 bytes before the pixels of an uncompressed uint8 image of this size.

    They are what `tifffile.imwrite(path, array)` writes. Made here, they stay the same under
    every version of that library, so a fixture has the same bytes everywhere.
    """
    description = f'{{"shape": [{height}, {width}]}}'.encode() + b"\0"
    software = b"tifffile.py\0"
    entries = 14
    description_at = 8 + 2 + 12 * entries + 4
    x_resolution_at = description_at + len(description) + 16
    y_resolution_at = x_resolution_at + 8
    software_at = y_resolution_at + 8
    tags = [
        (256, _LONG, 1, width),
        (257, _LONG, 1, height),
        (258, _SHORT, 1, 8),
        (259, _SHORT, 1, 1),
        (262, _SHORT, 1, 1),
        (270, _ASCII, len(description), description_at),
        (273, _LONG, 1, PIXELS_AT),
        (277, _SHORT, 1, 1),
        (278, _LONG, 1, height),
        (279, _LONG, 1, height * width),
        (282, _RATIONAL, 1, x_resolution_at),
        (283, _RATIONAL, 1, y_resolution_at),
        (296, _SHORT, 1, 1),
        (305, _ASCII, len(software), software_at),
    ]
    directory = struct.pack("<H", entries)
    directory += b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    start = b"II*\0" + struct.pack("<I", 8) + directory + description
    start = start.ljust(x_resolution_at, b"\0") + struct.pack("<4I", 1, 1, 1, 1) + software
    return start.ljust(PIXELS_AT, b"\0")


def encode(array: np.ndarray) -> bytes:
    """Return `array` as an uncompressed TIFF file."""
    buffer = io.BytesIO()
    # minisblack: a last axis of 3 or 4 is data here, and no colour is to be read into it.
    tifffile.imwrite(buffer, array, photometric="minisblack")
    return buffer.getvalue()


@lru_cache
def encoded_size(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Return how long `encode` makes any array of this shape and dtype, in bytes."""
    return len(encode(np.zeros(shape, dtype)))


def describe(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape and native dtype of the image in `path`, from its header alone.

    Raises UserError if it is no TIFF, holds no numbers, or is shorter than its header says.
    """
    try:
        with tifffile.TiffFile(path) as file:
            if not file.series:
                raise UserError(f"{path}: a TIFF file without an image")
            series = file.series[0]
            shape, dtype = tuple(int(side) for side in series.shape), series.dtype
            size = path.stat().st_size
            for page in series.pages:
                if page is not None and _ends(page) > size:
                    raise UserError(
                        f"{path}: truncated; its header tells of {_ends(page)} bytes, "
                        f"the file has {size}"
                    )
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (tifffile.TiffFileError, ValueError, struct.error, IndexError, KeyError) as error:
        raise UserError(f"{path}: not a readable TIFF file ({_line(error)})") from error
    if dtype is None or dtype.kind not in "uif":
        raise UserError(f"{path}: its pixels are {dtype}, not integers or floats")
    if 0 in shape:
        raise UserError(f"{path}: an image without pixels, of shape {shape}")
    return shape, dtype.newbyteorder("=")


def read(path: Path) -> np.ndarray:
    """Return the image in `path`, C-contiguous and in native byte order.

    Raises UserError if it cannot be decoded.
    """
    try:
        array = tifffile.imread(path, series=0)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (tifffile.TiffFileError, ValueError, RuntimeError, struct.error, zlib.error) as error:
        raise UserError(f"{path}: cannot be decoded ({_line(error)})") from error
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def _ends(page: tifffile.TiffPage | tifffile.TiffFrame) -> int:
    """Return where the last strip or tile of a page ends."""
    strips = zip(page.dataoffsets, page.databytecounts, strict=True)
    return max((int(offset) + int(count) for offset, count in strips), default=0)


def _line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
