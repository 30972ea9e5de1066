"""Measure candidate stores on a sample of a user's images, for `platebench advise`.

The measuring is that of `platebench run`, on the disk that the images are on. What is special: the
time is short and hard. So a sample is small, and processes take few samples. The first round
measures all stores, on the use with the most weight. After each round the stores that cannot be
chosen any more are left out of the next (`decision.contenders`), and the others are measured on
every use. When the time is over, what is measured counts.
"""

from __future__ import annotations

import mmap
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

import pyarrow as pa

from platebench.drafts import Lent
from platebench.errors import Unsupported, UserError
from platebench.images.folder import FolderImages
from platebench.limits import gigabytes, require_room
from platebench.results.advice import (
    OPERATION_OF,
    Basis,
    Source,
    images_of,
    large_files,
    size_error,
)
from platebench.results.decision import contenders, promising
from platebench.results.kept_figures import read_kept
from platebench.results.measurement import CellName
from platebench.results.needs import CROPS, PARALLEL, Needs
from platebench.results.operations import OPERATIONS
from platebench.results.records import Record, RecordFile
from platebench.results.tidy import cells_of, tidy
from platebench.running import outlook
from platebench.running.estimate import Size, evenly_spread
from platebench.running.outlook import Outlook
from platebench.running.places import Home, shown
from platebench.running.run import measure
from platebench.running.settings import Settings, first_layouts
from platebench.running.watcher import Watcher
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing import page_cache
from platebench.timing.protocol import WORK
from platebench.timing.workspace import Workspace

MINUTES = 3.0
"""The time of an advice, from the start of the command to its answer."""

RESERVE_S = 8.0
"""Seconds of it to end the processes that measure, and to print the answer."""

SETTING_UP_S = 4.0
"""Seconds to read the sample and to find the benchmarks, before the first round's clock starts."""

MANY = 16
"""Images that a random read takes, as in the benchmark; of fewer images it takes one."""

MOST_IMAGES = 32
"""Of small images. A sample has more than the 16 that a random read takes."""
MOST_BYTES = 34_000_000
"""The largest sample, in bytes of pixels: 24 images of 1.4 MB."""


MOST_CANDIDATES = 24
"""Stores that an advice begins with. A round of them takes half a minute."""

MOST_ROUNDS = 10
"""More rounds hardly narrow an interval: a second run differs by what no rounds show."""

ENOUGH_ROUNDS = 4
"""After so many the measurement ends if no store ties with a choice."""


NEAR_AT_FIRST, NEAR = 0.6, 0.4
"""How much more than the best store one may take, and stay in the race: by one round, by more.

In one round on a busy machine, two stores with the same bytes in the same place differed by 1.4.
"""


class TimeIsOver(KeyboardInterrupt):
    """The time is over. It ends a measurement as Ctrl-C does: what is measured is kept."""


@dataclass(frozen=True)
class Place:
    """Where is measured. `lent` is a folder that is removed at the end, None for a cache.

    `note` says what the user must know of it.
    """

    home: Home
    note: str
    lent: Lent | None = None


@dataclass
class Outcome:
    """What was measured. `stopped` says what ended it early, "" if nothing did.

    `found` is the number of images of the source, `dropped` the stores that were left out of later
    rounds.
    """

    source: Source
    found: int
    file: RecordFile | None = None
    stopped: str = ""
    dropped: set[StoreName] = field(default_factory=set)

    @property
    def basis(self) -> Basis:
        """The measured cells."""
        return Basis([] if self.file is None else tidy(self.file))


def candidates(needs: Needs) -> list[StoreName]:
    """Return the stores to choose from: the reference stores, and those that lead for these needs.

    Three minutes are too short for all. The kept reference run, on other images and another disk,
    says which may be chosen. Those are left out whose library is not installed, and those that
    cannot be packed.
    """
    firsts = set(first_layouts())
    usable = [
        each
        for each in read_kept().figures
        if each.store in firsts
        and not registry.why_not(each.store)
        and not registry.format_of(each.store).no_package
    ]
    return list(dict.fromkeys([*registry.REFERENCES, *promising(usable, needs, MOST_CANDIDATES)]))


