"""Write TIFF files: the header of the talk's files, and single images."""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np
import tifffile

PIXELS_AT = 256
"""Offset in bytes of the single strip that `header` describes."""

_PLANAR_CONFIGURATION = {"YXS": "contig", "SYX": "separate"}

_SHORT, _LONG, _ASCII, _RATIONAL = 3, 4, 2, 5


def header(height: int, width: int, dtype: np.dtype) -> bytes:
    """Return the 256-byte header of an uncompressed little-endian TIFF file of this size.

    `dtype` is an unsigned integer.

    These are the bytes that `tifffile.imwrite(path, array)` writes. They are made here so that a
    fixture has the same bytes with every version of tifffile.
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
        (258, _SHORT, 1, 8 * dtype.itemsize),
        (259, _SHORT, 1, 1),
        (262, _SHORT, 1, 1),
        (270, _ASCII, len(description), description_at),
        (273, _LONG, 1, PIXELS_AT),
        (277, _SHORT, 1, 1),
        (278, _LONG, 1, height),
        (279, _LONG, 1, height * width * dtype.itemsize),
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


@lru_cache
def header_of(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """Return the header of an uncompressed little-endian TIFF file of one page.

    `shape` is (y, x), as of `header`, or (samples, y, x) with at least two samples, which are then
    stored one after the other. `dtype` is an unsigned integer.
    """
    return header(*shape, dtype) if len(shape) == 2 else _samples_header(shape, dtype)


def _samples_header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """Return the header of samples in a strip each, whose pixels begin at a multiple of 256."""
    samples, height, width = shape
    size = height * width * dtype.itemsize
    entries = 11
    values_at = 8 + 2 + 12 * entries + 4
    bits = struct.pack(f"<{samples}H", *[8 * dtype.itemsize] * samples)
    extra = bytes(2 * (samples - 1))  # 0: not alpha
    counts = struct.pack(f"<{samples}I", *[size] * samples)
    bits_at = values_at
    extra_at = bits_at + len(bits)
    counts_at = extra_at + len(extra)
    offsets_at = counts_at + len(counts)
    pixels_at = -(-(offsets_at + 4 * samples) // 256) * 256
    offsets = struct.pack(f"<{samples}I", *range(pixels_at, pixels_at + samples * size, size))
    # A value of at most 4 bytes is in the entry itself.
    tags = [
        (256, _LONG, 1, width),
        (257, _LONG, 1, height),
        (258, _SHORT, samples, bits_at if len(bits) > 4 else int.from_bytes(bits, "little")),
        (259, _SHORT, 1, 1),
        (262, _SHORT, 1, 1),
        (273, _LONG, samples, offsets_at),
        (277, _SHORT, 1, samples),
        (278, _LONG, 1, height),
        (279, _LONG, samples, counts_at),
        (284, _SHORT, 1, 2),
        (338, _SHORT, samples - 1, extra_at if len(extra) > 4 else 0),
    ]
    directory = struct.pack("<H", entries)
    directory += b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    start = b"II*\0" + struct.pack("<I", 8) + directory + bits + extra + counts + offsets
    return start.ljust(pixels_at, b"\0")


def encode(array: np.ndarray, axes: str = "") -> bytes:
    """Encode `array` as an uncompressed TIFF file that tifffile reads back in the same shape.

    `axes` is `YXS` or `SYX` if one axis is that of samples; these then share a page.
    """
    buffer = io.BytesIO()
    _write(buffer, array.shape, array.dtype, axes, data=array)
    return buffer.getvalue()


@lru_cache
def encoded_size(shape: tuple[int, ...], dtype: np.dtype, axes: str = "") -> int:
    """Return the size in bytes of `encode` for any array of this shape and dtype."""
    sink = _ByteCounter()
    _write(sink, shape, dtype, axes)
    return sink.size


def _write(
    sink: BinaryIO,
    shape: tuple[int, ...],
    dtype: np.dtype,
    axes: str,
    data: np.ndarray | None = None,
) -> None:
    """Write `data`, or zeros of this shape and dtype without it."""
    samples = shape[axes.index("S")] if "S" in axes else 1
    # minisblack: tifffile would otherwise take a last axis of 3 or 4 as RGB.
    tifffile.imwrite(
        sink,
        data,
        shape=shape,
        dtype=dtype,
        photometric="minisblack",
        planarconfig=_PLANAR_CONFIGURATION[axes] if samples > 1 else None,
    )


class _ByteCounter(io.BytesIO):
    """Writable file that stores nothing and counts its size."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0
        self._at = 0

    def write(self, data: Any, /) -> int:
        written = memoryview(data).nbytes
        self._at += written
        self.size = max(self.size, self._at)
        return written

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = offset + (0, self._at, self.size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at
