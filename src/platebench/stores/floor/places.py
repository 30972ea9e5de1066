"""Where the images are in a bare file: each starts at a page, so that O_DIRECT can read it."""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platebench.images.imageset import ImageSet

PAGE = 4096
"""Images start at multiples of this. It is a multiple of the block size of every common disk."""


def padded(size: int) -> int:
    """Return the bytes of the whole pages that hold `size` bytes."""
    return -(-size // PAGE) * PAGE


def page_aligned(size: int) -> np.ndarray:
    """Return zeroed memory that starts at a page. NumPy's own starts 16 bytes after one."""
    return np.frombuffer(mmap.mmap(-1, max(size, 1)), np.uint8)[:size]


@dataclass(frozen=True)
class Places:
    """Start and end in the file, size without padding, shape and dtype of each image.

    `kinds` holds one shape and dtype if all images share them, else one for each image.
    """

    edges: Sequence[int]
    sizes: Sequence[int]
    kinds: Sequence[tuple[tuple[int, ...], np.dtype]]

    @classmethod
    def of_images(cls, images: ImageSet) -> Places:
        """Return the places of images that are to be written."""
        sizes = [images.image_bytes(row) for row in range(len(images))]
        kinds = list(zip(images.shapes, images.dtypes, strict=True))
        return cls.of_sizes(sizes, kinds[:1] if len(set(kinds)) == 1 else kinds)

    @classmethod
    def of_sizes(
        cls, sizes: Sequence[int], kinds: Sequence[tuple[tuple[int, ...], np.dtype]]
    ) -> Places:
        """Return the places of images with these sizes, one after another."""
        edges = [0, *itertools.accumulate(padded(size) for size in sizes)]
        return cls(edges, sizes, kinds)

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def end(self) -> int:
        """Where the last image's padding ends."""
        return self.edges[-1]

    @property
    def slot(self) -> int:
        """The whole pages that the largest image needs, at least one, in bytes."""
        return padded(max(self.sizes, default=0)) or PAGE

    def kind(self, row: int) -> tuple[tuple[int, ...], np.dtype]:
        """Return the shape and dtype of an image."""
        return self.kinds[row if len(self.kinds) > 1 else 0]

    def view(self, row: int, memory: np.ndarray) -> np.ndarray:
        """Return the image that begins where `memory` does."""
        shape, dtype = self.kind(row)
        return memory[: self.sizes[row]].view(dtype).reshape(shape)
