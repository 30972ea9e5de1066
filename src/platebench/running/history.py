"""The libraries over time: one arm per day, measured side by side: `platebench reference history`.

Every arm is this checkout with the libraries of its day. All arms of a cell take turns at samples,
as in `platebench compare`, so that the machine's drift is in none of the differences. Later days
are added beside one that was measured before (`results.over_days`).
"""

from __future__ import annotations

import calendar
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from platebench.errors import UserError
from platebench.limits import gigabytes, require_room
from platebench.results.measurement import CellName
from platebench.results.over_days import (
    HISTORY,
    DayFile,
    HistoryPlan,
    finished_histories,
    histories,
    is_finished,
)
from platebench.results.plan import PlanPart
from platebench.results.records import RecordFile, record_files
from platebench.running.arms import Arm, ArmSpec, apart, libraries_of, make_arm, parse_arm
from platebench.running.as_of import AsOf, today
from platebench.running.checkout import commit_of
from platebench.running.compare import Measured, SideBySide, arm_files
from platebench.running.estimate import COSTS
from platebench.running.floor_choice import floor_choice
from platebench.running.image_sets import image_sets
from platebench.running.machine_facts import machine_facts, this_machine
from platebench.running.reference_plan import WARM, WRITE
from platebench.running.rounds import shuffled
from platebench.running.run import recording
from platebench.running.settings import first_layouts
from platebench.running.suite import Suite
from platebench.running.turn_server import TurnServer
from platebench.running.watcher import Watcher
from platebench.stores.name import StoreName
from platebench.timing.cell import SAMPLES
from platebench.timing.workspace import Workspace, expected_bytes

IMAGES = "raw-32"
BEGINS_WITH = "lancedb"
"""The history begins with the first day that has this library: its talk was in 2024."""

ENVIRONMENT_BYTES = 900_000_000
"""What one environment takes: 835 and 879 MB were measured, of January and June 2025."""

_EVERY = re.compile(r"(\d{1,3})\s*(months?|years?)?")


@dataclass(frozen=True)
class HistorySettings:
    """Which days to measure: every `months` months from `first` to today.

    `python` is a pin that chooses the interpreter of all arms, such as `python<3.13`; "" is the
    one that runs this. `minutes`: stop after this time, at the end of a cell.
    """

    first: date
    months: int = 3
    python: str = "python<3.13"
    rounds: int = 6
    minutes: float | None = None
    resume: bool = False


def months_of(text: str) -> int:
    """Return the months of a text such as `3 months`, `1 year` or `3`. Raises UserError."""
    found = _EVERY.fullmatch(text.strip())
    months = int(found[1]) * (12 if (found[2] or "").startswith("year") else 1) if found else 0
    if months < 1:
        raise UserError(f"--every {text!r}: give a number of months, such as '3 months'")
    return months


def python_pin(text: str) -> str:
    """Return the pin of a text such as `<3.13`, "" of an empty one. Raises UserError."""
    try:
        return f"python{SpecifierSet(text)}" if text.strip() else ""
    except InvalidSpecifier as error:
        raise UserError(f"--python {text!r}: give a condition, such as '<3.13'") from error


def days_between(first: date, months: int, last: date) -> list[date]:
    """Return every so many months from `first` to `last`; a short month has its last day."""
    days: list[date] = []
    while (day := _after(first, months * len(days))) <= last:
        days.append(day)
    return days