@contextmanager
def place_for(source: Path, default: Home) -> Iterator[Place]:
    """Yield a place to measure on the disk that `source` is on, if that can be written to.

    It is the folder that PLATEBENCH_WORK names; else the default work folder; else, if that is on
    another disk, a folder beside the source, which is removed at the end.
    """
    disk = _device(source)
    if os.environ.get(WORK):
        work = Path(os.environ[WORK]).absolute()
        other = "" if _device(work) == disk else ", another disk than that of your images"
        yield Place(default, f"measuring in {shown(work)} ({WORK}){other}")
    elif _device(default.work) == disk:
        yield Place(default, f"measuring in {shown(default.work)}, on the disk of your images")
    elif _device(source.parent) == disk and os.access(source.parent, os.W_OK | os.X_OK):
        with Lent.below(source.parent, "advise") as lent:
            home = replace(default, work=lent.path / "work")
            yield Place(home, f"measuring in {shown(lent.path)}, removed at the end", lent)
    else:
        yield Place(
            default,
            f"measuring in {shown(default.work)}: another disk than that of your images, which"
            " cannot be written to",
        )


def _device(path: Path) -> int:
    """Return the device number of the nearest folder that exists."""
    path = path.resolve()
    while not path.exists():
        path = path.parent
    return path.stat().st_dev


def measure_for_advice(
    source: Path,
    place: Place,
    results: Path,
    stores: Sequence[StoreName],
    needs: Needs,
    ends: float,
    watcher: Watcher,
) -> Outcome:
    """Measure, and return what there is when the time `ends`, by `time.monotonic`.

    Ctrl-C ends it as well, once there is something to measure. Raises UserError for a source
    without images, and for too little room on the disk.
    """
    workspace = Workspace.here(place.home.work)
    opened = Workspace.open_folder(source, watcher.preparing, watcher.says)
    watcher.says(place.note)
    rows = sample_of(opened)
    size = Size(len(rows), sum(opened.image_bytes(row) for row in rows))
    cold = can_be_cold(workspace)
    if not cold:
        watcher.says(f"{shown(workspace.root)}: files stay in memory here, so no read is cold")
    patterns = patterns_for(needs, size.images, cold)
    _check_room(workspace, source, size, stores)
    outcome = Outcome(_source_of(opened, rows, needs), len(opened))
    first = OPERATION_OF[max(needs.weights, key=lambda use: needs.weights[use])]
    settings = Settings(
        stores=list(stores),
        images=[str(source.absolute())],  # never the name of a generated set
        operations=[],
        patterns=patterns,
        rounds=0,
        more=True,
        hurried=True,
        brief=True,
        minutes=max(0.0, ends - time.monotonic() - SETTING_UP_S) / 60,
    )
    part = None if len(rows) == len(opened) else rows
    ahead = Outlook((outlook.Source(source, size, opened, part),), stores_first=True)
    watcher.says(f"{len(stores)} stores on {size.images:,} images, {gigabytes(size.pixel_bytes)}")

    def begun(file: RecordFile) -> None:
        outcome.file = file

    def narrowed(cells: Sequence[CellName], records: Sequence[Record]) -> Sequence[CellName]:
        assert outcome.file is not None, "a round begins"
        if not records:
            return [cell for cell in cells if OPERATIONS[cell.kind].name == first]
        rounds = max(record.round for record in records)
        basis = Basis(cells_of(outcome.file.info(), records))
        ties = any(choice.ties for choice in basis.decide(needs).choices.values())
        if rounds >= MOST_ROUNDS or (rounds >= ENOUGH_ROUNDS and not ties):
            return []
        near = NEAR_AT_FIRST if rounds == 1 else NEAR
        left = contenders(basis.figures, basis.pair, needs, near) | set(registry.REFERENCES)
        outcome.dropped |= {cell.store for cell in cells} - left
        return [cell for cell in cells if cell.store in left]

    try:
        measure(place.home, results, settings, watcher, begun, ahead, narrowed)
    except TimeIsOver:
        outcome.stopped = "the time is over"
    except KeyboardInterrupt:
        outcome.stopped = "interrupted"
    if outcome.file is not None and not outcome.file.file.exists():
        outcome.file = None  # `measure` removes a file without a record
    if outcome.file is not None:
        (name,) = outcome.file.info().images
        files = _large_files(workspace, name)
        outcome.source = replace(outcome.source, large_files=files)
    return outcome


