"""Image sets that tests share."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tifffile

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet, digest
from tests.scratch_checkout import checkout, committed, plate, platebench

__all__ = ["checkout", "committed", "plate", "platebench"]


def pytest_configure() -> None:
    """Let Ctrl-C be felt: a shell that runs the tests in the background has them ignore it.

    What they start would inherit that, and could not be interrupted by the tests that do.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def terminal() -> Iterator[Path]:
    """A device of the test's own, in a file system where nothing can be made or replaced."""
    controller, device = os.openpty()
    yield Path(os.ttyname(device))
    os.close(device)
    os.close(controller)


class ArrayImages(ImageSet):
    """An image set of arrays in memory."""

    def __init__(self, arrays: Sequence[np.ndarray], name: str = "arrays") -> None:
        self.name = name
        self._arrays = list(arrays)
        self._files = [_tiff(array) for array in self._arrays]
        records = [
            {
                "row": row,
                "path": f"LT0001_02.LT0001_02_15_{row:02d}.tif",
                "filesize_bytes": len(self._files[row]),
                "plate": "LT0001_02" if row % 3 else None,
                "well": f"{row % 2:05d}",
                "site": "01",
                "frame": row if row % 2 else None,
                "shape": list(array.shape),
                "dtype": array.dtype.str,
            }
            for row, array in enumerate(self._arrays)
        ]
        self.table = pa.Table.from_pylist(records, IMAGE_SCHEMA)

    def pixels(self, row: int) -> np.ndarray:
        return self._arrays[row]

    def file(self, row: int) -> bytes:
        return self._files[row]

    def digests(self) -> Sequence[str]:
        return [digest(array) for array in self._arrays]


def _tiff(array: np.ndarray) -> bytes:
    sink = io.BytesIO()
    tifffile.imwrite(sink, array, photometric="minisblack")
    return sink.getvalue()


def noise(images: int, shape: tuple[int, ...] = (24, 36), dtype: str = "|u1") -> ArrayImages:
    """Return images of random values that all differ."""
    random = np.random.default_rng(images)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        arrays = [random.normal(size=shape).astype(kind) for _ in range(images)]
    else:
        limits = np.iinfo(kind)
        arrays = [
            random.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
            for _ in range(images)
        ]
    return ArrayImages(arrays, name=f"noise-{images}")


@pytest.fixture(scope="session")
def images() -> ArrayImages:
    """Twenty-one small uint8 images: more than one batch, block or shard of 16."""
    return noise(21)
