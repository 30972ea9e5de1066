"""Measure two or more arms side by side and judge them: `platebench compare`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platebench.errors import UserError
from platebench.results.measurement import CellName, Measurement
from platebench.results.operations import (
    check_operations,
    choose,
    in_full_run,
    operation_names,
)
from platebench.results.ratios import Timing
from platebench.results.records import Record, RecordFile, record_files
from platebench.results.timings import run_shift_of, samples_by_block
from platebench.results.verdicts import Judgement, Plan, judge
from platebench.running.arms import Arm, ArmSpec, apart, check_revision, make_arm, parse_arm
from platebench.running.floor_choice import floor_choice
from platebench.running.image_sets import check_images, image_sets
from platebench.running.machine_facts import machine_facts, this_machine
from platebench.running.rounds import shuffled, side_by_side
from platebench.running.run import keep_for_asv, recording, run_info
from platebench.running.suite import QUICK, Suite
from platebench.running.turn_server import TurnServer
from platebench.running.watcher import Watcher
from platebench.stores.name import StoreName
from platebench.timing.cell import SAMPLES
from platebench.timing.workspace import Workspace


@dataclass(frozen=True)
class CompareSettings:
    """What to compare. The first arm is the baseline."""

    arms: list[str]
    stores: list[StoreName]
    images: list[str]
    operations: list[str]
    plan: Plan
    quick: bool = False


@dataclass(frozen=True)
class Comparison:
    """The arms, their records, and the verdicts on every arm but the first."""

    arms: list[Arm]
    files: list[RecordFile]
    judgements: list[dict[CellName, Judgement]]


def compare(
    checkout: Path, results: Path, settings: CompareSettings, watcher: Watcher
) -> Comparison:
    """Measure the arms side by side until every verdict is reached, or the plan's last look.

    An interrupted comparison of the same arms is continued.
    """
    check_operations(settings.operations)
    specs = [parse_arm(text) for text in settings.arms]
    for spec in specs:
        check_revision(spec, checkout)
    check_images(settings.images)
    workspace = Workspace.of(checkout)
    with workspace.measuring():
        return _compare(checkout, results, settings, specs, workspace, watcher)


def _compare(
    checkout: Path,
    results: Path,
    settings: CompareSettings,
    specs: Sequence[ArmSpec],
    workspace: Workspace,
    watcher: Watcher,
) -> Comparison:
    floor = floor_choice(workspace.root)
    facts = machine_facts(workspace.root) | floor.facts  # before drawing images, which is load too
    names = image_sets(workspace, settings.images, watcher)
    made = [make_arm(spec, checkout, workspace.root, watcher.says) for spec in specs]
    arms = apart(made, workspace.root)
    for arm in arms:
        for name in names:
            arm.give(workspace.images(name))
    watcher.starts(facts)
    with TurnServer.open() as turns:
        given = turns if all(arm.takes_turns for arm in arms) else None
        if given is None:
            watcher.says(
                "arms are measured one after another, because a revision cannot alternate samples"
            )
        # Without a server no process may see these variables: it would wait for a turn forever.
        ours = floor.variables if given is None else floor.variables | given.variables
        suites = [Suite(arm.checkout, names, arm.python, arm.variables | ours) for arm in arms]
        cells = _shared_cells(suites, settings, watcher)
        for arm in arms:
            _refuse_nothing(arm, cells)
        key = digest_of(arms, cells, settings.quick, repr(settings.plan))
        each = [
            (arm, {"compare": key, "arm": place}, arm.as_settings())
            for place, arm in enumerate(arms)
        ]
        files = arm_files(results, names, each, facts, watcher)
        measured = Measured(files)
        with recording(files, watcher, "repeat the command to continue"):
            try:
                bench = SideBySide(suites, measured, given, watcher, arms)
                _measure(bench, cells, settings)
                for file in files:
                    file.finish()
            finally:
                for arm in arms:
                    arm.clear_scratch()
                for arm, suite, file in zip(arms, suites, files, strict=True):
                    keep_for_asv(results, suite, arm.commit, file)
    return Comparison(arms, files, measured.judge(cells, settings.plan))


def _shared_cells(
    suites: Sequence[Suite], settings: CompareSettings, watcher: Watcher
) -> list[CellName]:
    """Return the cells that every arm has, with the same version of their benchmark.

    The benchmarks of all others are named in a message.
    """
    first, *others = [
        {(cell, suite.benchmarks[cell.benchmark]["version"]) for cell in suite.cells()}
        for suite in suites
    ]
    both = {cell for cell, _ in first.intersection(*others)}
    operations = settings.operations or [name for name in operation_names() if name != _LONG]
    chosen = dict.fromkeys(
        cell
        for suite in suites
        for cell in choose(suite.cells(), settings.stores, operations)
        if in_full_run(cell)
    )
    shared = [cell for cell in chosen if cell in both]
    if not shared:
        raise UserError("nothing to compare: the arms share no benchmark of these stores")
    left_out = [cell for cell in chosen if cell not in both]
    if left_out:
        benchmarks = ", ".join(dict.fromkeys(cell.benchmark for cell in left_out))
        watcher.says(f"not compared, because an arm lacks them: {len(left_out)} of {benchmarks}")
    return shared


def _refuse_nothing(arm: Arm, cells: Sequence[CellName]) -> None:
    """Raise UserError if the arm's day has a library for none of the cells' stores."""
    reasons = [arm.why_not(cell.store) for cell in cells]
    if None not in reasons:
        raise UserError(f"{arm.name}: none of these stores can be measured: {reasons[0]}")


_LONG = "grow"
"""Compared only on request: it is append repeated twenty times, and takes as long."""


_GROUP = 1
"""All arms of a cell are one group."""


class Measured:
    """The records of every arm so far."""

    def __init__(self, files: Sequence[RecordFile]) -> None:
        self.files = files
        self._runs: list[dict[CellName, dict[int, Record]]] = [{} for _ in files]
        for arm, file in enumerate(files):
            for record in file.records():
                self._note(arm, record)

    def add(self, arm: int, record: Record) -> None:
        """Save a record."""
        self.files[arm].append(record)
        self._note(arm, record)

    def has(self, arm: int, cell: CellName, number: int) -> bool:
        """True if an arm's cell was measured in a round."""
        return number in self._runs[arm].get(cell, {})

    def fails(self, arm: int, cell: CellName) -> bool:
        """True if the cell failed or was skipped in an arm."""
        return any(record.run.status != "ok" for record in self._runs[arm].get(cell, {}).values())

    def tells_nothing(self, arm: int, cell: CellName) -> bool:
        """True if the counterpart failed, so that more rounds cannot change the verdict."""
        others = range(1, len(self.files)) if arm == 0 else [arm]
        return self.fails(0, cell) or all(self.fails(other, cell) for other in others)

    def judge(self, cells: Sequence[CellName], plan: Plan) -> list[dict[CellName, Judgement]]:
        """Return the verdicts on each arm but the first."""
        by_name = {str(cell): cell for cell in cells}
        sides = [
            {name: self._timing(arm, cell) for name, cell in by_name.items()}
            for arm in range(len(self._runs))
        ]
        return [
            {
                by_name[name]: verdict
                for name, verdict in judge(
                    {name: (sides[0][name], other[name]) for name in by_name}, plan
                ).items()
            }
            for other in sides[1:]
        ]

    def sides(self, arm: int, cells: Sequence[CellName]) -> dict[str, Timing]:
        """Return an arm's timing of each cell, without cells that failed in any arm."""
        everywhere = [
            cell
            for cell in cells
            if not any(self.fails(each, cell) for each in range(len(self.files)))
        ]
        found = {str(cell): self._timing(arm, cell) for cell in everywhere}
        return {name: timing for name, timing in found.items() if timing is not None}

    def _timing(self, arm: int, cell: CellName) -> Timing | None:
        records = self._runs[arm].get(cell, {})
        if not records or any(record.run.status != "ok" for record in records.values()):
            return None
        return Timing(samples_by_block(records.values()), run_shift=run_shift_of(cell))

    def _note(self, arm: int, record: Record) -> None:
        self._runs[arm].setdefault(record.run.cell, {})[record.round] = record