def _after(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


_WITHOUT_BLOBS = [StoreName("lancedb", "pixels", "default")]
"""LanceDB has had blob columns since 2026 only."""


def history_stores() -> list[StoreName]:
    """Return what is measured: each format's first layout, tuned `fast`, and the floor.

    A format whose `fast` needs what its older releases lack is also measured with `default`.
    """
    return [name for name in first_layouts() if name.tuning == "fast" or name in _WITHOUT_BLOBS]


def measure_history(
    checkout: Path, results: Path, settings: HistorySettings, watcher: Watcher
) -> list[RecordFile]:
    """Measure the days and return their record files; none if all were measured before.

    Raises UserError if no day has the libraries, or for too little disk space.
    """
    days = days_between(settings.first, settings.months, today())
    if not days:
        raise UserError(f"--from {settings.first}: is in the future; give an earlier day")
    commit_of(checkout)
    workspace = Workspace.of(checkout)
    with workspace.measuring():
        found = _resolved(days, checkout, settings, watcher)
        before = record_files(results, this_machine()["machine"]) if settings.resume else []
        plan = _plan(list(found), before, checkout, found, settings, watcher)
        if plan is None:
            return []
        return _measure(checkout, results, plan, settings, workspace, watcher)


def _resolved(
    days: Sequence[date], checkout: Path, settings: HistorySettings, watcher: Watcher
) -> dict[str, AsOf]:
    """Return the libraries of each day, from the first day that has `BEGINS_WITH`."""
    found: dict[str, AsOf] = {}
    for number, day in enumerate(days):
        watcher.preparing(f"resolving the libraries of {day}", number, len(days))
        resolved = libraries_of(_spec(str(day), settings), checkout)
        if found or BEGINS_WITH not in resolved.absent:
            found[str(day)] = resolved
    if not found:
        raise UserError(f"no day from {days[0]} to {days[-1]} has a release of {BEGINS_WITH}")
    if len(found) < len(days):
        begin = next(iter(found))
        watcher.says(f"begins at {begin}, the first of these days with a release of {BEGINS_WITH}")
    return found


def _spec(day: str, settings: HistorySettings) -> ArmSpec:
    return parse_arm(f"{settings.python}, as of {day}" if settings.python else f"as of {day}")


def _plan(
    days: list[str],
    before: Sequence[RecordFile],
    checkout: Path,
    resolved: dict[str, AsOf],
    settings: HistorySettings,
    watcher: Watcher,
) -> HistoryPlan | None:
    """Return the plan of an interrupted history, of a new one, or of the days to be added.

    None if all days are measured.
    """
    same = [group for group in histories(before) if _fits(group[0].plan, settings)]
    if same and not is_finished(same[-1]):
        group = same[-1]
        if _can_go_on(group, checkout, resolved):
            return group[0].plan
        watcher.says(
            f"the interrupted history of {group[0].plan.begun[:16]} measured another commit or"
            " other libraries, so it is not continued"
        )
    done = [
        each.day
        for group in finished_histories(before)
        if _fits(group[0].plan, settings)
        for each in group
    ]
    new = [day for day in days if day not in done]
    if not new:
        watcher.says(f"nothing to add: {len(days)} days to {days[-1]} are measured")
        return None
    anchor = max((day for day in done if day < new[0]), default=min(done, default=None))
    begun = datetime.now(UTC).isoformat(timespec="microseconds")
    every = sorted({*new, *([] if anchor is None else [anchor])})
    return HistoryPlan(begun, tuple(every), anchor, IMAGES, settings.rounds, settings.python)


def _fits(plan: HistoryPlan, settings: HistorySettings) -> bool:
    return (plan.images, plan.python) == (IMAGES, settings.python)


def _can_go_on(group: Sequence[DayFile], checkout: Path, resolved: dict[str, AsOf]) -> bool:
    """Return True if a history was begun by this commit with what its days resolve to now."""
    commit = commit_of(checkout)
    if commit.changed or {each.day for each in group} != set(group[0].plan.days):
        return False
    return all(
        each.info.commit == commit.name
        and each.day in resolved
        and each.info.settings.get("pins") == list(resolved[each.day].pins)
        for each in group
    )


def expected_seconds(days: int, rounds: int) -> float:
    """Return about how long it takes to measure so many days, in seconds."""
    megabytes = expected_bytes(IMAGES) / 1e6
    cell = sum(COSTS[name].seconds(megabytes) for name in ("write", "scan", "take"))
    return cell * len(history_stores()) * days * rounds


def _announce(plan: HistoryPlan, workspace: Workspace, watcher: Watcher) -> None:
    """Say what it takes, and raise UserError if the disk has no room for it."""
    count = len(plan.days)
    stored = (count * len(history_stores()) + 2) * expected_bytes(IMAGES)
    room = stored + count * ENVIRONMENT_BYTES
    about = max(1, round(expected_seconds(count, plan.rounds) / 60))
    beside = f" (beside {plan.anchor}, measured before)" if plan.anchor else ""
    watcher.says(
        f"{count} days, {plan.days[0]} to {plan.days[-1]}{beside}: {3 * len(history_stores())}"
        f" cells each in {plan.rounds} rounds, about {about} minutes; up to {gigabytes(room)} of"
        f" disk, of which environments keep {gigabytes(count * ENVIRONMENT_BYTES)}"
    )
    require_room(workspace.root, room, f"{count} days")


def _measure(
    checkout: Path,
    results: Path,
    plan: HistoryPlan,
    settings: HistorySettings,
    workspace: Workspace,
    watcher: Watcher,
) -> list[RecordFile]:
    _announce(plan, workspace, watcher)
    minutes = math.inf if settings.minutes is None else settings.minutes
    end = time.monotonic() + 60 * minutes
    floor = floor_choice(workspace.root)
    facts = machine_facts(workspace.root) | floor.facts
    image_sets(workspace, [plan.images], watcher)
    made = []
    for number, day in enumerate(plan.days):
        watcher.preparing(f"preparing {day}", number, len(plan.days))
        made.append(make_arm(_spec(day, settings), checkout, workspace.root, watcher.says))
    arms = apart(made, workspace.root)
    watcher.starts(facts)
    with TurnServer.open() as turns:
        given = floor.variables | turns.variables
        suites = [
            Suite(arm.checkout, [plan.images], arm.python, arm.variables | given) for arm in arms
        ]
        part = PlanPart((plan.images,), tuple(history_stores()), (*WRITE, *WARM), plan.rounds)
        cells = part.cells(suites[0].cells())
        shared = {HISTORY: plan.as_settings()}
        each = [(arm, shared | {"arm": place}, arm.as_settings()) for place, arm in enumerate(arms)]
        files = arm_files(results, [plan.images], each, facts, watcher)
        with recording(files, watcher, "--resume goes on"):
            bench = SideBySide(suites, Measured(files), turns, watcher, arms)
            try:
                if _rounds(bench, cells, plan.rounds, end):
                    for file in files:
                        file.finish()
                    _give_back(arms, plan.images)
                else:
                    watcher.says(f"stopped after {minutes:g} minutes; --resume goes on")
            finally:
                for arm in arms:
                    arm.clear_scratch()
    return files


def _rounds(bench: SideBySide, cells: Sequence[CellName], rounds: int, end: float) -> bool:
    """Measure all cells in all arms; return False if the time was over before."""
    for number in range(1, rounds + 1):
        for place, cell in enumerate(shuffled(cells, number)):
            if time.monotonic() >= end:
                return False
            # An arm in which a cell failed has said why; it would only take more time.
            arms = [arm for arm in range(len(bench.suites)) if not bench.measured.fails(arm, cell)]
            bench.measure(cell, arms, SAMPLES, number, rounds, first=number + place)
    return True


def _give_back(arms: Sequence[Arm], images: str) -> None:
    """Remove the stored files of all arms."""
    for arm in arms:
        workspace = Workspace(arm.work)
        for store in history_stores():
            workspace.remove_stored(store, images)
