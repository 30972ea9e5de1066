"""Copy images out of a store, and compare what a store returns with the image set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from platebench.errors import Mismatch
from platebench.images.imageset import ImageSet, digest


class Drain:
    """Memory of the suite's own, into which every image read is copied.

    A read ends when all its bytes are here. A view or a lazy batch that was never copied does not
    count as read. The memory has room for one image, and each image overwrites the one before.
    """

    def __init__(self, images: ImageSet) -> None:
        largest = max(images.image_bytes(row) for row in range(len(images)))
        self.memory = np.zeros(largest, np.uint8)
        self.memory.fill(1)  # page faults now, not while a cell is timed

    def __call__(self, arrays: Iterable[np.ndarray]) -> int:
        """Copy each array out and return the number of bytes copied."""
        copied = 0
        for number, array in enumerate(arrays):
            if not _is_pixels(array):
                raise Mismatch(f"read {number} gave {_not_pixels(array)}")
            values = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            if values.size > self.memory.size:
                raise Mismatch(
                    f"read {number} gave {array.dtype} of {array.shape}, {values.size} bytes;"
                    f" the largest image has {self.memory.size}"
                )
            self.memory[: values.size] = values
            copied += values.size
        return copied

    def last_image(self, images: ImageSet, row: int) -> np.ndarray:
        """Return the memory's content with the dtype and shape of image `row`."""
        size = images.image_bytes(row)
        return self.memory[:size].view(images.dtypes[row]).reshape(images.shapes[row])


def _is_pixels(array: object) -> bool:
    return type(array) is np.ndarray or isinstance(array, np.memmap)


def _not_pixels(given: object) -> str:
    return f"a {type(given).__name__}, not an array of pixels"


def check(arrays: Iterable[np.ndarray], images: ImageSet, rows: Sequence[int]) -> None:
    """Raise Mismatch unless `arrays` are exactly the images of `rows`, in that order."""
    digests = images.digests()
    found = 0
    for array in arrays:
        if found == len(rows):
            raise Mismatch(
                f"more than the {len(rows)} images asked for came back, after image {rows[-1]}"
            )
        row = rows[found]
        _check_kind(array, images, row)
        if digest(array) != digests[row]:
            raise Mismatch(_difference(array, images, row))
        found += 1
    if found < len(rows):
        raise Mismatch(
            f"{found} of the {len(rows)} images asked for came back, image {rows[found]} did not"
        )


def _check_kind(array: np.ndarray, images: ImageSet, row: int) -> None:
    if not _is_pixels(array):
        raise Mismatch(f"image {row} came back as {_not_pixels(array)}")
    if array.dtype != images.dtypes[row]:
        raise Mismatch(f"image {row} came back as {array.dtype}, not {images.dtypes[row]}")
    if array.shape != images.shapes[row]:
        raise Mismatch(f"image {row} came back with shape {array.shape}, not {images.shapes[row]}")


def _difference(array: np.ndarray, images: ImageSet, row: int) -> str:
    digests = images.digests()
    returned = digest(array)
    if returned in digests:
        return f"image {digests.index(returned)} came back in place of image {row}"
    differing = int(np.count_nonzero(array != images.pixels(row)))
    return f"image {row} came back with {differing} of {array.size} values changed"


def check_table(table: pa.Table, images: ImageSet) -> None:
    """Raise Mismatch unless `table` equals the image set's table."""
    if table.equals(images.table):
        return
    if table.schema != images.table.schema or table.num_rows != len(images):
        raise Mismatch(
            f"a table of {table.num_rows} rows and the columns {', '.join(table.column_names)} came"
            f" back, not the one of {len(images)} images"
        )
    pairs = zip(table.to_pylist(), images.table.to_pylist(), strict=True)
    row = next((row for row, (back, put) in enumerate(pairs) if back != put), 0)
    raise Mismatch(f"the table's row of image {row} is not the one that was put in")


def check_stored(store: Any, path: Path, images: ImageSet, version: int | None = None) -> None:
    """Raise Mismatch unless this version, or the newest, holds exactly `images` and their table."""
    with store.open(path, *([] if version is None else [version])) as opened:
        check(opened.scan(), images, range(len(images)))
        check_table(opened.table(), images)
