"""Measure what a store keeps and reads beside the pixels, with many tiny images.

Run as a program, it measures one store with one number of images and prints one JSON line:
FOLDER STORE IMAGES.

The images are written to FOLDER. Then, with an empty page cache, the store is opened, its number of
images asked for, and one image read: once or a few times for the seconds, and once for the bytes,
which are counted as in `timing.access`.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from platebench.errors import Mismatch, Unsupported
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet, digest
from platebench.images.tiff import header
from platebench.stores import registry
from platebench.stores.contract import OpenStore, Store
from platebench.stores.floor.places import page_aligned
from platebench.stores.name import StoreName
from platebench.timing import page_cache
from platebench.timing.access import can_count, io_counters, mapped_bytes
from platebench.timing.parent import end_with_parent
from platebench.timing.prepare import UNSUPPORTED

SIDE = 4
"""Images of 4 x 4 uint8: 16 bytes of pixels, or a TIFF file of 272 bytes."""

SAMPLES, SECONDS = 3, 1.0
"""Samples of opening and reading: at most so many, and no further one after so many seconds."""

_SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC835
"""An odd number: its products with row numbers are all different, and look like noise."""

_WELLS = [f"{chr(ord('A') + row)}{column:02d}" for row in range(16) for column in range(1, 25)]


class TinyImages(ImageSet):
    """Any number of images of 16 pixels, made when they are asked for."""

    def __init__(self, images: int) -> None:
        self.name = f"tiny-{images}"
        self._images = images
        self._header = header(SIDE, SIDE, np.dtype(np.uint8))
        rows = np.arange(images)
        sites = rows // len(_WELLS)
        wells = pa.DictionaryArray.from_arrays(rows % len(_WELLS), _WELLS).cast(pa.string())
        shape = pa.array(np.full(2 * images, SIDE, np.int32))
        columns = {
            "row": pa.array(rows),
            "path": pa.array([f"P1/{row:07d}.tif" for row in range(images)]),
            "filesize_bytes": pa.array(np.full(images, self.file_bytes)),
            "plate": pa.array(["P1"] * images),
            "well": wells,
            "site": pa.array((sites + 1).astype(str)),
            "shape": pa.ListArray.from_arrays(
                np.arange(0, 2 * images + 1, 2, dtype=np.int32), shape
            ),
            "dtype": pa.array(["|u1"] * images),
        }
        self.table = pa.Table.from_arrays(
            [
                columns[field.name].cast(field.type)
                if field.name in columns
                else pa.nulls(images, field.type)
                for field in IMAGE_SCHEMA
            ],
            schema=IMAGE_SCHEMA,
        )

    @property
    def file_bytes(self) -> int:
        """The size of one TIFF file."""
        return len(self._header) + SIDE * SIDE

    def pixels(self, row: int) -> np.ndarray:
        """Return image `row`."""
        values = ((row + 1) * _SPREAD % 2**128).to_bytes(16, "little")
        return np.frombuffer(values, np.uint8).reshape(SIDE, SIDE)

    def file(self, row: int) -> bytes:
        """Return image `row` as a TIFF file."""
        return self._header + self.pixels(row).tobytes()

    def digests(self) -> Sequence[str]:
        """Return the digests of the images."""
        return [digest(image) for image in self]

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of every image."""
        return [(SIDE, SIDE)] * self._images

    @cached_property
    def dtypes(self) -> list[np.dtype]:
        """The dtype of every image."""
        return [np.dtype(np.uint8)] * self._images

    @property
    def pixel_bytes(self) -> int:
        """The size of all pixels in bytes."""
        return self._images * SIDE * SIDE


@dataclass(frozen=True)
class Found:
    """What one store keeps and reads.

    `value_bytes` are the images' values, as the layout has them and uncompressed: pixels or TIFF
    files. `open_s` and `open_bytes` are to open it and ask for the number of images, `first_s` and
    `first_bytes` to read one image then. Seconds are the least of some samples: other processes
    only add to them. `took_s` is how long all of it took.
    """

    value_bytes: int
    stored_bytes: int
    files: int
    write_s: float
    open_s: float
    open_bytes: int
    first_s: float
    first_bytes: int
    took_s: float


