"""Read each plane of a TIFF file as one image, without scaling or conversion.

Every page is either an image or listed as left out: pyramid levels, thumbnails, masks, and pages
that repeat the pixels of another page. A page may contain several planes (a volume). One page may
describe a contiguous stack of planes (ImageJ hyperstacks, STK). Frame, channel and z come from
OME-XML or from the axes of tifffile's series. Other files that a file names are not opened.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import tifffile

from platebench.errors import UserError
from platebench.images.tiff_ome import Label, Ome, read_ome
from platebench.images.tiff_series import (
    LeftOutPage,
    Page,
    Stack,
    pages_of,
    read_page,
    read_series,
)
from platebench.limits import refuse_larger_than_memory

# tifffile logs warnings about unusual files; errors here report those that matter.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class TiffImage:
    """One image of a TIFF file: a plane, with an axis of samples if the file has one.

    `shape` is (y, x), (y, x, samples) or (samples, y, x) according to `axes`; if the file is only
    one image, it is the shape that tifffile.imread returns. `dtype` is in native byte order.
    """

    file: Path
    page: Page
    shape: tuple[int, ...]
    dtype: np.dtype
    axes: str
    label: Label
    plane: int | None = None
    """Number of the plane in its page, if the page has several."""

    at: int | None = None
    """Offset of the plane in the file, if it is part of a contiguous stack."""

    def pixels(self) -> np.ndarray:
        """Return the image, C-contiguous. Raises UserError if undecodable or changed."""
        array = self._read()
        array = array.reshape(self.shape) if array.size == math.prod(self.shape) else array
        if array.shape != self.shape or array.dtype != self.dtype:
            raise UserError(
                f"{self.file}: decodes to {array.dtype} {array.shape}, "
                f"but its header claims {self.dtype} {self.shape}"
            )
        return np.ascontiguousarray(array)

    def _read(self) -> np.ndarray:
        if self.at is not None:
            return _read_stored(self)
        if self.plane is None:
            return _decode(self.file, self.page)
        at = self.file.stat() if self.file.exists() else None
        volume = _volume(self.file, self.page, at and (at.st_mtime_ns, at.st_size))
        return volume[(slice(None),) * self.page.axes.index("Z") + (self.plane,)]


@dataclass(frozen=True)
class TiffContents:
    """The images of a TIFF file, and each page left out.

    `is_one_image` is true if every reader finds exactly one image in the file, under any file
    name.
    """

    images: list[TiffImage]
    left_out: list[LeftOutPage]
    is_one_image: bool


def contents_of(path: Path) -> TiffContents:
    """Return the images in a TIFF file. Only headers are read.

    Raises UserError if the file is not TIFF, has no image, has pixels that are not numbers, claims
    more data than it has, or cannot be split into planes.
    """
    with _opened(path, "not a readable TIFF file") as file:
        pages = pages_of(file)
        if not pages.images:
            raise UserError(f"{path}: TIFF file without an image")
        for page in pages.images:
            _check(path, page, file.filehandle.size)
        first = file.pages.first
        series = read_series(file, pages)
        ome = Ome()
        if first.is_ome:
            main = sum(page.is_main for page in pages.every)
            ome = read_ome(first.description, path.name, main)
        images = [
            image
            for page in pages.images
            for image in _images(path, page, series.stacks.get(page.ifd), series.labels, ome)
        ]
        one = (
            len(images) == 1
            and not pages.left_out
            and (ome.is_one_plane or not first.is_ome)
            and not (first.is_micromanager or first.is_mdgel)
        )
        if one and series.shape is not None:
            images = [replace(images[0], shape=series.shape)]
        return TiffContents(images, pages.left_out, one)


def _images(
    path: Path, page: Page, stack: Stack | None, labels: dict[int, list[Label]], ome: Ome
) -> Iterator[TiffImage]:
    """Yield the images of a page, or of the stack that it describes."""
    planes = stack.planes if stack else page.planes
    named = labels.get(page.ifd, [Label()] * planes)
    axes = page.axes.replace("Z", "")
    shape = tuple(side for side, axis in zip(page.shape, page.axes, strict=True) if axis != "Z")
    size = math.prod(shape) * page.dtype.itemsize
    for number in range(planes):
        yield TiffImage(
            file=path,
            page=page,
            shape=shape,
            dtype=page.dtype.newbyteorder("="),
            axes=axes,
            label=ome.labels.get(page.number, named[number]) if page.is_main else named[number],
            plane=number if page.planes > 1 and not stack else None,
            at=stack.at + number * size if stack else None,
        )


def _check(path: Path, page: Page, size: int) -> None:
    """Raise UserError if a page claims impossible sizes, before any memory is allocated."""
    if page.dtype.kind not in "uif":
        raise UserError(f"{path}: pixels of dtype {page.dtype}, not integers or floats")
    if 0 in page.shape:
        raise UserError(f"{path}: image without pixels, of shape {page.shape}")
    if page.ends > size:
        raise UserError(
            f"{path}: truncated; its header claims {page.ends} bytes, the file has {size}"
        )
    refuse_larger_than_memory(str(path), max(page.nbytes, page.segment_bytes))
    if page.segments > len(page.offsets):
        raise UserError(
            f"{path}: truncated; an image of {page.segments} strips or tiles has only"
            f" {len(page.offsets)} in the file"
        )
    if page.stored_bits is not None and page.stored_bits < page.needed_bits:
        raise UserError(
            f"{path}: truncated; an image of {page.needed_bits // 8} bytes has only"
            f" {page.stored_bits // 8} in the file"
        )


@contextmanager
def _opened(path: Path, fault: str) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF file; convert every exception to UserError with the message `fault`.

    Formats whose series span several files are disabled in tifffile.
    """
    try:
        with tifffile.TiffFile(
            path,
            _multifile=False,
            is_ome=False,
            is_mmstack=False,
            is_ndtiff=False,
            is_mdgel=False,
        ) as file:
            yield file
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:
        # On damaged bytes, tifffile and the decoders may raise any exception.
        raise UserError(f"{path}: {fault} ({_line(error)})") from error


def _decode(path: Path, page: Page) -> np.ndarray:
    """Decode a page in native byte order."""
    with _opened(path, "cannot be decoded") as file:
        array: np.ndarray = read_page(file, page).asarray()
        return np.asarray(array, dtype=array.dtype.newbyteorder("="))


@lru_cache(maxsize=1)
def _volume(path: Path, page: Page, version: tuple[int, int] | None) -> np.ndarray:
    """Decode a page of several planes, cached for reads of its successive planes."""
    return _decode(path, page)


def _read_stored(image: TiffImage) -> np.ndarray:
    """Read a plane of a contiguous stack."""
    stored = image.page.dtype
    size = math.prod(image.shape) * stored.itemsize
    try:
        with image.file.open("rb") as file:
            file.seek(image.at or 0)
            data = file.read(size)
    except OSError as error:
        raise UserError(f"{image.file}: cannot be read ({error.strerror})") from error
    if len(data) != size:
        raise UserError(f"{image.file}: truncated while in use; run again")
    return np.frombuffer(data, stored).reshape(image.shape).astype(image.dtype)


def _line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0][:200] or type(error).__name__
