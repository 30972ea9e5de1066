"""Find the pixels of a plain TIFF file: one page, one sample, strips.

Uncompressed samples that are stored one after the other, as those of crops are, are plain too.

tifffile takes 0.4 ms to describe a file of one page, as long as three copies of its 1.4 MB take.
A file that is not plain, or of whose shape there is any doubt, is left to tifffile.
"""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Kind = tuple[tuple[int, ...], np.dtype]
"""The shape and dtype of an image."""

_BASELINE = frozenset(
    [254, 256, 257, 258, 259, 262, 270, 273, 277, 278, 279, 282, 283, 284, 296, 305, 306, 317, 339]
)
"""Tags that give a page no other shape than (ImageLength, ImageWidth), 270 apart."""

_OF_SAMPLES = _BASELINE | {338}
"""Tags of a page with several samples: (SamplesPerPixel, ImageLength, ImageWidth)."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}
_KINDS = {1: "u", 2: "i", 3: "f"}
_LOSSLESS = {(5,), (8,), (32773,), (32946,), (50000,)}
"""LZW, deflate, PackBits, deflate's old number, Zstandard."""

_LONGEST_HEADER = 4096
"""Bytes. The tags of a file may also be at its end."""

_ENTRY = struct.Struct("<HHII")


@dataclass(frozen=True)
class Page:
    """The one page of a plain file. `offset` is that of its pixels, None if they are compressed."""

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int | None

    @property
    def size(self) -> int:
        """Bytes of the decoded pixels."""
        return math.prod(self.shape) * self.dtype.itemsize


def plain_page(data: bytes | memoryview, expected: Kind | None = None) -> Page | None:
    """Return the page of a plain file; None for any other file.

    `data` is the file, or its beginning. A description (tag 270) can give the page another shape:
    it must be tifffile's `{"shape": [height, width]}`, unless the image is known to be `expected`.

    Files of one camera often begin with the same bytes. Then the page of the last file is returned,
    without parsing them (20 microseconds).
    """
    global _last  # noqa: PLW0603 - it only saves time
    last = _last  # another thread may replace it
    if last is not None and last.fits(data, expected):
        return last.page
    parsed = _tags(data)
    if parsed is None:
        return None
    find = _page_of_samples if 338 in parsed.values else _page_of
    page = find(parsed.values, expected)
    if page is not None and parsed.end <= _LONGEST_HEADER:
        _last = _Last(bytes(memoryview(data)[: parsed.end]), expected, page)
    return page


@dataclass(frozen=True)
class _Last:
    """The header of a plain file, and the page that was found in it."""

    header: bytes
    expected: Kind | None
    page: Page

    def fits(self, data: bytes | memoryview, expected: Kind | None) -> bool:
        """Return True if a file has the same header, so that its page is the same."""
        return self.expected == expected and data[: len(self.header)] == self.header


_last: _Last | None = None


def _page_of(tags: Mapping[int, tuple[int, ...]], expected: Kind | None) -> Page | None:
    if not tags.keys() <= _BASELINE or len(tags.get(258, ())) != 1:
        return None
    (bits,) = tags[258]
    try:
        (height,), (width,), (kind,) = tags[257], tags[256], tags.get(339, (1,))
        shape, dtype = (height, width), np.dtype(f"<{_KINDS[kind]}{bits // 8}")
    except (KeyError, TypeError, ValueError):
        return None
    plain = tags.get(277, (1,)) == (1,) and tags.get(254, (0,)) == (0,)
    plain = plain and tags.get(262) in {(0,), (1,)} and bits % 8 == 0 and dtype.isnative
    known = expected == (shape, dtype) if expected else _described(tags.get(270), shape)
    if not plain or not known:
        return None
    if tags.get(259, (1,)) in _LOSSLESS:
        return Page(shape, dtype, None)
    offset = _offset(tags.get(273, ()), tags.get(279, ()), height * width * dtype.itemsize)
    if offset is None or tags.get(259, (1,)) != (1,) or 317 in tags:
        return None
    return Page(shape, dtype, offset)