def measure(store: Store, images: TinyImages, path: Path) -> Found:
    """Write `images` to `path`, which does not exist, and measure opening it.

    Raises Unsupported if the store cannot hold them, or if its files cannot be removed from the
    page cache; Mismatch if the number of images or the one that was read is wrong.
    """
    if not can_count():
        raise Unsupported("counting bytes needs Linux's /proc/self/io")
    began = started = time.perf_counter()
    store.write(images, path)
    page_cache.sync_tree(path)
    write_s = time.perf_counter() - began
    stored, files = page_cache.stored_size(path)
    row = len(images) // 2 + 1
    reading = _Reading(store, path, images, row)
    reading.warm_up()
    times: list[tuple[float, float]] = []
    began = time.perf_counter()
    while len(times) < SAMPLES and (not times or time.perf_counter() - began < SECONDS):
        times.append(reading.timed())
    open_bytes, first_bytes = reading.counted()
    is_files = store.layout == "tiff"
    return Found(
        len(images) * (images.file_bytes if is_files else SIDE * SIDE),
        stored,
        files,
        write_s,
        min(opened for opened, _ in times),
        open_bytes,
        min(first for _, first in times),
        first_bytes,
        time.perf_counter() - started,
    )


@dataclass(frozen=True)
class _Reading:
    """Opening a store and reading one image of it, checked."""

    store: Store
    path: Path
    images: TinyImages
    row: int

    def warm_up(self) -> None:
        """Read once before, since libraries load files of their own when they first read."""
        with self.store.open(self.path) as opened:
            self._count(opened)
            self._first(opened)

    def timed(self) -> tuple[float, float]:
        """Return the seconds to open the store, and to read an image, from the disk."""
        self._empty()
        began = time.perf_counter()
        with self.store.open(self.path) as opened:
            self._count(opened)
            middle = time.perf_counter()
            self._first(opened)
            return middle - began, time.perf_counter() - middle

    def counted(self) -> tuple[int, int]:
        """Return the bytes asked for to open the store, and to read an image."""
        self._empty()
        counters = [_Counters.of(self.path)]
        with self.store.open(self.path) as opened:
            self._count(opened)
            counters.append(_Counters.of(self.path))
            self._first(opened)
            counters.append(_Counters.of(self.path))
        before, middle, after = counters
        return middle.since(before), after.since(middle)

    def _empty(self) -> None:
        gc.collect()  # a map that waits to be collected keeps its pages
        page_cache.empty(self.path)

    def _count(self, opened: OpenStore) -> None:
        if len(opened) != len(self.images):
            raise Mismatch(f"{len(opened)} images were counted, not {len(self.images)}")

    def _first(self, opened: OpenStore) -> None:
        memory = page_aligned(_ROOM)
        (found,) = (digest(image) for image in opened.take_into([self.row], memory))
        if found != self.images.digest_of(self.row):
            raise Mismatch(f"row {self.row} is another image than was written")


_ROOM = 1 << 16
"""Bytes of memory for an image. The floor reads whole pages into it."""


@dataclass(frozen=True)
class _Counters:
    """What the process had read at one moment: when it was looked at, and when that was done."""

    begin: int
    mapped: int
    end: int

    @classmethod
    def of(cls, path: Path) -> _Counters:
        begin = io_counters()["rchar"]
        return cls(begin, mapped_bytes(path), io_counters()["rchar"])

    def since(self, other: _Counters) -> int:
        return self.begin - other.end + max(0, self.mapped - other.mapped)


def main() -> None:
    """Measure the store that the command line names."""
    end_with_parent()
    folder, store, images = sys.argv[1:]
    try:
        found = measure(
            registry.find(StoreName.parse(store)), TinyImages(int(images)), Path(folder) / "store"
        )
        print(json.dumps(asdict(found)))
    except Unsupported as reason:
        print(reason, file=sys.stderr)
        sys.exit(UNSUPPORTED)


if __name__ == "__main__":
    main()
