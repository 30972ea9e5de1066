"""Measure cells in rounds and record them: `platebench run`."""

from __future__ import annotations

import fnmatch
import math
import platform
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from platebench.errors import UserError
from platebench.images.generated import generated
from platebench.locks import sole
from platebench.results.asv_files import environment_name, write_asv_results
from platebench.results.commit import CHANGES, Commit
from platebench.results.measurement import CellName, Measurement
from platebench.results.operations import (
    OPERATIONS,
    check_operations,
    choose,
    floor_of,
    for_newcomers,
    same_on,
)
from platebench.results.ratios import RUN_SHIFT, least_width, width
from platebench.results.records import Record, RecordFile, RunInfo, record_files
from platebench.results.timings import by_cell, timings
from platebench.running.checkout import commit_of
from platebench.running.floor_choice import floor_choice
from platebench.running.groups import (
    BRIEF,
    QUICK,
    THOROUGH,
    Done,
    Group,
    groups_of,
    in_groups,
    left_of,
)
from platebench.running.machine_facts import machine_facts, this_machine
from platebench.running.newest import newest_versions
from platebench.running.suite import Suite
from platebench.running.turn_server import TurnServer
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing.cell import library_versions
from platebench.timing.prepare import prepare_together
from platebench.timing.protocol import WORK
from platebench.timing.workspace import KIND_WITH_OBJECTS, Kind, Workspace

MOST_ROUNDS = 60
"""With `until`, a cell gets no more rounds than this, even if there is time."""


@dataclass(frozen=True)
class Settings:
    """What to measure. `images` are numbers of generated images, or folders.

    `until`: add rounds for each cell until the interval of its ratio to the floor is this narrow
    (0.05 is +-5%), or until `minutes` are over. `newcomer` and `quick`: measure fewer details of
    each operation, with fewer samples. `resume`: continue the newest interrupted run that has the
    same settings, commit and libraries. `check_newest`: also record the newest release of each
    library.
    """

    stores: list[StoreName]
    images: list[str]
    operations: list[str]
    rounds: int = 1
    quick: bool = False
    newcomer: bool = False
    until: float | None = None
    minutes: float | None = None
    resume: bool = False
    check_newest: bool = False


_NEAR = 1.1
"""With `until`, an interval is narrow enough within this factor of what no rounds can narrow."""


class Watcher(Protocol):
    """Shows the progress of a run."""

    def starts(self, facts: Mapping[str, Any]) -> None:
        """Show the machine's state at the start of a run."""

    def preparing(self, what: str, done: int, total: int) -> None:
        """Show what is prepared before the first cell."""

    def begins(self, number: int, cells: int, cell: CellName) -> None:
        """Show that cell `number` of `cells` is measured now."""

    def measures(self, number: int, groups: int, group: Group) -> None:
        """Show that group `number` of `groups` is measured now."""

    def ended(self, run: Measurement) -> None:
        """Show how a cell ended."""

    def says(self, line: str) -> None:
        """Print a message."""


def measure(checkout: Path, results: Path, settings: Settings, watcher: Watcher) -> RecordFile:
    """Measure cells and return the record file, to which each cell is added when it ends.

    An interrupted run keeps what it measured, in its record file and in asv's, and removes its
    temporary files.
    """
    check_operations(settings.operations)
    if settings.minutes is not None and settings.until is None:
        raise UserError("--minutes: only --until adds rounds; give it too")
    check_images(settings.images)
    commit = commit_of(checkout)
    workspace = Workspace.of(checkout)
    with workspace.measuring():
        return _measure(checkout, results, settings, commit, workspace, watcher)


def _measure(
    checkout: Path,
    results: Path,
    settings: Settings,
    commit: Commit,
    workspace: Workspace,
    watcher: Watcher,
) -> RecordFile:
    floor = floor_choice(workspace.root)
    facts = machine_facts(workspace.root) | floor.facts  # before drawing images, which is load too
    names = image_sets(workspace, settings.images, watcher)
    watcher.preparing("finding the benchmarks", 0, 1)
    sampling = QUICK if settings.quick else BRIEF if settings.newcomer else THOROUGH
    with TurnServer.open(sampling) as turns:
        given = {WORK: str(workspace.root), **floor.variables, **turns.variables}
        suite = Suite(checkout, names, variables=given)
        cells = choose(suite.cells(), settings.stores, settings.operations)
        if settings.newcomer or settings.quick:
            cells = [cell for cell in cells if for_newcomers(cell, settings.operations)]
        if not cells:
            raise UserError("nothing to measure: no benchmark has these stores and operations")
        if settings.newcomer:
            _prepare(workspace, settings.stores, names, cells, watcher)
        stores = list(map(str, settings.stores))
        kept = {**asdict(settings), "stores": stores, "images": names, "resume": False}
        del kept["check_newest"]
        info = run_info(names, commit, kept, facts, settings.check_newest)
        file = take_up(results, info) if settings.resume else RecordFile.create(results, info)
        watcher.starts(facts)
        before = list(file.records())
        goal = _Goal(settings, cells, before, watcher)
        size = max(workspace.images(name).pixel_bytes for name in names)
        with recording([file], watcher, "--resume goes on"):
            try:
                for records in in_groups(
                    suite, turns, goal.wanted, goal.announce, done_of(before), size
                ):
                    file.append_all(records)
                    goal.note(records)
                    for record in records:
                        watcher.ended(record.run)
                goal.conclude()
                file.finish()
            finally:
                workspace.clear_scratch()
                keep_for_asv(results, suite, commit, file)
    return file


