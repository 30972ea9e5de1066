"""Tuned stores write and scan in memory that does not grow with the number of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet, digest
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing.memory import PeakMemory
from tests.conftest import ArrayImages

SHAPE = (512, 512)
IMAGES = 320
MOST = IMAGES * SHAPE[0] * SHAPE[1] // 2
"""Half of the bytes of all images: a store may hold some of them, but not all."""

HOLDING = ("duckdb:", "delta:", "vortex:pixels:small")
"""Stores whose library holds what it writes: 1,280 images of 0.25 MB, 320 MB, take 680 MB with
duckdb 2.0.0, and 520 MB with deltalake 1.6.6, which holds a Parquet file until it is complete. A
block of vortex has up to 8,192 values, however long, and is written at once."""

STREAMING = [
    name
    for name in list(map(str, registry.names()))
    if not name.startswith(HOLDING)
    and (not name.endswith(":default") or name.startswith("sqlite:"))
]
"""All but those, and the default tunings, some of which hold all images; SQLite's does not."""

AT_MOST = {
    "vortex:tensor:fast": 80_000_000,
    **{f"hf-datasets:tiff:{tuning}": 125_000_000 for tuning in ("fast", "balanced", "small")},
}
"""Bytes of stores that need more, but no more for more images.

Vortex has buffers: 23 to 53 MB for 160 to 1280 images. The library `datasets` takes 52 MB by itself
when the first write imports it, and a file of 32 MB is in memory while it is written.
"""

SLOPE = np.add.outer(np.arange(SHAPE[0] + IMAGES), np.arange(SHAPE[1])).astype(np.uint8)
"""Image `row` starts at row `row` of this array. It is smooth, so it compresses quickly."""


def marks_of(name: str) -> pytest.MarkDecorator:
    """Return the mark of a store: one per format and tuning is for `make test-long`."""
    store = StoreName.parse(name)
    first = registry.format_of(store).layouts[0] == store.layout
    return pytest.mark.long if first and store.tuning == "fast" else pytest.mark.nightly


class Endless(ImageSet):
    """Any number of images, in the memory of little more than one."""

    def __init__(self, images: int) -> None:
        self.name = f"endless-{images}"
        one = ArrayImages([np.zeros(SHAPE, np.uint8)])
        self._file = one.file(0)
        self.table = one.select([0] * images).table

    def pixels(self, row: int) -> np.ndarray:
        return SLOPE[row : row + SHAPE[0]]

    def file(self, row: int) -> bytes:
        return self._file[: -SHAPE[0] * SHAPE[1]] + self.pixels(row).tobytes()

    def digests(self) -> Sequence[str]:
        return [digest(self.pixels(row)) for row in range(len(self))]


def peak_of_write(name: str, images: int, path: Path) -> int:
    store = registry.find(StoreName.parse(name))
    peak = PeakMemory()
    store.write(Endless(images), path)
    assert peak.bytes is not None
    return peak.bytes


def peak_of_scan(name: str, path: Path) -> int:
    peak = PeakMemory()
    with registry.find(StoreName.parse(name)).open(path) as opened:
        for _ in peak.watching(opened.scan()):
            pass
    assert peak.bytes is not None
    return peak.bytes


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from /proc"
)
@pytest.mark.parametrize("name", [pytest.param(name, marks=marks_of(name)) for name in STREAMING])
def test_memory_does_not_grow_with_the_number_of_images(name: str, tmp_path: Path) -> None:
    try:
        assert peak_of_write(name, IMAGES, tmp_path / "store") < AT_MOST.get(name, MOST)
    except Unsupported as reason:
        pytest.skip(str(reason))
    assert peak_of_scan(name, tmp_path / "store") < MOST


def test_store_that_holds_all_images_exceeds_the_limit(tmp_path: Path) -> None:
    """`write_feather` holds the whole table, so the test above can fail."""
    assert peak_of_write("arrow-ipc:pixels:default", IMAGES, tmp_path / "store") > MOST
