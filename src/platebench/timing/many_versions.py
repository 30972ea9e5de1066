"""Add many versions of one small image each to a store, and measure what that does to it.

Run as a program (FOLDER STORE VERSIONS SECONDS), it prints one JSON line for each state of the
store: after 1 version more, after an eighth, a quarter and half of them, after all; then after the
format's compaction, and after all versions but the newest were removed. Lines with `progress` come
between them. In every state each image of the newest version and of the first is compared with
what was put in.

An append is timed as the call alone. It is not synced to the disk by platebench: a folder of
thousands of files would be synced a thousand times.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores import registry
from platebench.stores.contract import Store
from platebench.stores.name import StoreName
from platebench.stores.part_list import with_versions
from platebench.timing.access import SmallImages
from platebench.timing.drain import Drain, check_stored
from platebench.timing.page_cache import stored_size
from platebench.timing.parent import end_with_parent
from platebench.timing.prepare import UNSUPPORTED

SIDE = 64
"""Images of 64 x 64 uint8: 4 KiB each, so that what a version costs beside its pixels is seen."""

APPENDED, COMPACTED, PRUNED = "appended", "compacted", "pruned"

REPEAT, ENOUGH_S = 5, 1.0
"""A read is timed up to five times, until a second has passed. Its median is told."""

TELLS_S = 0.5
"""Seconds between two lines of progress."""


def marks(versions: int) -> list[int]:
    """Return after how many appends the store is measured, in ascending order."""
    return sorted({1, *(max(1, versions // part) for part in (8, 4, 2, 1))})


def grow(store: Store, images: ImageSet, path: Path, seconds: float) -> Iterator[dict[str, Any]]:
    """Write the first image, append the others one by one, and yield each state.

    No further image is appended once `seconds` have passed. Then the last state has fewer versions
    than there are images. Raises Unsupported if the store cannot hold the images, Mismatch if an
    image of the newest or of the first version is wrong in any state.
    """
    versioned = with_versions(store)
    grown = _Grown(versioned, images, path)
    versioned.write(images.select([0]), path)
    first = versioned.versions(path)[-1].number
    yield {"progress": 0}
    end, told = time.monotonic() + seconds, time.monotonic()
    wanted = set(marks(len(images) - 1))
    took: list[float] = []
    for row in range(1, len(images)):
        added = images.select([row], first_row=row)
        took.append(_seconds_of(partial(versioned.append, added, path)))
        now = time.monotonic()
        late = now > end
        if row in wanted or late:
            yield grown.state(APPENDED, row, statistics.mean(took), first)
            took = []
        if late:
            break
        if now > told + TELLS_S:
            yield {"progress": row}
            told = now
    try:
        seconds_taken = _seconds_of(lambda: versioned.compact(path))
    except Unsupported as reason:
        yield {"state": COMPACTED, "unsupported": str(reason)}
    else:
        yield grown.state(COMPACTED, row, seconds_taken, first)
    seconds_taken = _seconds_of(lambda: versioned.prune(path, keep=1))
    yield grown.state(PRUNED, row, seconds_taken, None)


class _Grown:
    """A store that has one image more with each version."""

    def __init__(self, store: Any, images: ImageSet, path: Path) -> None:
        self._store = store
        self._images = images
        self._path = path
        self._drain = Drain(images)

    def state(self, what: str, versions: int, seconds: float, first: int | None) -> dict[str, Any]:
        """Check and measure the store as it is. `first` is the first version, if it is kept."""
        rows = range(versions + 1)
        check_stored(self._store, self._path, self._images.select(rows))
        if first is not None:
            check_stored(self._store, self._path, self._images.select([0]), first)
        size, files = stored_size(self._path)
        middle = [len(rows) // 2]
        return {
            "state": what,
            "versions": versions,
            "bytes": size,
            "files": files,
            "seconds": seconds,
            "open_s": _median_of(lambda: self._read([])),
            "list_s": _median_of(lambda: self._store.versions(self._path)),
            "one_s": _median_of(lambda: self._read(middle)),
            "newest_s": _median_of(lambda: self._read(None)),
            "first_s": None if first is None else _median_of(lambda: self._read(None, first)),
        }

    def _read(self, rows: Sequence[int] | None, version: int | None = None) -> None:
        """Open a version, and read some rows or all; with none, only ask how many there are."""
        with self._store.open(self._path, version) as opened:
            memory = self._drain.memory
            if rows is None:
                self._drain(opened.scan_into(memory))
            elif rows:
                self._drain(opened.take_into(rows, memory))
            else:
                len(opened)


def _seconds_of(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def _median_of(do: Callable[[], object]) -> float:
    took: list[float] = []
    while len(took) < REPEAT and sum(took) < ENOUGH_S:
        took.append(_seconds_of(do))
    return statistics.median(took)


def main() -> None:
    """Measure the store that the command line names."""
    end_with_parent()
    folder, name, versions, seconds = sys.argv[1:]
    images = SmallImages(int(versions) + 1, SIDE)
    try:
        store = registry.find(StoreName.parse(name))
        for state in grow(store, images, Path(folder) / "store", float(seconds)):
            print(json.dumps(state), flush=True)
    except Unsupported as reason:
        print(reason, file=sys.stderr)
        sys.exit(UNSUPPORTED)


if __name__ == "__main__":
    main()
