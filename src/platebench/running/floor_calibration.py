"""Time every way to write and to read the bare file, and choose: `platebench calibrate floor`.

All ways of all operations are timed in one process, pass by pass, in a new random order each time.
Ratios are formed inside a pass, so that the machine's drift cancels. Everything is compared with
the image set's digests first.
"""

from __future__ import annotations

import gc
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial

from platebench.atomic_files import sync
from platebench.errors import Unsupported, UserError
from platebench.images.decoded_cache import DecodedImages
from platebench.results.blocks import blocks_of
from platebench.results.ratios import Pooled, Ratio, ratio, typical
from platebench.stores.bare_file import BareFile
from platebench.stores.floor.choice import DEFAULT, Choice
from platebench.stores.floor.variants import READERS, WRITERS
from platebench.timing import page_cache
from platebench.timing.clock import Clock
from platebench.timing.drain import Drain, check, check_stored
from platebench.timing.workspace import Workspace

ROWS = 16
"""Rows of a take, as in the suite's "16 scattered"."""

FEWEST_PASSES = 6
"""Fewer passes give no interval worth showing."""

WRITE, READ = "write", "read"

CHOSEN = "as chosen"
"""The store with the choice, which also looks whether the images are in the page cache."""

_CHECKED_SHARE = 0.15
"""Share of the time in which the store with the choice is timed beside the chosen ways."""

WARM = (
    "pread",
    "pread-4",
    "pread-16",
    "pread-2-threads",
    "pread-4-threads",
    "map",
    "map-populated",
)
COLD = tuple(READERS)


@dataclass(frozen=True)
class Operation:
    """An operation, the part of the choice that it decides, and the ways to do it.

    `rows` are read at random in one take, or all rows in order. `samples` are taken in each pass.
    """

    name: str
    decides: str
    variants: Sequence[str]
    rows: int | None = None
    cold: bool = False
    samples: int = 1

    @property
    def kind(self) -> str:
        """Whether it is a way to write or to read."""
        return WRITE if self.decides == WRITE else READ


OPERATIONS = (
    Operation("write", "write", tuple(WRITERS)),
    Operation("scan", "scan", WARM, samples=3),
    Operation(f"take {ROWS} rows", "take", WARM, ROWS, samples=5),
    Operation("take 1 row", "take", WARM, 1, samples=5),
    Operation("cold scan", "cold_scan", COLD, cold=True),
    Operation(f"cold take {ROWS} rows", "cold_take", COLD, ROWS, cold=True),
    Operation("cold take 1 row", "cold_take", COLD, 1, cold=True),
)


@dataclass
class Samples:
    """Wall seconds of one way by the number of the pass, and CPU seconds."""

    wall_s: dict[int, list[float]] = field(default_factory=dict)
    cpu_s: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """One way in the table: typical seconds, CPU seconds, and the ratio to the quickest way."""

    variant: str
    wall: Pooled
    cpu_s: float
    ratio: Ratio
    chosen: bool


@dataclass(frozen=True)
class Calibration:
    """What was measured: the rows of each operation, quickest first, and the choice.

    `left_out` says of a kind and a way why it could not be timed, and `passes` how often each was.
    """

    images: str
    image_count: int
    pixel_bytes: int
    passes: int
    rows: Mapping[str, list[Row]]
    choice: Choice
    left_out: Mapping[tuple[str, str], str]


Timed = dict[tuple[str, str], Samples]
"""By the names of the operation and of the way."""

Progress = Callable[[str, int, int], None]


