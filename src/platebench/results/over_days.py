"""The results of a history: each store's write, scan, take and bytes over days, and what changed.

A history measures one arm per day, side by side (`running.history`). A whole one measures all days.
One that adds days measures them beside a day that was measured before, its anchor: times of other
hours are never compared. Here an added day's time is the anchor's, as shown before, times the ratio
of the two from the rounds they share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from platebench.errors import UserError
from platebench.results.measurement import CellName
from platebench.results.operations import OPERATIONS
from platebench.results.ratios import Timing, typical
from platebench.results.records import Record, RecordFile, RunInfo
from platebench.results.report import figure
from platebench.results.strict_json import Damaged, object_of, text_of, texts_of
from platebench.results.telling import say_once
from platebench.results.timings import run_shift_of, samples_by_block
from platebench.results.verdicts import Verdict, judge, single_look
from platebench.stores.name import StoreName
from platebench.stores.registry import needs_of

HISTORY = "history"
"""The setting that marks an arm of a history, and holds its plan."""

BYTES = "bytes"
"""What is shown beside the operations."""

SIZE_CHANGE = 0.01
"""Sizes are counted. Smaller changes than this are not marked."""


@dataclass(frozen=True)
class HistoryPlan:
    """What the arms of one history have in common.

    `begun` is the moment that names it. `days` are in order, as 2025-06-08. `anchor` is the day
    that was measured before, None for a whole history. `python` is the pin that chose the
    interpreter.
    """

    begun: str
    days: tuple[str, ...]
    anchor: str | None
    images: str
    rounds: int
    python: str

    def as_settings(self) -> dict[str, Any]:
        """Return the plan as JSON."""
        return {
            "begun": self.begun,
            "days": list(self.days),
            "anchor": self.anchor,
            "images": self.images,
            "rounds": self.rounds,
            "python": self.python,
        }


@dataclass(frozen=True)
class DayFile:
    """The records of one day of a history."""

    plan: HistoryPlan
    day: str
    file: RecordFile
    info: RunInfo


@dataclass(frozen=True)
class Point:
    """One store on one day. `what` is an operation or `BYTES`.

    `value` is in seconds, or in bytes relative to those of the pixels; None if the cell failed or
    was skipped, with the `message`. `measured` is the day of the measurement.
    """

    day: str
    store: StoreName
    what: str
    value: float | None
    message: str
    measured: str


@dataclass(frozen=True)
class Change:
    """A change beyond doubt between two neighbouring days.

    `ratio` is the later time or size over the earlier; `low` to `high` is the 95% interval for a
    repeat run, None for a size, which is counted. `releases` are the store's libraries that were
    released in between, such as `lancedb 0.17.0 → 0.21.1`.
    """

    before: str
    day: str
    store: StoreName
    what: str
    ratio: float
    low: float | None
    high: float | None
    releases: tuple[str, ...]

    def in_words(self) -> str:
        """Return one sentence."""
        size = self.what == BYTES
        more, less = ("larger", "smaller") if size else ("slower", "faster")
        times = self.ratio if self.ratio > 1 else 1 / self.ratio
        ends = ""
        if self.low is not None and self.high is not None:
            low, high = (self.low, self.high) if self.ratio > 1 else (1 / self.high, 1 / self.low)
            ends = f" (95% interval for a repeat run: {figure(low)} to {figure(high)})"
        released = ", ".join(self.releases) or "no release of its own libraries"
        word = more if self.ratio > 1 else less
        return (
            f"{self.store} {self.what}: {figure(times)} times {word}{ends}"
            f" on {self.day} than on {self.before}; in between: {released}"
        )


@dataclass(frozen=True)
class OverDays:
    """A history as the page shows it: its days, a point per store and day, and the changes."""

    days: tuple[str, ...]
    images: str
    rounds: int
    points: tuple[Point, ...]
    changes: tuple[Change, ...]


def day_files(files: Iterable[RecordFile]) -> list[DayFile]:
    """Return those files that are days of a history; damaged settings are reported and left out."""
    found = []
    for file in files:
        info = file.info()
        if HISTORY not in info.settings:
            continue
        try:
            plan = plan_of(info)
            found.append(DayFile(plan, text_of(info.settings, "as_of"), file, info))
        except Damaged as reason:
            say_once(f"{file.file}: settings: {reason}; the file is left out")
    return found


def plan_of(info: RunInfo) -> HistoryPlan:
    """Return the plan in a run's first line. Raises Damaged for what no history writes."""
    read = object_of(info.settings, HISTORY)
    anchor, rounds = read.get("anchor"), read.get("rounds")
    if not isinstance(anchor, str | None) or not isinstance(rounds, int):
        raise Damaged("history has no anchor or no rounds")
    return HistoryPlan(
        text_of(read, "begun"),
        tuple(texts_of(read, "days")),
        anchor,
        text_of(read, "images"),
        rounds,
        text_of(read, "python"),
    )


