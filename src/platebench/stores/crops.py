"""Crops: rectangles of single images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_SAMPLES = (3, 4)
"""A last axis of so many is the samples of a colour image: (y, x, samples)."""


@dataclass(frozen=True)
class Crop:
    """A rectangle of the image `row`: its first line and column, height and width, in pixels.

    Lines and columns are the last two axes, or the two before the samples of a colour image. What
    an image has before them, such as planes or channels, belongs to a crop whole.
    """

    row: int
    top: int
    left: int
    height: int
    width: int

    def index(self, shape: Sequence[int]) -> tuple[slice, ...]:
        """Return the crop's index in an image of this shape, a slice for each axis.

        Raises IndexError if the image does not hold the crop whole.
        """
        first = lines_axis(shape)
        ends = (self.top + self.height, self.left + self.width)
        if first < 0 or min(self.top, self.left) < 0 or _exceeds(ends, shape[first:]):
            raise IndexError(
                f"a crop of {self.height} x {self.width} pixels at ({self.top}, {self.left}) is"
                f" not inside image {self.row} of shape {tuple(shape)}"
            )
        lines, columns = slice(self.top, ends[0]), slice(self.left, ends[1])
        whole = [slice(0, side) for side in shape]
        return (*whole[:first], lines, columns, *whole[first + 2 :])

    def of(self, image: Any) -> Any:
        """Return the crop of an image: a view. What is not an array is returned as it is."""
        return image[self.index(image.shape)] if isinstance(image, np.ndarray) else image


def lines_axis(shape: Sequence[int]) -> int:
    """Return the axis of an image's lines, which that of its columns follows; -1 without both."""
    samples = len(shape) > 2 and shape[-1] in _SAMPLES
    return len(shape) - (3 if samples else 2) if len(shape) > 1 else -1


def _exceeds(ends: Sequence[int], sides: Sequence[int]) -> bool:
    return any(end > side for end, side in zip(ends, sides, strict=False))


def cut(crops: Sequence[Crop], images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the crop of each of their images; images beyond the last crop are yielded whole."""
    coming = iter(images)
    for crop in crops:
        for image in coming:
            yield crop.of(image)
            del image  # so that the store's next image gets the same memory
            break
    yield from coming