def calibrate(
    workspace: Workspace, images: DecodedImages, seconds: float, progress: Progress
) -> Calibration:
    """Time all ways for about so many seconds and return the table and the choice.

    Raises UserError if the page cache of this disk cannot be emptied, and Mismatch if a way gives
    back other images.
    """
    bench = _Bench(workspace, images)
    try:
        bench.check_all(progress)
        most = seconds * (1 - _CHECKED_SHARE)
        passes, timed = bench.passes(bench.ways, most, partial(progress, "timing every way"))
        choice = bench.choice = _choose(timed)
        reads = [operation for operation in OPERATIONS if operation.kind == READ]
        ways = [(each, way) for each in reads for way in (getattr(choice, each.decides), CHOSEN)]
        _, again = bench.passes(ways, seconds - most, partial(progress, "timing the choice"))
        rows = {each.name: _rows(each, timed, again, choice) for each in OPERATIONS}
    except Unsupported as reason:
        raise UserError(f"{workspace.root}: cold reads cannot be timed: {reason}") from reason
    finally:
        bench.close()
    return Calibration(
        images.name, len(images), images.pixel_bytes, passes, rows, choice, bench.left_out
    )


class _Bench:
    """One image set on the disk as a bare file, and the memory that reads arrive in."""

    def __init__(self, workspace: Workspace, images: DecodedImages) -> None:
        if len(images) < ROWS:
            raise UserError(f"--images: give {ROWS} images or more; a read takes {ROWS} of them")
        self._images = images
        self._drain = Drain(images)
        self._lent = workspace.lend()
        self._path = self._lent.path / "read"
        self._chance = random.Random(len(images))
        self.left_out: dict[tuple[str, str], str] = {}
        self.choice = DEFAULT
        images.touch()

    def close(self) -> None:
        """Remove the files."""
        self._lent.close()

    @property
    def ways(self) -> list[tuple[Operation, str]]:
        """Every way of every operation that this disk allows."""
        return [
            (operation, variant)
            for operation in OPERATIONS
            for variant in operation.variants
            if (operation.kind, variant) not in self.left_out
        ]

    def check_all(self, progress: Progress) -> None:
        """Compare what every way writes and reads with the digests of the image set."""
        _store("plain", "pread").write(self._images, self._path)
        page_cache.sync_tree(self._path)
        page_cache.empty(self._path)
        checks = [*((WRITE, way) for way in WRITERS), *((READ, way) for way in READERS)]
        for number, (kind, way) in enumerate(checks):
            progress("comparing what the ways give back", number, len(checks))
            try:
                self._check_writer(way) if kind == WRITE else self._check_reader(way)
            except Unsupported as reason:
                self.left_out[kind, way] = str(reason)

    def _check_writer(self, way: str) -> None:
        target = self._lent.path / "written"
        store = _store(way, "pread")
        try:
            store.write(self._images, target)
            check_stored(store, target, self._images)
        finally:
            target.unlink(missing_ok=True)

    def _check_reader(self, way: str) -> None:
        memory, every = self._drain.memory, range(len(self._images))
        rows = self._chance.sample(every, ROWS)
        with _store("plain", way).open(self._path) as opened:
            check(opened.scan_into(memory), self._images, every)
            check(opened.take_into(rows, memory), self._images, rows)

    def passes(
        self,
        ways: Sequence[tuple[Operation, str]],
        seconds: float,
        progress: Callable[[int, int], None],
    ) -> tuple[int, Timed]:
        """Time these ways until the seconds are over. Return the number of passes and the times."""
        begun = time.monotonic()
        timed: Timed = {}
        number = 0
        while number < FEWEST_PASSES or time.monotonic() - begun < seconds:
            for operation in OPERATIONS:
                progress(round(time.monotonic() - begun), round(seconds))
                if operation.kind == READ and not operation.cold:
                    page_cache.renew(self._path)
                variants = [way for each, way in ways if each is operation] * operation.samples
                for way in self._chance.sample(variants, len(variants)):
                    samples = timed.setdefault((operation.name, way), Samples())
                    wall, cpu = self._sample(operation, way)
                    samples.wall_s.setdefault(number, []).append(wall)
                    samples.cpu_s.append(cpu)
            number += 1
        return number, timed

    def _sample(self, operation: Operation, way: str) -> tuple[float, float]:
        if operation.kind == WRITE:
            return self._timed_write(_store(way, "pread"))
        chosen = BareFile("pixels", "fast", self.choice)
        return self._timed_read(chosen if way == CHOSEN else _store("plain", way), operation)

    def _timed_write(self, store: BareFile) -> tuple[float, float]:
        target = self._lent.path / "written"
        page_cache.sync_tree(self._lent.path)
        with self._timing() as times:
            store.write(self._images, target)
            sync(target)
            sync(target.parent)
        target.unlink()
        return times[0]

    def _timed_read(self, store: BareFile, operation: Operation) -> tuple[float, float]:
        count = len(self._images)
        rows = None if operation.rows is None else self._chance.sample(range(count), operation.rows)
        if operation.cold:
            page_cache.make_cold(self._path)
        self._drain.spoil()
        memory = self._drain.memory
        with self._timing() as times, store.open(self._path) as opened:
            self._drain(
                opened.scan_into(memory) if rows is None else opened.take_into(rows, memory)
            )
        last = self._drain.last
        row = count - 1 if rows is None else rows[-1]
        check([] if last is None else [last], self._images, [row])
        return times[0]

    @contextmanager
    def _timing(self) -> Iterator[list[tuple[float, float]]]:
        """Time the block, without garbage collection. The list gets wall and CPU seconds."""
        clock, times = Clock(), [(0.0, 0.0)]
        gc.collect(0)
        gc.disable()
        try:
            clock()
            yield times
            clock()
        finally:
            gc.enable()
        times[0] = (clock.wall_s[0], clock.cpu_s[0])