def _large_files(workspace: Workspace, images: str) -> dict[StoreName, int]:
    """Return how many files of each stored sample hold images."""
    found = {StoreName.of_folder(each.name): each / "data" for each in workspace.stored_of(images)}
    return {
        store: large_files([file.stat().st_size for file in page_cache.files_of(path)])
        for store, path in found.items()
        if store is not None and path.exists()
    }


def sample_of(images: FolderImages) -> list[int]:
    """Return the rows to measure, evenly spread: as many as the time allows, at least one."""
    mean = max(1.0, images.pixel_bytes / len(images))
    number = max(1, min(len(images), MOST_IMAGES, int(MOST_BYTES / mean)))
    return evenly_spread(len(images), number)


def patterns_for(needs: Needs, images: int, cold: bool) -> tuple[str, ...]:
    """Return the benchmarks to measure, as patterns of their class and details."""
    rows = "16 scattered" if images >= MANY else "1"
    scan, take = ("ColdFullScan", f"ColdRandomRows {rows}")
    if not cold:
        scan, take = ("FullScan", f"RandomRows {rows} reopened")
    further = {CROPS: "ColdCrop" if cold else "Crop", PARALLEL: "Readers 2 processes"}
    return (scan, take, "Write", *(further[use] for use in further if use in needs.weights))


def can_be_cold(workspace: Workspace) -> bool:
    """Say whether files of the workspace can be removed from the page cache."""
    with workspace.lend() as lent:
        file = lent.path / "cold"
        file.write_bytes(bytes(mmap.PAGESIZE))
        try:
            page_cache.empty(file)
        except Unsupported:
            return False
    return True


def _check_room(
    workspace: Workspace, source: Path, size: Size, stores: Sequence[StoreName]
) -> None:
    """Raise UserError unless the disk has room for the sample, once per store and three times.

    The images are there as pixels and as TIFF files, and a store is written a second time.
    """
    require_room(
        workspace.root,
        (len(stores) + 3) * size.pixel_bytes,
        f"{size.images:,} images of {source.name} in {len(stores)} stores",
    )


def _source_of(images: FolderImages, rows: Sequence[int], needs: Needs) -> Source:
    """Return what is to be kept and the sample of it, with the error of the sample's size."""
    number, pixel_bytes = images_of(needs, len(images), images.pixel_bytes)
    pixels = [images.image_bytes(row) for row in rows]
    complete = len(rows) == len(images) and needs.pixel_bytes is None
    codec = pa.Codec("zstd", 1)
    sizes = [] if complete else [_compressed(images, row, codec) for row in rows]
    return Source(
        images=number,
        pixel_bytes=pixel_bytes,
        sampled=len(rows),
        sampled_bytes=sum(pixels),
        complete=complete,
        size_error=0.0 if complete else size_error(sizes, pixels, number),
    )


def _compressed(images: FolderImages, row: int, codec: pa.Codec) -> int:
    return len(codec.compress(images.pixels(row).reshape(-1).view("u1"), asbytes=True))


@contextmanager
def until(ends: float) -> Iterator[None]:
    """Raise TimeIsOver in the block when the time `ends`, by `time.monotonic`.

    It also ends the processes that were started, so that nothing waits for them.
    """

    def over(number: int, frame: FrameType | None) -> None:
        for process in _children():
            with suppress(OSError):
                os.kill(process, signal.SIGTERM)
        raise TimeIsOver

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, max(0.001, ends - time.monotonic()))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _children() -> list[int]:
    """Return the process ids of this process's children, of all its threads."""
    found: list[int] = []
    for file in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended
            found += map(int, file.read_text().split())
    return found


def require_source(source: Path) -> None:
    """Raise UserError if the source is missing."""
    if not source.exists():
        raise UserError(f"{source}: is not there; name a folder of TIFF or CH5 files")