def done_of(records: Iterable[Record]) -> Done:
    """Return what is measured already."""
    return frozenset((record.round, record.group, record.run.cell) for record in records)


@contextmanager
def recording(files: Sequence[RecordFile], watcher: Watcher, go_on: str) -> Iterator[None]:
    """Lock these record files for this process.

    If the block is interrupted, say how many cells are kept and how to continue (`go_on`), and
    remove files without a record. Raises UserError, with the other process, if a file is locked.
    """
    with ExitStack() as locks:
        for file in files:
            lock = file.file.with_name(f".{file.file.name}.lock")
            locks.enter_context(sole(lock, f"{file.file.name}: is being measured"))
        try:
            yield
        except BaseException:
            kept = sum(1 for file in files for _ in file.records())
            if kept:
                watcher.says(f"{kept} measured cells are kept in {files[0].file.parent}; {go_on}")
            else:
                for file in files:
                    file.file.unlink(missing_ok=True)
            raise


def keep_for_asv(results: Path, suite: Suite, commit: Commit, file: RecordFile) -> None:
    """Write asv's result file of a commit, from this run and others of the same commit.

    Nothing is written for uncommitted changes: they must not appear under a commit's name.
    """
    if not commit.changed and any(True for _ in file.records()):
        machine = {**this_machine(), "machine": file.info().machine}
        write_asv_results(results, machine, suite.benchmarks, commit, same_arm(results, file))


def _prepare(
    workspace: Workspace,
    stores: Sequence[StoreName],
    names: Sequence[str],
    cells: Sequence[CellName],
    watcher: Watcher,
) -> None:
    """Write the files of all stores in parallel: those of an overview fit on any disk."""
    kinds: list[Kind] = ["data", "first", "history"]
    if any(OPERATIONS[cell.kind].on_objects for cell in cells):
        kinds.append(KIND_WITH_OBJECTS[min(KIND_WITH_OBJECTS)])
    wanted = [(name, kind) for kind in kinds for name in stores]
    for name in names:
        told = partial(watcher.preparing, f"storing {name}", total=len(wanted))
        prepare_together(workspace, wanted, name, told)


class _Goal:
    """Tracks which cells need another round, and the progress of the run."""

    def __init__(
        self,
        settings: Settings,
        cells: Sequence[CellName],
        before: Sequence[Record],
        watcher: Watcher,
    ) -> None:
        self._settings = settings
        self._cells = cells
        self._watcher = watcher
        self._records = list(before)
        self._done = done_of(before)
        self._end = time.monotonic() + 60 * (
            math.inf if settings.minutes is None else settings.minutes
        )
        if settings.until is not None:
            for cache, shift in RUN_SHIFT.items():
                if settings.until < (least := _NEAR * least_width(shift)):
                    watcher.says(f"{cache}: no number of rounds gives less than +-{least:.0%}")
        self._begun = self._in_all = 0
        for number in range(1, settings.rounds + 1):
            self._plan(cells, number)

    def wanted(self, number: int) -> Sequence[CellName]:
        """Return the cells of a round: all at first, then those whose interval is too wide.

        Only earlier rounds count, so a resumed run wants the same cells of a round.
        """
        if number <= self._settings.rounds:
            return self._cells
        if self._settings.until is None or number > MOST_ROUNDS or time.monotonic() > self._end:
            return []
        wide = self._too_wide([record for record in self._records if record.round < number])
        wanted = {same_on(cell, name) for cell in wide for name in registry.REFERENCES} | set(wide)
        cells = [cell for cell in self._cells if cell in wanted]
        self._plan(cells, number)
        return cells

    def announce(self, group: Group) -> None:
        """Show which group is next."""
        self._begun += 1
        self._watcher.measures(self._begun, self._in_all, group)

    def note(self, records: Sequence[Record]) -> None:
        """Add the samples of a group."""
        self._records += records

    def conclude(self) -> None:
        """Say which cells did not reach the width that was asked for."""
        until = self._settings.until
        if until is None:
            return
        for cell in self._too_wide(self._records):
            self._watcher.says(f"gave up on {cell}: wider than +-{100 * until:g}%")

    def _plan(self, cells: Sequence[CellName], number: int) -> None:
        groups = groups_of(cells, number)
        self._in_all += len(groups)
        self._begun += len(groups) - len(left_of(groups, self._done))

    def _too_wide(self, records: Sequence[Record]) -> list[CellName]:
        assert self._settings.until is not None
        measured = [record for record in records if record.run.status == "ok"]
        found = timings(by_cell(measured))
        return [
            cell
            for cell, timing in found.items()
            if cell != floor_of(cell)
            and (floor := found.get(floor_of(cell))) is not None
            and (formed := timing.over(floor)) is not None
            and width(formed) > max(self._settings.until, _NEAR * least_width(timing.run_shift))
        ]


