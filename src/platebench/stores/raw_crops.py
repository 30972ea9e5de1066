"""Read crops of raw pixels, by positioned reads of their lines.

A crop is read as one span per plane: from its first line to its last, with all columns. The lines
of most images are shorter than a page, so that every page of a span has pixels of the crop, and one
call costs less than one for each line.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from platebench.stores.crops import Crop, lines_axis
from platebench.stores.read_ahead import read_ahead


@dataclass(frozen=True)
class RawImage:
    """Where the raw pixels of an image begin in a file, and what they are."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype


def crops_of_file(
    file: int, crops: Sequence[Crop], image_at: Callable[[int], RawImage], memory: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield crops of images in one file, each at the start of `memory`.

    `file` is a descriptor; `image_at` tells where an image is. The kernel is advised of the crops
    that follow.
    """
    images = [image_at(crop.row) for crop in crops]

    def covered(number: int) -> tuple[int, int]:
        spans = _spans(crops[number], images[number])
        return spans[0], spans[-1] + _span_bytes(crops[number], images[number]) - spans[0]

    for number in read_ahead(file, list(range(len(crops))), covered):
        yield read_crop(file, crops[number], images[number], memory)


def read_crop(file: int, crop: Crop, image: RawImage, memory: np.ndarray) -> np.ndarray:
    """Read a crop to the start of `memory`, which has room for the image; return it there.

    Raises IndexError for a crop that is not inside the image, EOFError if the file is too short.
    """
    index = crop.index(image.shape)
    first = lines_axis(image.shape)
    size = _span_bytes(crop, image)
    spans = _spans(crop, image)
    for number, start in enumerate(spans):
        into = memory[number * size : (number + 1) * size]
        if os.preadv(file, [into.data], start) != size:
            raise EOFError(f"image {crop.row} is truncated")
    lines = (*image.shape[:first], crop.height, *image.shape[first + 1 :])
    found = memory[: len(spans) * size].view(image.dtype).reshape(lines)
    part = found[(*index[:first], slice(None), *index[first + 1 :])]
    yielded = memory[: part.nbytes].view(image.dtype).reshape(part.shape)
    yielded[...] = part  # they overlap; NumPy copies through memory of its own
    return yielded


def _span_bytes(crop: Crop, image: RawImage) -> int:
    """Return the bytes of a span: the crop's lines with all columns."""
    return crop.height * _line_bytes(image)


def _line_bytes(image: RawImage) -> int:
    return math.prod(image.shape[lines_axis(image.shape) + 1 :]) * image.dtype.itemsize


def _spans(crop: Crop, image: RawImage) -> list[int]:
    """Return where the span of each plane begins in the file."""
    first = lines_axis(image.shape)
    planes, lines = math.prod(image.shape[:first]), image.shape[first]
    line = _line_bytes(image)
    return [image.offset + (plane * lines + crop.top) * line for plane in range(planes)]
