"""What demonstrations are made with: noise, tables of it, and a file that counts what is read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SIDE = 256
"""Of a square image, in pixels."""

IMAGE_BYTES = SIDE * SIDE


def noise(images: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """Return uint8 (images, height, width) of values that no codec makes smaller."""
    random = np.random.default_rng(images)
    return random.integers(0, 256, (images, height, width), dtype=np.uint8)


def binary_table(images: np.ndarray) -> pa.Table:
    """Return a table of `row` and `image`, the pixels' bytes."""
    values = pa.array([image.tobytes() for image in images], pa.large_binary())
    return pa.table({"row": range(len(images)), "image": values})


def dtype_of(array: Any) -> str:
    """Return the name of an array's dtype."""
    return str(array.dtype)


class CountingFile(io.FileIO):
    """A file, open to read, that counts the bytes read from it."""

    bytes_read = 0

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        """Read into `buffer`, and count."""
        count = super().readinto(buffer)
        self.bytes_read += count or 0
        return count

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes, and count."""
        content: bytes = super().read(-1 if size is None else size)
        self.bytes_read += len(content)
        return content
