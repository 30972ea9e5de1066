"""Count the bytes that reading one image of many brings from the disk.

Run as a program, it counts for one store and prints one JSON line: FOLDER STORE.

The images are small and written to FOLDER, then their files are removed from the page cache. Then
the store is opened and one image is read. Two things are counted:

- what was asked for: the bytes of read calls (`rchar` of /proc/self/io, of all threads), and the
  pages of the stored files that are mapped into memory afterwards (/proc/self/smaps). It is what
  the format and its library need: the image, its neighbours in a chunk or row group, indexes and
  footers. The kernel maps up to 16 pages at once.
- what came from the disk: this with what the kernel reads ahead, which depends on the machine
  (`read_ahead_kb`). It is the larger of `read_bytes` of /proc/self/io and the pages of the files
  that are in the page cache afterwards (mincore).
"""

from __future__ import annotations

import gc
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from platebench.errors import Mismatch, Unsupported
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet, digest
from platebench.images.tiff import encode
from platebench.stores import registry
from platebench.stores.contract import OpenStore, Store
from platebench.stores.name import StoreName
from platebench.timing import page_cache
from platebench.timing.drain import Drain
from platebench.timing.parent import end_with_parent
from platebench.timing.prepare import UNSUPPORTED

IMAGES = 256
SIDE = 512
"""Images of 512 x 512 uint8: 256 KiB each."""

FIRST, ANOTHER = 137, 59
"""The row that is read from a store just opened, and one that is read from it afterwards."""

IO, _MAPS = Path("/proc/self/io"), Path("/proc/self/smaps")


@dataclass(frozen=True)
class Read:
    """What one read cost: bytes asked for, read calls, and bytes that came from the disk."""

    asked: int
    calls: int
    fetched: int


@dataclass(frozen=True)
class Counted:
    """The reads of one store, and what it keeps on the disk."""

    image_bytes: int
    stored_bytes: int
    files: int
    first: Read
    another: Read


_GREYS = np.sort(np.random.default_rng(0).poisson(6, 256)).astype(np.uint8)
"""Grey values of noise, each as often as it occurs."""

_BLOB = (np.hypot(*(np.mgrid[:32, :32] - 15.5)) < 15).astype(np.uint8)


class SmallImages(ImageSet):
    """Images of nuclei-like blobs on noise, drawn when they are asked for."""

    def __init__(self, images: int, side: int = SIDE) -> None:
        self.name = f"small-{images}"
        self._side = side
        one = len(encode(self.pixels(0)))
        self.table = pa.Table.from_pylist(
            [
                {
                    "row": row,
                    "path": f"P1/{row:04d}.tif",
                    "filesize_bytes": one,
                    "plate": "P1",
                    "well": f"{chr(ord('A') + row // 24 % 16)}{row % 24 + 1:02d}",
                    "site": str(row // 384 + 1),
                    "shape": [side, side],
                    "dtype": "|u1",
                }
                for row in range(images)
            ],
            IMAGE_SCHEMA,
        )

    def pixels(self, row: int) -> np.ndarray:
        """Return image `row`."""
        chance = np.random.default_rng(row)
        image = _GREYS[np.frombuffer(chance.bytes(self._side**2), np.uint8)]
        image = image.reshape(self._side, self._side)
        for _ in range(8):
            y, x = chance.integers(0, self._side - len(_BLOB), 2)
            image[y : y + len(_BLOB), x : x + len(_BLOB)] += _BLOB * chance.integers(
                40, 160, dtype=np.uint8
            )
        return image

    def file(self, row: int) -> bytes:
        """Return image `row` as a TIFF file."""
        return encode(self.pixels(row))

    @cached_property
    def _digests(self) -> list[str]:
        return [digest(self.pixels(row)) for row in range(len(self))]

    def digests(self) -> Sequence[str]:
        """Return the digests of the images."""
        return self._digests


def count(store: Store, images: ImageSet, path: Path) -> Counted:
    """Write `images` to `path`, which does not exist, and count what reading two of them costs.

    Raises Unsupported if the store cannot hold them, or if its files cannot be removed from the
    page cache; Mismatch if an image that was read is another one.
    """
    if not can_count():
        raise Unsupported("counting bytes needs Linux's /proc/self/io")
    store.write(images, path)
    page_cache.sync_tree(path)
    memory = Drain(images).memory
    first, another = (row % len(images) for row in (FIRST, ANOTHER))
    # Once before, since libraries load files of their own when they first read.
    _read(store, path, images, [first], memory)
    gc.collect()  # a map that waits to be collected keeps its pages
    page_cache.empty(path)
    before, middle, after = _read(store, path, images, [first, another], memory)
    stored, files = page_cache.stored_size(path)
    return Counted(
        images.image_bytes(first), stored, files, middle.since(before), after.since(middle)
    )


def _read(
    store: Store, path: Path, images: ImageSet, rows: Sequence[int], memory: np.ndarray
) -> list[Reading]:
    """Open the store and read rows; return the counters before that and after each of them."""
    counters = [Reading(path)]
    with store.open(path) as opened:
        for row in rows:
            _check(opened, images, row, memory)
            counters.append(Reading(path))
    return counters


def can_count() -> bool:
    """Return True if this system counts the bytes that a process reads."""
    return IO.exists()


class Reading:
    """The counters at one moment: when it begins, and again when it has read all of them."""

    def __init__(self, path: Path) -> None:
        """Read the counters of this process, and of the stored files at `path`. Linux only."""
        self.begin = io_counters()
        self.mapped = mapped_bytes(path)
        self.cached = sum(map(page_cache.resident_bytes, page_cache.files_of(path)))
        self.end = io_counters()

    def since(self, other: Reading) -> Read:
        """Return what was read between another moment and this one."""
        fetched, asked, calls = (
            self.begin[name] - other.end[name] for name in ("read_bytes", "rchar", "syscr")
        )
        return Read(
            asked + self.mapped - other.mapped, calls, max(fetched, self.cached - other.cached)
        )


def io_counters() -> dict[str, int]:
    """Return the process's counters by name."""
    lines = (line.split(": ") for line in IO.read_text().splitlines())
    return {name: int(value) for name, value in lines}


def mapped_bytes(path: Path) -> int:
    """Return the bytes of the files at `path` that this process has mapped and touched."""
    mapped, ours, place = 0, False, str(path.resolve())[1:]
    for line in _MAPS.read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            ours = line.partition("/")[2].startswith(place)
        elif ours and line.startswith("Rss:"):
            mapped += int(line.split()[1]) * 1024
    return mapped


def _check(opened: OpenStore, images: ImageSet, row: int, memory: np.ndarray) -> None:
    (found,) = (digest(image) for image in opened.take_into([row], memory))
    if found != images.digest_of(row):
        raise Mismatch(f"row {row} is another image than was written")


def main(images: Callable[[int], ImageSet] = SmallImages) -> None:
    """Count for the store that the command line names."""
    end_with_parent()
    folder, store = sys.argv[1:]
    try:
        found = registry.find(StoreName.parse(store))
        print(json.dumps(asdict(count(found, images(IMAGES), Path(folder) / "store"))))
    except Unsupported as reason:
        print(reason, file=sys.stderr)
        sys.exit(UNSUPPORTED)


if __name__ == "__main__":
    main()
