"""Whether a run is complete: what was planned, what was measured, and what was left out.

The plan is in the run's first line (`plan`). The details of an operation, such as 1 row or 16, are
those of the cells that were measured.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import NamedTuple

from platebench.results.measurement import CellName, kind_of
from platebench.results.operations import (
    OPERATIONS,
    Operation,
    measured_once,
    operation_names,
    pattern_text,
)
from platebench.results.plan import PlanPart, RunPlan, is_brief, passed_over, plan_of
from platebench.results.questions import in_order
from platebench.results.records import Record, RunInfo
from platebench.results.tidy import SEVERITY, worst
from platebench.stores.name import StoreName
from platebench.stores.registry import FORMATS, names


class Variant(NamedTuple):
    """An operation with its details: what cells of all stores and image sets share."""

    benchmark: str
    details: tuple[str, ...]

    @property
    def benchmark_class(self) -> str:
        """The benchmark's class, the key of `OPERATIONS`."""
        return kind_of(self.benchmark)

    @property
    def operation(self) -> Operation:
        """The operation."""
        return OPERATIONS[self.benchmark_class]

    @property
    def title(self) -> str:
        """The operation and its details, such as `take 16 scattered kept` or `scan cold`."""
        cold = ["cold"] if self.operation.cache == "cold" else []
        return " ".join([self.operation.name, *cold, *self.details])

    def suits(self, store: StoreName) -> bool:
        """Return True if the operation is measured on the store."""
        return not measured_once(self.operation.name, store)


class Row(NamedTuple):
    """Counts of the cells of one operation on one image set.

    `missing` cells were planned and never begun. `missing_rounds` counts the processes that did not
    run, of cells that were begun.
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
    def complete(self) -> bool:
        """True if nothing planned is missing; a failure is a result."""
        return self.missing == 0 and self.missing_rounds == 0


class Reason(NamedTuple):
    """Why cells have no figure, with their stores, image sets and operations."""

    status: str
    message: str
    stores: tuple[str, ...]
    images: tuple[str, ...]
    operations: tuple[str, ...]
    cells: int


class LeftOut(NamedTuple):
    """Stores that the plan leaves out, for some operations on some image sets.

    `*` alone stands for every store that has the operations.
    """

    images: tuple[str, ...]
    operations: tuple[str, ...]
    stores: tuple[str, ...]


@dataclass(frozen=True)
class Completeness:
    """What a run planned and what it holds.

    `parts` are the plan's, each with its operations in words. `brief`: it is a short run.
    `passed_over` are the operations that it therefore leaves out. `absent` are
    planned operations with fewer cells than planned, of which `rows` knows nothing. `not_measured`
    are the plan's own sentences on what it leaves out.
    """

    rows: list[Row]
    parts: list[tuple[PlanPart, list[str]]]
    brief: bool
    passed_over: list[str]
    absent: list[str]
    reasons: list[Reason]
    not_measured: tuple[str, ...]
    left_out: list[LeftOut]

    @property
    def complete(self) -> bool:
        """True if no planned cell or round is missing."""
        return not self.absent and all(row.complete for row in self.rows)


def completeness(info: RunInfo, records: Sequence[Record]) -> Completeness:
    """Compare a run's plan with its records."""
    plan, variants = plan_of(info), _variants(records)
    return Completeness(
        rows=_rows(plan, variants, records),
        parts=[(part, _in_words(part, variants)) for part in plan.parts],
        brief=is_brief(info),
        passed_over=passed_over(info),
        absent=_absent(plan, variants),
        reasons=_reasons(records),
        not_measured=plan.left_out,
        left_out=_left_out(plan, variants),
    )


def _variants(records: Iterable[Record]) -> list[Variant]:
    """Return every operation with details that was measured, operations in their order."""
    places = list(OPERATIONS)
    cells = {record.run.cell for record in records}
    found = {Variant(cell.benchmark, cell.details) for cell in cells}
    return sorted(found, key=lambda each: (places.index(each.benchmark_class), each))


def _in_words(part: PlanPart, variants: Sequence[Variant]) -> list[str]:
    """Return a part's operations; for a pattern, the titles of what was measured of it."""
    said: list[str] = []
    for each in part.operations:
        titles = [
            variant.title
            for variant in variants
            if fnmatch(pattern_text(variant.benchmark_class, variant.details), each)
        ]
        said += [each] if each in operation_names() or not titles else titles
    return said


def _planned(part: PlanPart, variants: Iterable[Variant]) -> list[CellName]:
    """Return a part's cells, as far as their operations and details were measured at all."""
    return [
        CellName(variant.benchmark, store, images, variant.details)
        for images in part.images
        for variant in variants
        if part.includes(variant.benchmark_class, variant.details)
        for store in part.stores
        if variant.suits(store)
    ]


