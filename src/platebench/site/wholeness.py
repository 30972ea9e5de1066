"""Whether the run is whole: what was to be measured, what was, and what was left out.

What was to be measured is in the run's settings: `reference` lists parts, each with its image
sets, stores, operations and rounds; a run without it is one such part. Which cells an operation
has (1 row or 16, reopened or kept) is told by the cells that were measured.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from platebench.results.records import RunInfo
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.stores.registry import FORMATS, format_of, names
from platebench.timing.operations import (
    NEWCOMER_DETAILS,
    OPERATIONS,
    Operation,
    operation_names,
)
from platebench.timing.suite import CellName

BRIEF = ("newcomer", "quick")
"""Settings that measure some details of operations only."""


@dataclass(frozen=True)
class Part:
    """One part of a plan: these stores and operations on these image sets, in so many rounds."""

    images: tuple[str, ...]
    stores: tuple[str, ...]
    operations: tuple[str, ...]
    rounds: int


class Row(NamedTuple):
    """How much of one operation on one image set is there, in cells; `missing_rounds` are
    processes that were to run and did not, of cells that were begun. `missing` cells never were.
    """

    images: str
    operation: str
    planned: int
    measured: int
    failed: int
    skipped: int
    missing: int
    missing_rounds: int

    @property
    def whole(self) -> bool:
        """Whether nothing that was to be measured is missing; a failure is a result."""
        return self.missing == 0 and self.missing_rounds == 0


class Reason(NamedTuple):
    """Why a cell has no figure, and which stores, image sets and operations it happened to."""

    status: str
    message: str
    stores: tuple[str, ...]
    images: tuple[str, ...]
    operations: tuple[str, ...]
    cells: int


class LeftOut(NamedTuple):
    """Stores that were not to be measured in some operations on some image sets."""

    images: tuple[str, ...]
    operations: tuple[str, ...]
    stores: tuple[str, ...]


def section(published: Published) -> Section:
    """Return what was planned and what is there, by image set and operation."""
    rows = wholeness(published)
    absent = not_begun(published)
    return Section(
        anchor="wholeness",
        title="What was measured, and what was not",
        html=render(
            "wholeness.html",
            finished=published.finished,
            whole=published.finished and not absent and all(row.whole for row in rows),
            parts=plan(published.info),
            brief=[name for name in BRIEF if published.info.settings.get(name)],
            passed_over=not_in_brief(published.info),
            absent=absent,
            rows=rows,
            reasons=reasons(published),
            left_out=left_out(published.info),
            reference="reference" in published.info.settings,
        ),
    )


def plan(info: RunInfo) -> list[Part]:
    """Return what was to be measured; nothing when the settings do not say it."""
    settings = info.settings
    parts = settings.get("reference") or ([settings] if "stores" in settings else [])
    passed_over = not_in_brief(info)
    every = [name for name in operation_names() if name not in passed_over]
    return [_part(each, info.images, every) for each in parts]


def not_in_brief(info: RunInfo) -> list[str]:
    """Return the operations that a newcomer's run or a quick look passes over, if this is one."""
    if not any(info.settings.get(name) for name in BRIEF):
        return []
    measured = {
        operation.name
        for kind, operation in OPERATIONS.items()
        if NEWCOMER_DETAILS.get(kind) != set()
    }
    return [name for name in operation_names() if name not in measured]


def not_begun(published: Published) -> list[str]:
    """Return the operations that were to be measured and of which there is not one cell."""
    seen = {OPERATIONS[record.run.cell.kind].name for record in published.records}
    planned = {
        name
        for part in plan(published.info)
        for name in part.operations
        if any(_able(store, name) for store in part.stores)
    }
    return [name for name in operation_names() if name in planned - seen]


def _able(store: str, operation: str) -> bool:
    """Say whether a store's format has the operation."""
    on_versions = any(each.name == operation and each.on_versions for each in OPERATIONS.values())
    return not on_versions or format_of(store).versioned


def _part(settings: Mapping[str, Any], images: Sequence[str], every: Sequence[str]) -> Part:
    named = settings.get("images", images)
    return Part(
        images=(named,) if isinstance(named, str) else tuple(named),
        stores=tuple(settings["stores"]),
        operations=tuple(settings["operations"]) or tuple(every),
        rounds=settings["rounds"],
    )


def wholeness(published: Published) -> list[Row]:
    """Return a row for each image set and operation, in their order."""
    expected = _expected(published)
    seen: dict[CellName, dict[int, str]] = defaultdict(dict)
    for record in published.records:
        seen[record.run.cell][record.round] = record.run.status
    groups: dict[tuple[str, str], list[CellName]] = defaultdict(list)
    for cell in expected:
        operation = OPERATIONS[cell.kind]
        groups[cell.params[1], _title(operation)].append(cell)
    return [
        _row(images, operation, {cell: expected[cell] for cell in cells}, seen)
        for (images, operation), cells in groups.items()
    ]


