"""A run from its settings to its records: what `platebench run` does."""

from __future__ import annotations

import fnmatch
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import asv.machine

from platebench.errors import UserError
from platebench.results.asv_files import environment_name, write_asv_results
from platebench.results.records import Record, RecordFile, RunInfo, record_files
from platebench.stores import registry
from platebench.timing.cell import library_versions
from platebench.timing.checkout import Commit, commit_of
from platebench.timing.operations import check_operations, choose
from platebench.timing.rounds import rounds
from platebench.timing.suite import QUICK, CellName, Run, Suite
from platebench.timing.workspace import WORK, Workspace, generated


@dataclass(frozen=True)
class Settings:
    """What to measure. `images` are numbers (of generated images) or folders."""

    stores: list[str]
    images: list[str]
    operations: list[str]
    rounds: int = 1
    quick: bool = False


class Watcher(Protocol):
    """Told how a run goes on, to show it."""

    def preparing(self, what: str, done: int, total: int) -> None:
        """Something is made before the first cell."""

    def begins(self, number: int, cells: int, cell: CellName) -> None:
        """Measure the cell as number `number` of `cells`."""

    def ended(self, run: Run) -> None:
        """A cell has been measured."""


def measure(checkout: Path, results: Path, settings: Settings, watcher: Watcher) -> RecordFile:
    """Measure what the settings say and return the file of records, which grows cell by cell.

    Whatever ends it, what was measured is kept, asv's file included, and scratch copies go.
    """
    check_operations(settings.operations)
    commit = commit_of(checkout)
    workspace = Workspace.here(checkout / ".platebench")
    names = image_sets(workspace, settings.images, watcher)
    suite = Suite(checkout, names, variables={WORK: str(workspace.root)})
    cells = choose(suite.cells(), settings.stores, settings.operations)
    if not cells:
        raise UserError("nothing to measure: no benchmark has these stores and operations")
    machine = asv.machine.Machine.get_defaults()
    file = RecordFile.create(results, _info(settings, names, commit, machine["machine"]))
    count, measured = 0, False

    def announce(number: int, cell: CellName) -> None:
        nonlocal count
        count += 1
        watcher.begins(count, len(cells) * settings.rounds, cell)

    repeat = QUICK if settings.quick else None
    try:
        for number, run in rounds(suite, cells, settings.rounds, repeat, announce):
            file.append(Record(number, run))
            measured = True
            watcher.ended(run)
    finally:
        workspace.clear_scratch()
        if measured and not commit.changed:
            write_asv_results(results, machine, suite.benchmarks, commit, same_arm(results, file))
    return file


def image_sets(workspace: Workspace, images: Sequence[str], watcher: Watcher) -> list[str]:
    """Return the names of the image sets, made or held and ready to be measured.

    Raises UserError for what is neither a number of images, the name of a set, nor a folder.
    """
    if not images:
        raise UserError("--images: give a number of images or a folder")
    wanted = [_wanted(each) for each in images]
    return list(dict.fromkeys(_ready(workspace, each, watcher) for each in wanted))


def _wanted(images: str) -> str | Path:
    """Return the name of an image set to generate, or the user's folder or file.

    Raises UserError for what is neither. A folder called `raw-3` is given as `./raw-3`.
    """
    name = f"raw-{int(images)}" if re.fullmatch(r"[+-]?[0-9]+", images) else images
    if generated(name) is not None:
        return name
    if re.fullmatch(r"(raw|ic)-[+-]?[0-9]+", name):
        raise UserError(f"--images {images}: give 1 image or more, without leading zeros")
    if not Path(images).exists():
        raise UserError(f"{images}: neither a number of images, raw-N, ic-N, nor a folder")
    return Path(images)


def _ready(workspace: Workspace, wanted: str | Path, watcher: Watcher) -> str:
    """Return the name of an image set, made or held and ready to be measured."""
    if isinstance(wanted, Path):
        return workspace.hold_folder(wanted, watcher.preparing)
    workspace.images(wanted, watcher.preparing)
    return wanted


def _info(settings: Settings, images: list[str], commit: Commit, machine: str) -> RunInfo:
    return RunInfo(
        started=datetime.now(UTC).isoformat(timespec="microseconds"),
        commit=commit.name,
        machine=machine,
        python=platform.python_version(),
        libraries=library_versions(),
        images=images,
        settings={**asdict(settings), "images": images},
    )


def same_arm(results: Path, file: RecordFile) -> list[RecordFile]:
    """Return this run's file and those of the same commit, libraries and machine, oldest first."""
    info = file.info()
    return [
        other
        for other in record_files(results, info.machine)
        if (known := other.info()).commit == info.commit
        and environment_name(known) == environment_name(info)
    ]


def stores_to_measure(patterns: Sequence[str], floor: bool = True) -> list[str]:
    """Return the stores that `patterns` name: a store, a format, or with `*` and `?` as in a shell.

    Raises UserError for a pattern that names none. The floor is among them unless told otherwise.
    """
    chosen: dict[str, None] = {registry.FLOOR: None} if floor else {}
    for pattern in patterns:
        whole = pattern if pattern.count(":") == 2 else f"{pattern}:*"
        found = fnmatch.filter(registry.names(), whole)
        if not found:
            raise UserError(f"{pattern}: no such store; 'platebench stores' lists them")
        chosen |= dict.fromkeys(found)
    return list(chosen)


def newcomer_stores() -> list[str]:
    """Return what a newcomer asks about: each format as typed and as tuned, in its first layout."""
    return [
        f"{format_.name}:{layout}:{tuning}"
        for format_ in registry.FORMATS
        for layout in list(format_.variants)[:1]
        for tuning in format_.variants[layout].split()
        if tuning != "small"
    ]
