"""Test data for demonstrations: noise images, tables of them, and a file that counts reads."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SIDE = 256
"""Side of a square image in pixels."""

IMAGE_BYTES = SIDE * SIDE


def noise(images: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """Return incompressible images: random uint8 (images, height, width)."""
    random = np.random.default_rng(images)
    return random.integers(0, 256, (images, height, width), dtype=np.uint8)


def binary_table(images: np.ndarray) -> pa.Table:
    """Return a table with the columns `row` and `image`, the bytes of the pixels."""
    values = pa.array([image.tobytes() for image in images], pa.large_binary())
    return pa.table({"row": range(len(images)), "image": values})


def dtype_of(array: Any) -> str:
    """Return the name of an array's dtype."""
    return str(array.dtype)


class CountingFile(io.FileIO):
    """A file opened for reading that counts the bytes read."""

    bytes_read = 0

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        """Read into `buffer` and count the bytes."""
        count = super().readinto(buffer)
        self.bytes_read += count or 0
        return count

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes and count them."""
        content: bytes = super().read(-1 if size is None else size)
        self.bytes_read += len(content)
        return content