def _absent(plan: RunPlan, variants: Sequence[Variant]) -> list[str]:
    """Return the planned parts and operations of which there are fewer cells than planned."""
    known = {variant.operation.name for variant in variants}
    return [
        f"{', '.join(part.images)}: {', '.join(part.operations)}"
        for part in plan.parts
        if part.count is not None and len(_planned(part, variants)) < part.count
    ] + [
        f"{', '.join(part.images)}: {name}"
        for part in plan.parts
        for name in part.operations
        if name in operation_names()
        and name not in known
        and any(not measured_once(name, store) for store in part.stores)
    ]


def _rows(plan: RunPlan, variants: Sequence[Variant], records: Sequence[Record]) -> list[Row]:
    """Return a row per image set and operation, in their order."""
    seen: dict[CellName, dict[int, str]] = defaultdict(dict)
    for record in records:
        seen[record.run.cell][record.round] = record.run.status
    groups: dict[tuple[str, str], dict[CellName, int]] = defaultdict(dict)
    for cell, rounds in _expected(plan, variants, records).items():
        groups[cell.images, Variant(cell.benchmark, ()).title][cell] = rounds
    return [_row(*named, expected, seen) for named, expected in groups.items()]


def _row(
    images: str,
    operation: str,
    expected: Mapping[CellName, int],
    seen: Mapping[CellName, Mapping[int, str]],
) -> Row:
    begun = {cell: rounds for cell, rounds in expected.items() if cell in seen}
    statuses = Counter(min(seen[cell].values(), key=SEVERITY.__getitem__) for cell in begun)
    lacking = (
        rounds - sum(number <= rounds for number in seen[cell]) for cell, rounds in begun.items()
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


def _expected(
    plan: RunPlan, variants: Sequence[Variant], records: Sequence[Record]
) -> dict[CellName, int]:
    """Return the planned cells and their rounds, in order.

    Without a plan these are the measured cells, each with the most rounds of any cell.
    """
    if not plan.parts:
        rounds = max((record.round for record in records), default=0)
        return {record.run.cell: rounds for record in records}
    rounds_of = {cell: part.rounds for part in plan.parts for cell in _planned(part, variants)}
    places = {name: place for place, name in enumerate(plan.image_sets)}
    order = {variant: place for place, variant in enumerate(variants)}

    def place(cell: CellName) -> tuple[int, int]:
        return places[cell.images], order[Variant(cell.benchmark, cell.details)]

    return {cell: rounds_of[cell] for cell in sorted(rounds_of, key=place)}


def _reasons(records: Iterable[Record]) -> list[Reason]:
    """Return why cells have no figure, failures first; equal reasons are merged."""
    by_cell: dict[CellName, list[Record]] = defaultdict(list)
    for record in records:
        by_cell[record.run.cell].append(record)
    equal: dict[tuple[str, str], list[CellName]] = defaultdict(list)
    for cell, mine in by_cell.items():
        run = worst(mine).run
        if run.status != "ok":
            equal[run.status, run.message].append(cell)
    found = [_reason(*said, cells) for said, cells in equal.items()]
    return sorted(found, key=lambda reason: (SEVERITY[reason.status], reason.message))


def _reason(status: str, message: str, cells: Sequence[CellName]) -> Reason:
    variants = (Variant(cell.benchmark, cell.details) for cell in cells)
    return Reason(
        status,
        message,
        shortened({cell.store for cell in cells}),
        _unique(cell.images for cell in cells),
        _unique(variant.title for variant in variants),
        len(cells),
    )


def _left_out(plan: RunPlan, variants: Sequence[Variant]) -> list[LeftOut]:
    """Return the stores that the plan leaves out, equal entries merged."""
    equal: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for images in plan.image_sets:
        mine = [part for part in plan.parts if images in part.images]
        by_stores: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for variant in variants:
            by_stores[_not_planned(mine, variant)].append(variant.title)
        for stores, operations in by_stores.items():
            if stores:
                equal[tuple(operations), stores].append(images)
    return [
        LeftOut(tuple(images), operations, stores) for (operations, stores), images in equal.items()
    ]


def _not_planned(parts: Sequence[PlanPart], variant: Variant) -> tuple[str, ...]:
    planned = {
        store
        for part in parts
        if part.includes(variant.benchmark_class, variant.details)
        for store in part.stores
    }
    able = {name for name in names() if variant.suits(name)}
    return shortened(able - planned) if able & planned else ("*",)


def shortened(stores: Iterable[StoreName]) -> tuple[str, ...]:
    """Return store names in the order of the registry, with whole formats and layouts as patterns.

    `parquet:nested:*` stands for a whole layout, `parquet:*` for a whole format. Stores that are no
    longer registered come last.
    """
    wanted = set(stores)
    short: list[str] = []
    for format_ in FORMATS:
        groups = [(f"{format_.name}:*", format_.stores)] + [
            (
                f"{format_.name}:{layout}:*",
                [name for name in format_.stores if name.layout == layout],
            )
            for layout in format_.variants
        ]
        for pattern, every in groups:
            if len(every) > 1 and wanted.issuperset(every):
                short.append(pattern)
                wanted -= set(every)
        short += [str(name) for name in format_.stores if name in wanted]
        wanted -= set(format_.stores)
    return (*short, *map(str, in_order(list(wanted))))


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
