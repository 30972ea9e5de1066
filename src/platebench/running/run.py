"""Measure cells in rounds and record them: `platebench run`."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from platebench.errors import UserError
from platebench.locks import sole
from platebench.results.asv_files import environment_name, write_asv_results
from platebench.results.commit import CHANGES, Commit
from platebench.results.measurement import CellName
from platebench.results.operations import (
    OPERATIONS,
    check_operations,
    choose,
    in_brief_run,
    in_full_run,
)
from platebench.results.plan import PlanPart
from platebench.results.records import RecordFile, RunInfo, record_files
from platebench.running.floor_choice import floor_choice
from platebench.running.goal import Contenders, Goal, everyone
from platebench.running.groups import done_of, in_groups
from platebench.running.image_sets import check_images
from platebench.running.machine_facts import machine_facts, this_machine
from platebench.running.newest import newest_versions
from platebench.running.outlook import Outlook, look_ahead
from platebench.running.places import Home
from platebench.running.settings import Settings
from platebench.running.store_files import StoreFiles
from platebench.running.suite import Suite
from platebench.running.turn_server import TurnServer
from platebench.running.watcher import Watcher
from platebench.stores.name import StoreName
from platebench.timing.cell import library_versions
from platebench.timing.prepare import prepare_together
from platebench.timing.protocol import WORK
from platebench.timing.workspace import KIND_WITH_OBJECTS, Kind, Workspace

Begun = Callable[[RecordFile], None]
"""Called with the record file before the first cell is measured."""


def measure(
    home: Home,
    results: Path,
    settings: Settings,
    watcher: Watcher,
    begun: Begun = lambda file: None,
    outlook: Outlook | None = None,
    contenders: Contenders = everyone,
) -> RecordFile:
    """Measure cells and return the record file, to which each cell is added when it ends.

    `outlook` has the images, if they were opened already. `contenders` chooses the cells of the
    rounds that are added while there is time.

    An interrupted run keeps what it measured, in its record file and in asv's, and removes its
    temporary files. So does one whose time is over before its rounds are; it is not finished.
    """
    check_operations(settings.operations)
    check_images(settings.images)
    commit = home.commit()
    workspace = Workspace.here(home.work)
    with workspace.measuring():
        return _measure(
            home, results, settings, commit, workspace, watcher, begun, outlook, contenders
        )


def _measure(
    home: Home,
    results: Path,
    settings: Settings,
    commit: Commit,
    workspace: Workspace,
    watcher: Watcher,
    begun: Begun,
    outlook: Outlook | None,
    contenders: Contenders,
) -> RecordFile:
    floor = floor_choice(workspace.root)
    facts = machine_facts(workspace.root) | floor.facts  # before drawing images, which is load too
    outlook = outlook or look_ahead(workspace, settings, watcher)
    held = outlook.hold(workspace, watcher)
    names = list(held)
    watcher.preparing("finding the benchmarks", 0, 1)
    with TurnServer.open(settings.sampling) as turns:
        given = {WORK: str(workspace.root), **floor.variables, **turns.variables}
        suite = Suite(home.suite, names, variables=given)
        cells = _cells(suite.cells(), names, settings)
        if not cells:
            raise UserError("nothing to measure: no benchmark has these stores and operations")
        samples = {name: count for name, source in held.items() if (count := source.sampled_from)}
        kept = _kept(settings) | {"images": names, "samples": samples}
        info = run_info(names, commit, kept, facts, settings.check_newest)
        file = take_up(results, info) if settings.resume else RecordFile.create(results, info)
        watcher.starts(facts)
        begun(file)
        before = list(file.records())
        go_on = "platebench report shows them" if settings.hurried else "--resume goes on"
        with recording([file], watcher, go_on):
            try:
                finished = True
                for each in _passes(cells, names, settings):
                    mine = [record for record in before if record.run.cell.images in each.images]
                    goal = Goal(each.settings, each.cells, mine, watcher, contenders)
                    files = StoreFiles(workspace, settings, each.cells, done_of(before))
                    if outlook.stores_first and goal.is_begun_with:
                        _prepare(workspace, each.cells, each.images, watcher)
                    size = max(workspace.images(name).pixel_bytes for name in each.images)
                    for records in in_groups(
                        suite, turns, goal.wanted, goal.announce, done_of(before), size
                    ):
                        file.append_all(records)
                        goal.note(records)
                        for record in records:
                            watcher.ended(record.run)
                        if settings.tidy:
                            files.measured([record.run.cell for record in records])
                        if goal.time_is_over:
                            break
                    if settings.tidy:
                        files.end()
                    finished = goal.conclude() and finished
                if finished:
                    file.finish()
            finally:
                keep_for_asv(results, suite, commit, file)
    return file


def _kept(settings: Settings) -> dict[str, Any]:
    """Return the settings as a run's information has them."""
    stores = list(map(str, settings.stores))
    kept = {**asdict(settings), "stores": stores, "resume": False}
    del kept["check_newest"]
    for name in ("tidy", "file_pattern", "crops"):  # as in runs from before there was a choice
        if not kept[name]:
            del kept[name]
    patterns, hurried = kept.pop("patterns"), kept.pop("hurried")
    if patterns:
        rounds = max(1, settings.rounds)
        kept |= {"operations": list(patterns), "hurried": hurried, "rounds": rounds}
    return kept


