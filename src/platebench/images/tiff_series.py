"""Read the pages of a TIFF file and their series through tifffile."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import tifffile

from platebench.errors import UserError
from platebench.images.tiff_ome import Label

_SLIDES = {"svs", "scn", "qpi", "bif", "philips", "avs"}
"""Formats of slide scanners, in which pyramid levels may lack the flag for reduced images."""


@dataclass(frozen=True)
class Page:
    """A page: an image file directory (IFD) and its pixels. `dtype` is as stored.

    `number` counts along the chain of pages. A page in a SubIFD has the number of its parent page,
    and `sub` is its own number below that one; of a main page it is None. `segments` is the number
    of strips or tiles that the shape requires. `stored_bits` is None if compression makes it
    meaningless.
    """

    number: int
    ifd: int
    sub: int | None
    shape: tuple[int, ...]
    axes: str
    dtype: np.dtype
    is_reduced: bool
    is_mask: bool
    offsets: tuple[int, ...]
    ends: int
    is_final: bool
    segments: int
    segment_bytes: int
    stored_bits: int | None
    needed_bits: int

    @property
    def is_main(self) -> bool:
        """True unless the page is in a SubIFD."""
        return self.sub is None

    @property
    def where(self) -> str:
        """The page's place in its file: `page 0`, or `page 0/SubIFD 1`. Numbers count from 0."""
        return f"page {self.number}" + ("" if self.sub is None else f"/SubIFD {self.sub}")

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the decoded pixels in bytes."""
        return self.size * self.dtype.itemsize

    @property
    def planes(self) -> int:
        """Number of planes in the page."""
        return self.shape[self.axes.index("Z")] if "Z" in self.axes else 1


class LeftOutPage(NamedTuple):
    """A page that is not taken as an image: its place in the file, and why."""

    where: str
    why: str


@dataclass(frozen=True)
class Pages:
    """All pages of a file, the pages that are images, and each other page."""

    every: list[Page]
    images: list[Page]
    left_out: list[LeftOutPage]


@dataclass(frozen=True)
class Stack:
    """Contiguous planes from byte `at`, described by one page."""

    at: int
    planes: int


@dataclass
class Series:
    """Stacks and labels by IFD, and the shape of a file that is one image."""

    stacks: dict[int, Stack] = field(default_factory=dict)
    labels: dict[int, list[Label]] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None


def pages_of(file: tifffile.TiffFile) -> Pages:
    """Return the pages of a file in order. Raises UserError if the chain of pages is broken."""
    found: list[tuple[Page, Page | None]] = []
    last = None
    for number, page in enumerate(file.pages):
        own = _page(file, page, number, page.offset)
        found.append((own, None))
        below = enumerate(_sub_offsets(page))
        found += [(_sub_page(file, offset, number, sub), own) for sub, offset in below]
        last = own
    if last is not None:
        _require_end(file, last, len(file.pages))
    return _classified(file, found)


def read_page(file: tifffile.TiffFile, page: Page) -> tifffile.TiffPage | tifffile.TiffFrame:
    """Return a page of a file that was reopened."""
    if file.is_lsm:
        # In LSM files, tifffile corrects the sizes of compressed pages only through file.pages.
        return file.pages[page.number]
    file.filehandle.seek(page.ifd)
    return tifffile.TiffPage(file, page.number)


def read_series(file: tifffile.TiffFile, pages: Pages) -> Series:
    """Return stacks and labels. Raises UserError if a series claims planes that are missing."""
    known = {page.ifd: page for page in pages.every if page.is_main}
    series = Series()
    for one in file.series:
        key = known.get(one.keyframe.offset)
        claimed = math.prod(_unsqueezed(one)[1])
        # SubIFDs form series of their own, which add nothing to their pages.
        if key is None or claimed <= 0:
            continue
        if len(pages.every) == len(file.series) == 1 and claimed == key.size:
            series.shape = tuple(int(side) for side in one.shape)
        _add(file, one, claimed // key.size, key, known, series)
    return series


def _add(
    file: tifffile.TiffFile,
    one: tifffile.TiffPageSeries,
    claimed: int,
    key: Page,
    known: dict[int, Page],
    series: Series,
) -> None:
    """Add stack and labels of a series with `claimed` times the planes of its page `key`."""
    members = [key]
    if claimed > 1 and key.is_final and one.dataoffset is not None:
        end = one.dataoffset + claimed * key.nbytes
        if end > file.filehandle.size:
            raise UserError(
                f"{file.filehandle.path}: truncated; its header claims {end} bytes,"
                f" the file has {file.filehandle.size}"
            )
        members = [
            page
            for page in known.values()
            if page.offsets and one.dataoffset <= page.offsets[0] < end
        ]
        members.sort(key=lambda page: page.offsets)
        if len(members) == 1:
            if key.axes.startswith("SZ"):
                raise UserError(
                    f"{file.filehandle.path}: a stack of volumes with several samples per pixel;"
                    " save it with one page per plane"
                )
            series.stacks[key.ifd] = Stack(one.dataoffset, claimed * key.planes)
    elif claimed > 1:
        members = [known[page.offset] for page in one if page is not None and page.offset in known]
    if len(members) not in (1, claimed) or (
        len(members) == 1 and not (claimed == 1 or key.ifd in series.stacks)
    ):
        raise UserError(
            f"{file.filehandle.path}: its header claims {claimed} pages in one series,"
            f" the file has {len(members)}"
        )
    labels = _labels(one, claimed * key.planes)
    each = len(labels) // len(members)
    for place, page in enumerate(members):
        series.labels.setdefault(page.ifd, labels[place * each : (place + 1) * each])


def _unsqueezed(one: tifffile.TiffPageSeries) -> tuple[str, tuple[int, ...]]:
    """Return the axes and shape of a series, with axes of length 1.

    Up to tifffile 2026.3 `axes` and `shape` lack these axes; 2026.11, for Python 3.12 and later,
    has them there and no `get_shape`.
    """
    if hasattr(one, "get_shape"):
        return str(one.get_axes(False)), tuple(one.get_shape(False))
    return str(one.axes), tuple(one.shape)


def _labels(one: tifffile.TiffPageSeries, planes: int) -> list[Label]:
    """Return frame, channel and z of every plane of a series, from its leading axes."""
    axes, shape = _unsqueezed(one)
    leading = min((axes.find(axis) for axis in "YXS" if axis in axes), default=0)
    axes, shape = axes[:leading], shape[:leading]
    if planes == 1 or math.prod(shape) != planes:
        return [Label()] * planes
    places = np.array(np.unravel_index(range(planes), shape)).reshape(len(shape), planes)
    known = {axis: places[number].tolist() for number, axis in enumerate(axes) if shape[number] > 1}
    nothing = [None] * planes
    channels = [None if number is None else str(number) for number in known.get("C", nothing)]
    return [
        Label(*each)
        for each in zip(known.get("T", nothing), channels, known.get("Z", nothing), strict=True)
    ]


def _page(
    file: tifffile.TiffFile,
    page: tifffile.TiffPage | tifffile.TiffFrame,
    number: int,
    ifd: int,
    sub: int | None = None,
) -> Page:
    key = page.keyframe
    if page.dtype is None or not page.shape:
        raise UserError(f"{file.filehandle.path}: page {number} has an unknown pixel type")
    offsets, counts = page.dataoffsets, page.databytecounts
    ends = max((int(a) + int(b) for a, b in zip(offsets, counts, strict=True)), default=0)
    sparse = not all(offsets) or not all(counts)
    if page.is_final and offsets and offsets[0]:
        ends = max(ends, int(offsets[0]) + page.nbytes)
    plain = key.compression == 1 and not page.is_final and not sparse and not key.is_subsampled
    return Page(
        number=number,
        ifd=int(ifd),
        sub=sub,
        shape=tuple(int(side) for side in page.shape),
        axes=page.axes,
        dtype=page.dtype.newbyteorder(file.byteorder),
        is_reduced=bool(key.subfiletype & 1),
        is_mask=bool(key.subfiletype & 4),
        offsets=tuple(int(offset) for offset in offsets),
        ends=ends,
        is_final=bool(page.is_final),
        segments=math.prod(key.chunked) if not page.is_final else len(offsets),
        segment_bytes=math.prod(key.chunks) * page.dtype.itemsize,
        stored_bits=8 * sum(int(count) for count in counts) if plain else None,
        needed_bits=math.prod(page.shape) * int(key.bitspersample),
    )


def _sub_offsets(page: tifffile.TiffPage | tifffile.TiffFrame) -> list[int]:
    return [int(offset) for offset in page.subifds or () if offset >= 8]


def _sub_page(file: tifffile.TiffFile, offset: int, number: int, sub: int) -> Page:
    file.filehandle.seek(offset)
    page = tifffile.TiffPage(file, number)
    if page.subifds:
        raise UserError(f"{file.filehandle.path}: nested SubIFDs are not supported")
    return _page(file, page, number, offset, sub)


def _require_end(file: tifffile.TiffFile, last: Page, pages: int) -> None:
    """Raise UserError if the last page points to a further one that cannot be read."""
    handle, tiff = file.filehandle, file.tiff
    handle.seek(last.ifd)
    (tags,) = struct.unpack(tiff.tagnoformat, handle.read(tiff.tagnosize))
    handle.seek(last.ifd + tiff.tagnosize + tags * tiff.tagsize)
    follows = handle.read(tiff.offsetsize)
    # A file may end right after its last tag, without an offset of the next page.
    if follows.strip(b"\0"):
        raise UserError(f"{handle.path}: damaged; no readable page after page {pages}")


def _classified(file: tifffile.TiffFile, found: list[tuple[Page, Page | None]]) -> Pages:
    """Classify each page as an image or as one of the kinds that are left out."""
    levels = _levels(file) if found else set()
    has_full_page = any(not (page.is_reduced or page.is_mask) for page, _ in found)
    images: list[Page] = []
    left_out: list[LeftOutPage] = []
    seen: set[tuple[object, ...]] = set()
    for page, above in found:
        key = (page.offsets, page.shape, page.dtype.str)
        if page.is_mask and has_full_page:
            left_out.append(LeftOutPage(page.where, "mask"))
        elif page.ifd in levels or (above is not None and _is_level(page, above)):
            left_out.append(LeftOutPage(page.where, "pyramid level"))
        elif page.is_reduced and has_full_page:
            left_out.append(LeftOutPage(page.where, "thumbnail"))
        elif any(page.offsets) and key in seen:
            left_out.append(LeftOutPage(page.where, "repeated page"))
        else:
            images.append(page)
        seen.add(key)
    return Pages([page for page, _ in found], images, left_out)


def _levels(file: tifffile.TiffFile) -> set[int]:
    """Return the IFDs of reduced pyramid levels according to tifffile.

    tifffile takes any plain page of half the size for a level. Outside the formats of slide
    scanners, only pages flagged as reduced count.
    """
    levels: set[int] = set()
    for one in file.series:
        for level in one.levels[1:]:
            if one.kind in _SLIDES:
                levels.update(int(page.offset) for page in level if page is not None)
            elif level.keyframe.is_reduced:
                levels.add(int(level.keyframe.offset))
    return levels


def _is_level(page: Page, above: Page) -> bool:
    """True if a SubIFD is a smaller version of the page above it."""
    if page.is_reduced:
        return True
    (height, width), (tall, wide) = _sides(page), _sides(above)
    smaller = height <= tall and width <= wide and (height, width) != (tall, wide)
    alike = (page.dtype, page.axes) == (above.dtype, above.axes)
    # The aspect ratio is the same, except that each side may be rounded up or down.
    return smaller and alike and abs(height * wide - width * tall) <= tall + wide


def _sides(page: Page) -> Iterator[int]:
    return (page.shape[page.axes.index(axis)] for axis in "YX")