def finished_histories(files: Iterable[RecordFile]) -> list[list[DayFile]]:
    """Return the newest whole history that is finished, and those that add to it, oldest first.

    Each as its files by day. Empty if no whole history is finished.
    """
    every = [group for group in histories(files) if is_finished(group)]
    whole = [place for place, group in enumerate(every) if group[0].plan.anchor is None]
    if not whole:
        return []
    base, *later = every[whole[-1] :]
    found, known = [base], {each.day for each in base}
    for group in later:
        plan = group[0].plan
        if _same_kind(plan, base[0].plan) and plan.anchor in known:
            found.append(group)
            known |= {each.day for each in group}
    return found


def histories(files: Iterable[RecordFile]) -> list[list[DayFile]]:
    """Return all histories, each as its files by day, the oldest first."""
    by_plan: dict[str, list[DayFile]] = defaultdict(list)
    for each in day_files(files):
        by_plan[each.plan.begun].append(each)
    return [sorted(by_plan[begun], key=lambda each: each.day) for begun in sorted(by_plan)]


def is_finished(group: Sequence[DayFile]) -> bool:
    """Return True if every day of a history was measured to its end."""
    days = {each.day for each in group if each.file.finished}
    return days == set(group[0].plan.days)


def _same_kind(one: HistoryPlan, other: HistoryPlan) -> bool:
    return (one.images, one.python) == (other.images, other.python)


def over_days(files: Iterable[RecordFile]) -> OverDays | None:
    """Return the newest finished history among the runs of one machine; None without one."""
    groups = finished_histories(files)
    if not groups:
        return None
    points: dict[tuple[str, StoreName, str], Point] = {}
    for group in groups:
        measured = [_Measured.of(each) for each in group]
        for point in _points(measured, points):
            points.setdefault((point.day, point.store, point.what), point)
    plan = groups[0][0].plan
    days = tuple(sorted({day for day, _, _ in points}))
    pairs = [pair for group in groups for pair in pairwise(map(_Measured.of, group))]
    changes = [*_changes_of_times(pairs), *_changes_of_sizes(pairs)]
    order = {key: place for place, key in enumerate(points)}
    return OverDays(
        days,
        plan.images,
        plan.rounds,
        tuple(sorted(points.values(), key=lambda each: (each.day, order[_key(each)]))),
        tuple(sorted(changes, key=lambda each: (each.store, each.day, each.what))),
    )


def _key(point: Point) -> tuple[str, StoreName, str]:
    return point.day, point.store, point.what


@dataclass(frozen=True)
class _Measured:
    """The records of one day by cell."""

    source: DayFile
    records: Mapping[CellName, Sequence[Record]]

    @classmethod
    def of(cls, source: DayFile) -> _Measured:
        records: dict[CellName, list[Record]] = defaultdict(list)
        for record in source.file.records():
            records[record.run.cell].append(record)
        return cls(source, records)

    @property
    def day(self) -> str:
        return self.source.day

    def why_not(self, cell: CellName) -> str | None:
        """Return why a cell has no time on this day; None if it has."""
        wrong = [each.run for each in self.records.get(cell, []) if each.run.status != "ok"]
        if wrong:
            return f"{wrong[0].status}: {wrong[0].message}"
        return None if self.records.get(cell) else "not measured"

    def timing(self, cell: CellName) -> Timing | None:
        """Return the samples of a cell; None if it failed or was skipped in a round."""
        if self.why_not(cell) is not None:
            return None
        return Timing(samples_by_block(self.records[cell]), run_shift=run_shift_of(cell))

    def sizes(self) -> dict[StoreName, float]:
        """Return stored bytes per byte of pixels."""
        found = {}
        for cell, records in self.records.items():
            noted = records[-1].run.record
            if noted.get("kind") == "data" and noted.get("stored_bytes"):
                found[cell.store] = noted["stored_bytes"] / noted["set_pixel_bytes"]
        return found