@dataclass(frozen=True)
class SideBySide:
    """Measures a cell in several arms at the same time, and saves the records.

    Without `turns` the arms are measured one after another. With `arms`, a store whose library an
    arm lacks is skipped there without a process.
    """

    suites: Sequence[Suite]
    measured: Measured
    turns: TurnServer | None
    watcher: Watcher
    arms: Sequence[Arm] = ()

    def measure(
        self,
        cell: CellName,
        arms: Sequence[int],
        repeat: Sequence[float] | None,
        number: int,
        rounds: int,
        first: int = 0,
    ) -> None:
        """Measure the cell in round `number` of `rounds`, in the arms that do not have it yet."""
        able = [arm for arm in arms if not self._skips(arm, cell, number)]
        lacking = [arm for arm in able if not self.measured.has(arm, cell, number)]
        if not lacking:
            return
        self.watcher.begins(number, rounds, cell)
        suites = [self.suites[arm] for arm in lacking]
        runs = side_by_side(suites, cell, repeat, self.turns, first)
        # Arms that were measured before an interruption took no turns with these.
        together = self.turns is not None and len(lacking) == len(able)
        for arm, run in zip(lacking, runs, strict=True):
            self.measured.add(arm, Record(number, run, _GROUP if together else None))
            self.watcher.ended(run)

    def _skips(self, arm: int, cell: CellName, number: int) -> bool:
        """Record a skip if the arm's day has no library of the store, and return True."""
        reason = self.arms[arm].why_not(cell.store) if self.arms else None
        if reason is not None and not self.measured.has(arm, cell, number):
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self.measured.add(arm, Record(number, Measurement(cell, "skipped", reason, now, [])))
        return reason is not None