def take_up(results: Path, info: RunInfo) -> RecordFile:
    """Return the newest interrupted run of the same kind. Raises UserError if there is none."""
    same = [
        file
        for file in record_files(results, info.machine)
        if replace(file.info(), started=info.started) == info and not file.finished
    ]
    if not same or info.commit.endswith(CHANGES):
        raise UserError(
            "no run of these settings, commit and libraries was cut off; leave --resume"
        )
    same[-1].mend()
    return same[-1]


def image_sets(workspace: Workspace, images: Sequence[str], watcher: Watcher) -> list[str]:
    """Make or load the image sets, and return their names.

    Raises UserError for what is neither a number of images, the name of a set, nor a folder.
    """
    wanted = check_images(images)
    return list(dict.fromkeys(_ready(workspace, each, watcher) for each in wanted))


def check_images(images: Sequence[str]) -> list[str | Path]:
    """Return the names of image sets to generate, and folders. Raises UserError for others."""
    if not images:
        raise UserError("--images: give a number of images or a folder")
    return [_wanted(each) for each in images]


def _wanted(images: str) -> str | Path:
    """Return the name of an image set to generate, or the user's folder or file.

    Raises UserError for anything else. To name a folder called `raw-3`, write `./raw-3`.
    """
    if re.fullmatch(r"0[0-9]+", images):
        raise UserError(
            f"--images {images}: give {int(images)} for generated images, ./{images} for a folder"
        )
    name = f"raw-{int(images)}" if re.fullmatch(r"[+-]?[0-9]{1,12}", images) else images
    if generated(name) is not None:
        return name
    if re.fullmatch(r"(raw|ic)-[+-]?[0-9]+", name):
        raise UserError(f"--images {images}: give 1 image or more, without leading zeros")
    if not Path(images).exists():
        raise UserError(f"{images}: neither a number of images, raw-N, ic-N, nor a folder")
    return Path(images)


def _ready(workspace: Workspace, wanted: str | Path, watcher: Watcher) -> str:
    """Make or load an image set, and return its name."""
    if isinstance(wanted, Path):
        return workspace.hold_folder(wanted, watcher.preparing, watcher.says)
    workspace.images(wanted, watcher.preparing)
    return wanted


def run_info(
    images: list[str],
    commit: Commit,
    settings: dict[str, Any],
    facts: Mapping[str, Any],
    check_newest: bool = False,
) -> RunInfo:
    """Return what all cells of a run that starts now have in common.

    `facts` are of the machine at its start. With `check_newest` the package index is asked
    for the newest release of each library.
    """
    libraries = library_versions()
    return RunInfo(
        started=datetime.now(UTC).isoformat(timespec="microseconds"),
        commit=commit.name,
        machine=this_machine()["machine"],
        python=platform.python_version(),
        libraries=libraries,
        images=images,
        settings=settings,
        machine_facts=dict(facts),
        newest=newest_versions(list(libraries)) if check_newest else None,
    )


def same_arm(results: Path, file: RecordFile) -> list[RecordFile]:
    """Return this run and others of the same commit, libraries and machine, oldest first.

    Self-checks are left out, because some of their arms are slowed down on purpose.
    """
    info = file.info()
    return [
        other
        for other in record_files(results, info.machine)
        if (known := other.info()).commit == info.commit
        and environment_name(known) == environment_name(info)
        and "selfcheck" not in known.settings
    ]


def stores_to_measure(patterns: Sequence[str], references: bool = True) -> list[StoreName]:
    """Return the stores that match `patterns`: a store, a format, or `*` and `?` as in a shell.

    Raises UserError for a pattern that matches nothing. `references` adds the reference stores.
    """
    chosen: dict[StoreName, None] = dict.fromkeys(registry.REFERENCES) if references else {}
    for pattern in patterns:
        found = [
            name
            for name in registry.names()
            if any(fnmatch.fnmatchcase(str(name), each) for each in (pattern, f"{pattern}:*"))
        ]
        if not found:
            raise UserError(f"{pattern}: no such store; 'platebench stores' lists them")
        chosen |= dict.fromkeys(found)
    return list(chosen)


def newcomer_stores() -> list[StoreName]:
    """Return the stores of an overview: each format's first layout, without the tuning small."""
    return [
        name
        for format_ in registry.FORMATS
        for name in format_.stores
        if name.layout == next(iter(format_.variants)) and name.tuning != "small"
    ]