def _points(
    measured: Sequence[_Measured], known: Mapping[tuple[str, StoreName, str], Point]
) -> Iterable[Point]:
    """Yield the points of one history; `known` are those of the histories before it."""
    cells = list(dict.fromkeys(cell for each in measured for cell in each.records))
    anchor = measured[0].source.plan.anchor
    base = next((each for each in measured if each.day == anchor), None)
    for each in measured:
        sizes = each.sizes()
        when = each.source.plan.begun[:10]
        for cell in cells:
            what = OPERATIONS[cell.kind].name
            timing, why_not = each.timing(cell), each.why_not(cell) or ""
            value = None if timing is None else typical(timing.blocks).estimate
            before = known.get((anchor, cell.store, what)) if anchor is not None else None
            if timing is not None and base is not None and before is not None:
                value = _chained(timing, base.timing(cell), before.value)
                why_not = "" if value is not None else f"not comparable: {before.message}"
            yield Point(each.day, cell.store, what, value, why_not, when)
        for store in dict.fromkeys(cell.store for cell in cells):
            missing = "" if store in sizes else "not stored"
            yield Point(each.day, store, BYTES, sizes.get(store), missing, when)


def _chained(timing: Timing, base: Timing | None, before: float | None) -> float | None:
    """Return seconds relative to the anchor's `before`; None if the anchor has no time."""
    ratio = None if base is None else timing.over(base)
    return None if ratio is None or before is None else before * ratio.estimate


Pairs = Sequence[tuple[_Measured, _Measured]]


def _changes_of_times(pairs: Pairs) -> list[Change]:
    """Return changes of neighbouring days at a false discovery rate of 5% over all of them."""
    by_rounds: dict[int, dict[str, tuple[_Measured, _Measured, CellName]]] = defaultdict(dict)
    for one, other in pairs:
        for cell in one.records:
            if one.timing(cell) is not None and other.timing(cell) is not None:
                rounds = one.source.plan.rounds
                by_rounds[rounds][f"{one.day} {other.day} {cell}"] = (one, other, cell)
    found = []
    for rounds, cells in by_rounds.items():
        if rounds < 2:  # one round tells nothing of its own noise
            continue
        sides = {
            name: (one.timing(cell), other.timing(cell))
            for name, (one, other, cell) in cells.items()
        }
        for name, judgement in judge(sides, single_look(rounds)).items():
            ratio = judgement.ratio
            if judgement.verdict in (Verdict.FASTER, Verdict.SLOWER) and ratio is not None:
                one, other, cell = cells[name]
                change = _change(one, other, cell.store, OPERATIONS[cell.kind].name, ratio.estimate)
                found.append(replace(change, low=ratio.low, high=ratio.high))
    return found


def _changes_of_sizes(pairs: Pairs) -> list[Change]:
    found = []
    for one, other in pairs:
        before, after = one.sizes(), other.sizes()
        for store in before.keys() & after.keys():
            ratio = after[store] / before[store]
            if abs(ratio - 1) > SIZE_CHANGE:
                found.append(_change(one, other, store, BYTES, ratio))
    return found


def _change(one: _Measured, other: _Measured, store: StoreName, what: str, ratio: float) -> Change:
    releases = _releases(store, one.source.info.libraries, other.source.info.libraries)
    return Change(one.day, other.day, store, what, ratio, None, None, releases)


def _releases(
    store: StoreName, before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the libraries of a store that changed between two days."""
    try:
        needs = needs_of(store)
    except UserError:  # a store that is no longer registered
        needs = tuple(sorted(before))
    return tuple(
        f"{name} {before[name]} → {after[name]}"
        for name in needs
        if name in before and name in after and before[name] != after[name]
    )