def _measure(bench: SideBySide, cells: Sequence[CellName], settings: CompareSettings) -> None:
    suites, measured = bench.suites, bench.measured
    wanted = dict.fromkeys(cells, settings.plan.looks[0])
    number = 0
    while any(rounds > number for rounds in wanted.values()):
        number += 1
        here = shuffled([cell for cell in cells if wanted[cell] >= number], number)
        for place, cell in enumerate(here):
            arms = [
                arm
                for arm in range(len(suites))
                if number == 1 or not measured.tells_nothing(arm, cell)
            ]
            repeat = _repeat(suites[0], cell, settings.quick)
            most = max(wanted.values())
            bench.measure(cell, arms, repeat, number, most, first=number + place)
        if number in settings.plan.looks:
            for judgements in measured.judge(cells, settings.plan):
                for cell, judgement in judgements.items():
                    wanted[cell] = max(wanted[cell], judgement.rounds_wanted or 0)


def _repeat(suite: Suite, cell: CellName, quick: bool) -> tuple[int, int, float] | None:
    """Return how often to repeat; None if the benchmark sets that itself."""
    if quick:
        return QUICK
    return SAMPLES if suite.benchmarks[cell.benchmark].get("repeat") is None else None


def digest_of(arms: Sequence[Arm], cells: Sequence[CellName], *others: object) -> str:
    """Return a digest of the arms, the cells and the settings."""
    identity = [
        *((arm.commit.name, sorted(arm.libraries.items()), arm.python_version) for arm in arms),
        *map(str, cells),
        *others,
    ]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]


def arm_files(
    results: Path,
    images: list[str],
    arms: Sequence[tuple[Arm, dict[str, Any], dict[str, Any]]],
    facts: Mapping[str, Any],
    watcher: Watcher,
) -> list[RecordFile]:
    """Return one record file per arm: those of the same interrupted measurement, or new ones.

    With each arm come the settings that identify its file, and those that only say more. `facts`
    are of the machine at the start.
    """
    machine = this_machine()["machine"]
    found = [_unfinished(results, machine, same) for _, same, _ in arms]
    # Uncommitted changes may differ by now, so a measurement of them is not continued.
    if None in found or any(arm.commit.changed for arm, _, _ in arms):
        return [_arm_file(results, arm, images, same | more, facts) for arm, same, more in arms]
    files = [file for file in found if file is not None]
    begun = sum(1 for file in files for _ in file.records())
    watcher.says(f"continuing an interrupted measurement after {begun} processes")
    for file in files:
        file.mend()
    return files


def _arm_file(
    results: Path,
    arm: Arm,
    images: list[str],
    settings: dict[str, Any],
    facts: Mapping[str, Any],
) -> RecordFile:
    info = run_info(images, arm.commit, settings, facts)
    return RecordFile.create(
        results, replace(info, python=arm.python_version, libraries=arm.libraries)
    )


def _unfinished(results: Path, machine: str, same: Mapping[str, Any]) -> RecordFile | None:
    """Return the newest file with all these settings, if it is unfinished."""
    of_it = [
        file
        for file in record_files(results, machine)
        if same.items() <= file.info().settings.items()
    ]
    return of_it[-1] if of_it and not of_it[-1].finished else None


def stored_sizes(file: RecordFile) -> dict[tuple[StoreName, str], float]:
    """Return stored bytes per pixel byte, by store and image set."""
    sizes: dict[tuple[StoreName, str], float] = {}
    for record in file.records():
        noted = record.run.record
        # A process that was killed early has noted less.
        if noted.get("kind") == "data" and noted.get("stored_bytes") and noted["set_pixel_bytes"]:
            cell = record.run.cell
            sizes[cell.store, cell.images] = noted["stored_bytes"] / noted["set_pixel_bytes"]
    return sizes