def _store(writer: str, reader: str) -> BareFile:
    """Return a store that reads warm and cold in the same way, so it need not look which it is."""
    read = {name.name: reader for name in fields(Choice) if name.name != "write"}
    return BareFile("pixels", "fast", replace(DEFAULT, write=writer, **read))


def _choose(timed: Timed) -> Choice:
    """Return the quickest way of each part of the choice, by the product of its ratios."""
    chosen = {}
    for part in (each.name for each in fields(Choice)):
        operations = [each for each in OPERATIONS if each.decides == part]
        ways = [way for way in operations[0].variants if (operations[0].name, way) in timed]
        chosen[part] = _quickest(ways, partial(_product, timed, operations))
    return Choice(**chosen)


def _quickest(ways: Sequence[str], ratio_of: Callable[[str, str], float]) -> str:
    """Return the way than which no other is quicker.

    Ratios set outliers aside pair by pair, so that they may go in a circle. Then it is a way of the
    circle.
    """
    best = ways[0]
    for _ in ways:
        quicker = min(ways, key=lambda way: ratio_of(way, best))
        if quicker == best or ratio_of(quicker, best) >= 1:
            break
        best = quicker
    return best


def _product(timed: Timed, operations: Sequence[Operation], way: str, base: str) -> float:
    """Return the product of the ratios of two ways over the operations that decide together."""
    ratios = (_ratio(timed, operation.name, way, base).estimate for operation in operations)
    return math.prod(ratios)


def _ratio(timed: Timed, operation: str, way: str, base: str) -> Ratio:
    one, other = timed[operation, way].wall_s, timed[operation, base].wall_s
    return ratio(blocks_of(one), blocks_of(other))


def _rows(operation: Operation, timed: Timed, again: Timed, choice: Choice) -> list[Row]:
    """Return the table of one operation, quickest way first.

    The store as chosen comes last. It was timed beside the chosen way, and its ratio is to that.
    """
    name, chosen = operation.name, getattr(choice, operation.decides)
    ways = [way for way in operation.variants if (name, way) in timed]
    best = _quickest(ways, lambda way, base: _ratio(timed, name, way, base).estimate)

    def row(way: str, timed: Timed, base: str) -> Row:
        samples = timed[name, way]
        wall, cpu = typical(blocks_of(samples.wall_s)), statistics.median(samples.cpu_s)
        return Row(way, wall, cpu, _ratio(timed, name, way, base), way == chosen)

    rows = sorted((row(way, timed, best) for way in ways), key=lambda row: row.ratio.estimate)
    return [*rows, row(CHOSEN, again, chosen)] if (name, CHOSEN) in again else rows