@dataclass(frozen=True)
class _Pass:
    """The cells that are measured in the same rounds, and the settings of these rounds."""

    images: Sequence[str]
    cells: Sequence[CellName]
    settings: Settings


def _passes(
    cells: Sequence[CellName], images: Sequence[str], settings: Settings
) -> Sequence[_Pass]:
    """Return one pass over all cells; in a tidy run one for each image set, with its share of time.

    So the files of one image set at a time are on the disk.
    """
    if not settings.tidy:
        return [_Pass(images, cells, settings)]
    minutes = None if settings.minutes is None else settings.minutes / len(images)
    by_set = {name: [cell for cell in cells if cell.images == name] for name in images}
    return [
        _Pass([name], mine, replace(settings, minutes=minutes))
        for name, mine in by_set.items()
        if mine
    ]


def _cells(
    every: Sequence[CellName], images: Sequence[str], settings: Settings
) -> Sequence[CellName]:
    """Return the cells that the settings ask for, of all cells of the suite."""
    if settings.patterns:
        stores, patterns = tuple(settings.stores), settings.patterns
        return PlanPart(tuple(images), stores, patterns, settings.rounds).cells(every)
    cells = choose(every, settings.stores, settings.operations)
    if settings.brief:
        return [cell for cell in cells if in_brief_run(cell, settings.operations)]
    return [cell for cell in cells if in_full_run(cell)]


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

    Nothing is written for uncommitted changes: they must not appear under a commit's name. An
    installed package has no commit at all.
    """
    if not (commit.changed or commit.is_release) and any(True for _ in file.records()):
        machine = {**this_machine(), "machine": file.info().machine}
        write_asv_results(results, machine, suite.benchmarks, commit, same_arm(results, file))


def _prepare(
    workspace: Workspace, cells: Sequence[CellName], names: Sequence[str], watcher: Watcher
) -> None:
    """Write the stores that the cells need, in parallel."""
    both: tuple[Kind, ...] = ("first", "history")
    wanted: dict[tuple[StoreName, Kind], None] = {}
    for cell in cells:
        operation = OPERATIONS[cell.kind]
        kinds = both if operation.on_versions else ("data",)
        if operation.on_objects:
            kinds = (KIND_WITH_OBJECTS[min(KIND_WITH_OBJECTS)],)
        wanted |= dict.fromkeys((cell.store, kind) for kind in kinds)
    for name in names:
        told = partial(watcher.preparing, f"storing {name}", total=len(wanted))
        prepare_together(workspace, list(wanted), name, told)


def take_up(results: Path, info: RunInfo) -> RecordFile:
    """Return the newest interrupted run of the same kind. Raises UserError if there is none."""
    same = [
        file
        for file in record_files(results, info.machine)
        if replace(file.info(), started=info.started) == info and not file.finished
    ]
    if not same or info.commit.endswith(CHANGES):
        raise UserError(
            "no interrupted run has these settings, commit and libraries; omit --resume"
        )
    same[-1].mend()
    return same[-1]


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