def _row(
    images: str,
    operation: str,
    expected: Mapping[CellName, int],
    seen: Mapping[CellName, Mapping[int, str]],
) -> Row:
    statuses = Counter(_worst(seen[cell].values()) for cell in expected if cell in seen)
    begun = {cell: rounds for cell, rounds in expected.items() if cell in seen}
    lacking = (
        sum(number not in seen[cell] for number in range(1, rounds + 1))
        for cell, rounds in begun.items()
    )
    return Row(
        images=images,
        operation=operation,
        planned=len(expected),
        measured=statuses["ok"],
        failed=statuses["failed"],
        skipped=statuses["skipped"],
        missing=len(expected) - len(begun),
        missing_rounds=sum(lacking),
    )


def _expected(published: Published) -> dict[CellName, int]:
    """Return every cell that was to be measured, in its order, and in how many rounds.

    Without a plan these are the cells that were measured, in the most rounds that any has.
    """
    known = _kinds(published)
    parts = plan(published.info)
    if not parts:
        rounds = max((record.round for record in published.records), default=0)
        return {cell: rounds for kind in known for cell in _cells_of(published, kind)}
    expected: dict[CellName, int] = {}
    for part in parts:
        for images in part.images:
            for benchmark, details in known:
                for cell in _planned(part, images, benchmark, details):
                    expected[cell] = max(part.rounds, expected.get(cell, 0))
    return expected


def _kinds(published: Published) -> list[tuple[str, tuple[str, ...]]]:
    """Return each benchmark and detail that was measured at all, operations in their order."""
    places = list(OPERATIONS)
    found = {
        (record.run.cell.benchmark, record.run.cell.params[2:]) for record in published.records
    }
    return sorted(found, key=lambda kind: (places.index(_class_of(kind[0])), kind))


def _cells_of(published: Published, kind: tuple[str, tuple[str, ...]]) -> list[CellName]:
    cells = dict.fromkeys(record.run.cell for record in published.records)
    return [cell for cell in cells if (cell.benchmark, cell.params[2:]) == kind]


def _planned(part: Part, images: str, benchmark: str, details: tuple[str, ...]) -> list[CellName]:
    operation = OPERATIONS[_class_of(benchmark)]
    if operation.name not in part.operations:
        return []
    return [
        CellName(benchmark, (store, images, *details))
        for store in part.stores
        if _able(store, operation.name)
    ]


def reasons(published: Published) -> list[Reason]:
    """Return why cells have no figure, failures first, alike ones together."""
    worst: dict[CellName, tuple[str, str]] = {}
    for record in published.records:
        before = worst.get(record.run.cell)
        if before is None or _RANKS[record.run.status] < _RANKS[before[0]]:
            worst[record.run.cell] = (record.run.status, record.run.message)
    alike: dict[tuple[str, str], list[CellName]] = defaultdict(list)
    for cell, (status, message) in worst.items():
        if status != "ok":
            alike[status, message].append(cell)
    found = [
        Reason(
            status,
            message,
            _each(cell.params[0] for cell in cells),
            _each(cell.params[1] for cell in cells),
            _each(_title(OPERATIONS[cell.kind]) for cell in cells),
            len(cells),
        )
        for (status, message), cells in alike.items()
    ]
    return sorted(found, key=lambda reason: (_RANKS[reason.status], reason.message))


def left_out(info: RunInfo) -> list[LeftOut]:
    """Return the stores that the plan leaves out, by image set and operations, alike ones together.

    Nothing when the settings say no plan.
    """
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    parts = plan(info)
    for images in dict.fromkeys(images for part in parts for images in part.images):
        by_stores: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for operation in operation_names():
            by_stores[_not_planned(parts, images, operation)].append(operation)
        for stores, operations in by_stores.items():
            if stores:
                alike[tuple(operations), stores].append(images)
    return [
        LeftOut(tuple(images), operations, shortened(stores))
        for (operations, stores), images in alike.items()
    ]


def _not_planned(parts: Sequence[Part], images: str, operation: str) -> tuple[str, ...]:
    planned = {
        store
        for part in parts
        if images in part.images and operation in part.operations
        for store in part.stores
    }
    return tuple(name for name in names() if _able(name, operation) and name not in planned)


def shortened(stores: Sequence[str]) -> tuple[str, ...]:
    """Return the names of stores, `parquet:nested:*` for all of a layout, `parquet:*` of a format.

    The order is the registry's.
    """
    short: list[str] = []
    for format_ in FORMATS:
        mine = [name for name in format_.names if name in stores]
        if mine == format_.names:
            short.append(f"{format_.name}:*")
            continue
        for layout in format_.variants:
            start = f"{format_.name}:{layout}:"
            of_layout = [name for name in mine if name.startswith(start)]
            every = [name for name in format_.names if name.startswith(start)]
            short += [f"{start}*"] if of_layout == every else of_layout
    return tuple(short)


_RANKS = {"failed": 0, "skipped": 1, "ok": 2}
"""A failure in any round speaks for the cell."""


def _worst(statuses: Iterable[str]) -> str:
    return min(statuses, key=_RANKS.__getitem__)


def _class_of(benchmark: str) -> str:
    return CellName(benchmark, ()).kind


def _title(operation: Operation) -> str:
    return f"{operation.name}, cold" if operation.cache == "cold" else operation.name


def _each(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
