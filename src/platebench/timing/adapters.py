"""Time a store's operations in turns with the best direct calls of its library.

Run as a program, it measures one store and prints one JSON line per operation:
WORK STORE IMAGES SECONDS OPERATION...

Adapter and direct calls alternate in one process, in random order, without garbage collection. What
each reads is compared with the image set's digests before the first turn.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from platebench.drafts import Lent
from platebench.errors import Mismatch, Unsupported, UserError
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores import registry
from platebench.stores.contract import common_image
from platebench.stores.direct.calls import About, Calls, Reading, Writing, calls_of
from platebench.stores.name import StoreName
from platebench.timing import page_cache
from platebench.timing.drain import Drain, check, check_stored, check_table
from platebench.timing.parent import end_with_parent
from platebench.timing.prepare import UNSUPPORTED, prepare
from platebench.timing.workspace import Workspace

OPERATIONS = (
    "write",
    "scan",
    "take reopened",
    "take kept",
    "table",
    "cold scan",
    "cold take",
)
FEWEST_TURNS = 6
"""Six turns give an interval of 97% from the smallest to the largest ratio."""

MOST_TURNS = 80
TAKEN = 16
"""Rows per take, scattered."""

SLOW_SHARE = 4
"""Of a store that writes slowly, a quarter of the images is written."""

Rows = Sequence[int]


@dataclass(frozen=True)
class Timed:
    """Seconds of each turn of one operation: of the adapter, and of each direct call by name."""

    store: StoreName
    operation: str
    adapter: list[float]
    direct: dict[str, list[float]]


@dataclass
class _Variant:
    """The adapter or one direct call."""

    says: str
    run: Callable[[Rows], object]
    """What is timed."""

    verify: Callable[[Rows], None]
    prepare: Callable[[], None] = lambda: None
    """Called before each sample, untimed."""

    seconds: list[float] = field(default_factory=list)


def measure(
    workspace: Workspace, store: StoreName, images: str, seconds: float, operations: Sequence[str]
) -> Iterator[Timed]:
    """Yield the times of each operation that has direct calls.

    Raises Mismatch if a call returns other images than were written, Unsupported if the store
    cannot hold them.
    """
    cell = _Cell(workspace, store, images, seconds)
    for operation in operations:
        with ExitStack() as stack:
            adapter, *direct = cell.variants(operation, stack)
            if not direct:
                continue
            _take_turns([adapter, *direct], cell.rows_of(operation), seconds)
        yield Timed(store, operation, adapter.seconds, {each.says: each.seconds for each in direct})


def _take_turns(
    variants: list[_Variant], rows_of: Callable[[random.Random], Rows], seconds: float
) -> None:
    chance = random.Random(len(variants))
    rows = rows_of(chance)
    for variant in variants:
        variant.prepare()
        variant.verify(rows)
    gc.collect()
    gc.freeze()
    gc.disable()
    end = time.perf_counter() + seconds
    turns = 0
    while turns < FEWEST_TURNS or (turns < MOST_TURNS and time.perf_counter() < end):
        rows = rows_of(chance)
        for variant in chance.sample(variants, len(variants)):
            variant.prepare()
            started = time.perf_counter()
            variant.run(rows)
            variant.seconds.append(time.perf_counter() - started)
        turns += 1
    gc.enable()
    gc.unfreeze()


class _Cell:
    """One store and one image set, with the suite's memory."""

    def __init__(self, workspace: Workspace, store: StoreName, images: str, seconds: float) -> None:
        self.seconds = seconds
        self.store = registry.find(store)
        self.calls: Calls = calls_of(self.store.name)
        self.images = workspace.images(images)
        self.images.touch()
        common = common_image(self.images)
        if common is None:
            raise UserError(f"{images}: direct calls are for images of one shape and dtype")
        self.about = About(len(self.images), *common)
        self.path = prepare(workspace, self.store, self.images, "data")
        self.drain = Drain(self.images)
        self.workspace = workspace

    def rows_of(self, operation: str) -> Callable[[random.Random], Rows]:
        """Return a function that chooses the rows of a turn."""
        number = len(self.images)
        if "take" in operation:
            return lambda chance: chance.sample(range(number), min(number, TAKEN))
        return lambda chance: range(number)

    def variants(self, operation: str, stack: ExitStack) -> list[_Variant]:
        """Return the adapter and the direct calls of an operation."""
        if operation == "write":
            return self._writes(stack)
        if operation == "table":
            return self._tables()
        whole = "scan" in operation
        readings = [
            each
            for each in self.calls.readings
            if each.take is not None or (whole and each.scan is not None)
        ]
        if operation == "take kept":
            opened = stack.enter_context(self.store.open(self.path))
            streams = {"adapter": lambda rows: opened.take_into(rows, self.drain.memory)}
            for each in readings:
                handle = stack.enter_context(each.opened(self.path))
                streams[each.says] = self._kept(each, handle)
        else:
            streams = {"adapter": lambda rows: self._adapter(None if whole else rows)}
            streams |= {each.says: self._opened(each, whole) for each in readings}
        cold = operation.startswith("cold")
        if not cold:
            page_cache.renew(self.path)
        return [self._read(says, stream, cold) for says, stream in streams.items()]

    def _adapter(self, rows: Rows | None) -> Iterator[np.ndarray]:
        with self.store.open(self.path) as opened:
            if rows is None:
                yield from opened.scan_into(self.drain.memory)
            else:
                yield from opened.take_into(rows, self.drain.memory)

    def _opened(self, reading: Reading, whole: bool) -> Callable[[Rows], Iterator[np.ndarray]]:
        def stream(rows: Rows) -> Iterator[np.ndarray]:
            with reading.opened(self.path) as handle:
                yield from reading.read(
                    handle, None if whole else rows, self.about, self.drain.memory
                )

        return stream

    def _kept(self, reading: Reading, handle: Any) -> Callable[[Rows], Iterator[np.ndarray]]:
        return lambda rows: reading.read(handle, rows, self.about, self.drain.memory)

    def _read(
        self, says: str, stream: Callable[[Rows], Iterator[np.ndarray]], cold: bool
    ) -> _Variant:
        def empty() -> None:
            gc.collect()  # a map that waits to be collected keeps its pages
            page_cache.make_cold(self.path)

        return _Variant(
            says,
            lambda rows: self.drain(stream(rows)),
            lambda rows: _verify(says, stream, self.images, rows),
            empty if cold else self.drain.spoil,
        )

    def _tables(self) -> list[_Variant]:
        def adapter() -> Any:
            with self.store.open(self.path) as opened:
                return opened.table()

        one = _Variant("adapter", lambda _: adapter(), lambda _: self._same(adapter()))
        return [one, *(self._table(each.says, each.read) for each in self.calls.tables)]

    def _table(self, says: str, read: Callable[[Path], Any]) -> _Variant:
        return _Variant(says, lambda _: read(self.path), lambda _: self._same(read(self.path)))

    def _same(self, table: Any, images: ImageSet | None = None) -> None:
        plain = table.cast(IMAGE_SCHEMA).replace_schema_metadata(None)
        check_table(plain, images or self.images)

    def _writes(self, stack: ExitStack) -> list[_Variant]:
        lent: list[Lent] = []
        images: ImageSet = self.images

        def free() -> None:
            while lent:
                lent.pop().close()

        def fresh() -> None:
            free()
            lent.append(self.workspace.lend())

        def target() -> Path:
            return lent[0].path / "store"

        def written(write: Callable[[ImageSet, Path], None]) -> None:
            write(images, target())
            page_cache.sync_tree(target())

        def adapter(_: Rows) -> None:
            written(self.store.write)
            check_stored(self.store, target(), images)

        stack.callback(free)
        fresh()
        started = time.perf_counter()
        written(self.store.write)
        if time.perf_counter() - started > self.seconds / 4:
            images = self.images.select(range(max(1, len(images) // SLOW_SHARE)))
        one = _Variant("adapter", lambda _: written(self.store.write), adapter, fresh)
        direct = [self._write(each, written, target, fresh, images) for each in self.calls.writings]
        return [one, *direct]

    def _write(
        self,
        writing: Writing,
        written: Callable[[Callable[[ImageSet, Path], None]], None],
        target: Callable[[], Path],
        fresh: Callable[[], None],
        images: ImageSet,
    ) -> _Variant:
        def verify(_: Rows) -> None:
            written(writing.write)
            reading = self.calls.readings[0]
            about = replace(self.about, images=len(images))
            with reading.opened(target()) as handle:
                read = reading.read(handle, None, about, self.drain.memory)
                check(read, images, range(len(images)))
            self._same(self.calls.tables[0].read(target()), images)

        return _Variant(writing.says, lambda _: written(writing.write), verify, fresh)


def _verify(
    says: str, stream: Callable[[Rows], Iterator[np.ndarray]], images: ImageSet, rows: Rows
) -> None:
    try:
        check(stream(rows), images, rows)
    except Mismatch as error:
        raise Mismatch(f"{says}: {error}") from error


def main() -> None:
    """Measure what the command line names."""
    end_with_parent()
    work, store, images, seconds, *operations = sys.argv[1:]
    try:
        name, workspace = StoreName.parse(store), Workspace(Path(work))
        for timed in measure(workspace, name, images, float(seconds), operations):
            print(json.dumps({**asdict(timed), "store": store}), flush=True)
    except Unsupported as reason:
        print(reason, file=sys.stderr)
        sys.exit(UNSUPPORTED)


if __name__ == "__main__":
    main()