def _page_of_samples(tags: Mapping[int, tuple[int, ...]], expected: Kind | None) -> Page | None:
    """Return an uncompressed page whose samples are stored one after the other, in strips."""
    try:
        (samples,), (height,), (width,) = tags[277], tags[257], tags[256]
        (bits,), (kind,) = set(tags[258]), set(tags.get(339, (1,)))
        dtype = np.dtype(f"<{_KINDS[kind]}{bits // 8}")
    except (KeyError, TypeError, ValueError):
        return None
    shape = (samples, height, width)
    counted = len(tags[258]) == samples and len(tags.get(339, tags[258])) == samples
    plain = tags.keys() <= _OF_SAMPLES and counted and min(shape) > 1 and bits % 8 == 0
    plain = plain and tags[338] == (0,) * (samples - 1) and tags.get(284) == (2,)
    plain = plain and tags.get(259, (1,)) == (1,) and tags.get(254, (0,)) == (0,)
    plain = plain and tags.get(262) in {(0,), (1,)} and 317 not in tags and dtype.isnative
    known = expected == (shape, dtype) if expected else _described(tags.get(270), shape)
    # As many strips per sample, so that no strip has parts of two.
    strips = tags.get(279, ())
    even = samples > 1 and len(strips) % samples == 0 and len(set(strips)) == 1
    offset = _offset(tags.get(273, ()), strips, math.prod(shape) * dtype.itemsize)
    if not (plain and known and even) or offset is None:
        return None
    return Page(shape, dtype, offset)


def _offset(offsets: tuple[int, ...], counts: tuple[int, ...], size: int) -> int | None:
    """Return where the pixels begin if all strips follow one another.

    A strip at 0 or of 0 bytes is one that was not written; tifffile reads it as zeros.
    """
    if not all(offsets) or not all(counts) or len(offsets) != len(counts) or sum(counts) != size:
        return None
    ends = [offset + count for offset, count in zip(offsets, counts, strict=True)]
    return offsets[0] if list(offsets[1:]) == ends[:-1] else None


def read_tiff(
    data: bytes | memoryview, expected: Kind | None = None, memory: np.ndarray | None = None
) -> np.ndarray:
    """Return the array in the bytes of a TIFF file, in native byte order; a view if it is plain.

    A compressed file is decoded to the start of `memory`, uint8 of one dimension, if there is room.
    """
    page = plain_page(data, expected)
    if page is None or (page.offset is not None and page.offset + page.size > len(data)):
        import tifffile  # takes 0.1 s to import

        return native(tifffile.imread(io.BytesIO(data)))
    if page.offset is None:
        fits = memory is not None and memory.size >= page.size
        room = memory[: page.size] if fits and memory is not None else np.empty(page.size, np.uint8)
        return decode_page(data, page, room.view(page.dtype).reshape(page.shape))
    pixels = memoryview(data)[page.offset : page.offset + page.size]
    return np.frombuffer(pixels, page.dtype).reshape(page.shape)


def decode_page(data: bytes | memoryview, page: Page, out: np.ndarray) -> np.ndarray:
    """Decompress the page into `out`.

    imagecodecs fills `out` without comparing shapes (before 2026), so `page` has been compared.
    """
    import imagecodecs

    assert out.shape == page.shape
    assert out.dtype == page.dtype
    imagecodecs.tiff_decode(data, out=out)
    return out


def native(array: np.ndarray) -> np.ndarray:
    """Return the array in native byte order: the same values, as image sets have them."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


class _Tags(NamedTuple):
    """The values of tags, and the offset after the last byte that was looked at."""

    values: dict[int, tuple[int, ...]]
    end: int


def _tags(data: bytes | memoryview) -> _Tags | None:
    """Return the values of a classic little-endian file's tags, None if it has several pages.

    Also None if a tag is beyond `data`. Texts are bytes, and values that are no integers are empty.
    """
    view = memoryview(data)
    if bytes(view[:4]) != b"II*\0" or len(view) < 8:
        return None
    start = int.from_bytes(view[4:8], "little") + 2
    end = start + 12 * int.from_bytes(view[start - 2 : start], "little")
    if end + 4 > len(view) or any(view[end : end + 4]):
        return None
    tags, last = {}, end + 4
    for code, kind, count, value in _ENTRY.iter_unpack(view[start:end]):
        if kind not in _SIZES:
            return None
        size = count * _SIZES[kind]
        raw = view[value : value + size] if size > 4 else value.to_bytes(4, "little")[:size]
        if len(raw) != size:
            return None
        last = max(last, value + size) if size > 4 else last
        form = {2: "B", 3: "H", 4: "I"}.get(kind)
        tags[code] = struct.unpack(f"<{count}{form}", raw) if form else ()
    return _Tags(tags, last)


def _described(description: tuple[int, ...] | None, shape: tuple[int, ...]) -> bool:
    """Say whether the description leaves the page's shape as it is."""
    if description is None:
        return True
    try:
        return bool(json.loads(bytes(description).rstrip(b"\0")) == {"shape": list(shape)})
    except ValueError:
        return False
