"""Time a candidate for a tuning on request, so that several candidates can take turns.

Run as a program: WORK STORE IMAGES. STORE may name a variant (`zarr:tensor:zstd-3`). It writes the
images, compares what it reads with their digests, and prints a line of JSON with `bytes` and
`files`. Then it answers each line of standard input, JSON with `operation` and `rows`, by a line
with `seconds`. Each candidate has a process of its own, since libraries keep threads and caches.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from platebench.errors import Unsupported
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing import page_cache
from platebench.timing.drain import Drain, check, check_stored
from platebench.timing.parent import end_with_parent
from platebench.timing.prepare import UNSUPPORTED
from platebench.timing.workspace import Workspace

WRITE, COLD_ROWS, COLD_SCAN, WARM_ROWS = "write", "cold rows", "cold scan", "warm rows"
OPERATIONS = (WRITE, COLD_ROWS, COLD_SCAN, WARM_ROWS)


class Candidate:
    """One candidate with its stored images, on the disk of the work folder."""

    def __init__(self, workspace: Workspace, store: StoreName, images: str) -> None:
        self.workspace = workspace
        self.store = registry.find_candidate(store)
        self.images = workspace.images(images)
        self.images.touch()
        self._lent = workspace.lend()
        self._path = self._lent.path / "store"
        try:
            self.store.write(self.images, self._path)
            page_cache.sync_tree(self._path)
            check_stored(self.store, self._path, self.images)
            self._drain = Drain(self.images)
            with self.store.open(self._path) as opened:
                rows = range(len(self.images))
                check(opened.take_into(rows, self._drain.memory), self.images, rows)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the stored images."""
        self._lent.close()

    @property
    def size(self) -> tuple[int, int]:
        """The bytes and the number of files."""
        return page_cache.stored_size(self._path)

    def seconds(self, operation: str, rows: Sequence[int]) -> float:
        """Return the seconds of one operation; `rows` are for reading rows."""
        if operation == WRITE:
            return self._write()
        gc.collect()  # a map that waits to be collected keeps its pages
        if operation == WARM_ROWS:
            page_cache.renew(self._path)
        else:
            page_cache.make_cold(self._path)
        self._drain.spoil()
        memory = self._drain.memory
        started = time.perf_counter()
        with self.store.open(self._path) as opened:
            images = (
                opened.scan_into(memory)
                if operation == COLD_SCAN
                else opened.take_into(rows, memory)
            )
            self._drain(images)
        return time.perf_counter() - started

    def _write(self) -> float:
        with self.workspace.lend() as lent:
            target = lent.path / "store"
            page_cache.sync_tree(lent.path)  # what others left unwritten
            gc.collect()
            started = time.perf_counter()
            self.store.write(self.images, target)
            page_cache.sync_tree(target)
            return time.perf_counter() - started


def main() -> None:
    """Answer the lines of standard input until it ends."""
    end_with_parent()
    work, store, images = sys.argv[1:]
    try:
        candidate = Candidate(Workspace(Path(work)), StoreName.parse(store), images)
        try:
            stored_bytes, files = candidate.size
            print(json.dumps({"bytes": stored_bytes, "files": files}), flush=True)
            for line in sys.stdin:
                asked = json.loads(line)
                seconds = candidate.seconds(asked["operation"], asked["rows"])
                print(json.dumps({"seconds": seconds}), flush=True)
        finally:
            candidate.close()
    except Unsupported as reason:
        print(reason, file=sys.stderr)
        sys.exit(UNSUPPORTED)


if __name__ == "__main__":
    main()
