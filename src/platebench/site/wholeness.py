"""Whether the run is whole: what was to be measured, what was, and what was left out.

What was to be measured is in the run's settings: `reference` lists parts, each with its image
set, stores, operations, rounds and number of cells; a run without it is one such part. Which cells
an operation has (1 row or 16, reopened or kept) is told by the cells that were measured.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, NamedTuple

from platebench.results.measurement import CellName
from platebench.results.operations import (
    NEWCOMER_DETAILS,
    OPERATIONS,
    Operation,
    called,
    operation_names,
)
from platebench.results.records import Record, RunInfo
from platebench.results.strict_json import Damaged, count_of, object_of, texts_of
from platebench.results.telling import say_once
from platebench.results.tidy import RANKS, worst
from platebench.site.grid import in_order, versions_missing
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.stores.registry import FORMATS, names

BRIEF = ("newcomer", "quick")
"""Settings that measure some details of operations only."""


class Kind(NamedTuple):
    """What cells of all stores and image sets share: the benchmark and the details."""

    benchmark: str
    details: tuple[str, ...]

    @property
    def benchmark_class(self) -> str:
        """The benchmark's class, which says the operation."""
        return CellName(self.benchmark, ()).kind

    @property
    def called(self) -> str:
        """What a pattern of the plan is held against."""
        return called(self.benchmark_class, self.details)

    @property
    def operation(self) -> Operation:
        """What is done."""
        return OPERATIONS[self.benchmark_class]

    @property
    def title(self) -> str:
        """The operation and its details, as in `take 16 scattered kept` or `scan cold`."""
        cold = ["cold"] if self.operation.cache == "cold" else []
        return " ".join([self.operation.name, *cold, *self.details])

    def suits(self, store: str) -> bool:
        """Say whether a store's format has the operation."""
        return not versions_missing(self.operation.name, store)


@dataclass(frozen=True)
class Part:
    """One part of a plan: these stores and operations on these image sets, in so many rounds.

    `operations` are names, or patterns of a benchmark class and its details, as `RandomRows 1 *`;
    `cells` is their number, None where it was not written down.
    """

    images: tuple[str, ...]
    stores: tuple[str, ...]
    operations: tuple[str, ...]
    rounds: int
    cells: int | None

    def asks_for(self, kind: Kind) -> bool:
        """Say whether a kind of cell is among this part's operations."""
        return any(
            kind.operation.name == each or fnmatch(kind.called, each) for each in self.operations
        )

    def said(self, kinds: Sequence[Kind]) -> list[str]:
        """Return the operations in words; a pattern by what was measured of it."""
        said: list[str] = []
        for each in self.operations:
            titles = [kind.title for kind in kinds if fnmatch(kind.called, each)]
            said += [each] if each in operation_names() or not titles else titles
        return said

    def planned(self, kinds: Iterable[Kind]) -> list[CellName]:
        """Return the cells of this part that are of these kinds."""
        return [
            CellName(kind.benchmark, (store, images, *kind.details))
            for images in self.images
            for kind in kinds
            if self.asks_for(kind)
            for store in self.stores
            if kind.suits(store)
        ]


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
    """Why cells have no figure, and which stores, image sets and operations it happened to."""

    status: str
    message: str
    stores: tuple[str, ...]
    images: tuple[str, ...]
    operations: tuple[str, ...]
    cells: int


class LeftOut(NamedTuple):
    """Stores that were not to be measured in some operations on some image sets.

    `*` alone is every store that has the operations.
    """

    images: tuple[str, ...]
    operations: tuple[str, ...]
    stores: tuple[str, ...]


def section(published: Published) -> Section:
    """Return what was planned and what is there, by image set and operation."""
    info = published.info
    rows = wholeness(published)
    absent = never_begun(published)
    kinds = _kinds(published)
    return Section(
        anchor="wholeness",
        title="What was measured",
        html=render(
            "wholeness.html",
            finished=published.finished,
            whole=published.finished and not absent and all(row.whole for row in rows),
            parts=[(part, part.said(kinds)) for part in plan(info)],
            brief=[name for name in BRIEF if info.settings.get(name)],
            passed_over=_passed_over(info),
            absent=absent,
            rows=rows,
            reasons=reasons(published),
            said=_said(info),
            left_out=left_out(published),
        ),
    )


def plan(info: RunInfo) -> list[Part]:
    """Return what was to be measured; nothing when the settings do not say it.

    Settings of another shape, of a version to come or damaged, are said and count as none.
    """
    try:
        if "reference" in info.settings:
            parts = object_of(info.settings, "reference").get("parts")
            if not isinstance(parts, list) or not all(isinstance(each, dict) for each in parts):
                raise Damaged("parts is not a list of objects")
            return [_part(each, info) for each in parts]
        return [_part(info.settings, info)] if "stores" in info.settings else []
    except Damaged as reason:
        say_once(f"{info.machine}/{info.file_name}: settings: {reason}; its plan is left out")
        return []


def _part(settings: dict[str, Any], info: RunInfo) -> Part:
    images = settings.get("images", info.images)
    passed_over = _passed_over(info)
    every = [name for name in operation_names() if name not in passed_over]
    cells = settings.get("cells")
    return Part(
        images=tuple(
            texts_of({"images": [images] if isinstance(images, str) else images}, "images")
        ),
        stores=tuple(texts_of(settings, "stores")),
        operations=tuple(texts_of(settings, "operations") or every),
        rounds=count_of(settings.get("rounds"), "rounds", 1),
        cells=None if cells is None else count_of(cells, "cells"),
    )


def _said(info: RunInfo) -> list[str]:
    """Return what a plan says itself of what it leaves out."""
    reference = info.settings.get("reference")
    said = reference.get("left_out") if isinstance(reference, dict) else None
    return [each for each in said if isinstance(each, str)] if isinstance(said, list) else []


def _passed_over(info: RunInfo) -> list[str]:
    """Return the operations that a newcomer's run or a quick look passes over, if this is one."""
    if not any(info.settings.get(name) for name in BRIEF):
        return []
    kept = {
        operation.name
        for benchmark_class, operation in OPERATIONS.items()
        if NEWCOMER_DETAILS.get(benchmark_class) != set()
    }
    return [name for name in operation_names() if name not in kept]


def never_begun(published: Published) -> list[str]:
    """Return the parts and operations of the plan of which there are fewer cells than planned.

    Those cells are of kinds that were never begun, so that `wholeness` has no row of them.
    """
    kinds = _kinds(published)
    known = {kind.operation.name for kind in kinds}
    return [
        f"{', '.join(part.images)}: {', '.join(part.operations)}"
        for part in plan(published.info)
        if part.cells is not None and len(part.planned(kinds)) < part.cells
    ] + [
        f"{', '.join(part.images)}: {name}"
        for part in plan(published.info)
        for name in part.operations
        if name in operation_names() and name not in known and _any_able(part.stores, name)
    ]


def _any_able(stores: Iterable[str], operation: str) -> bool:
    """Say whether any of the stores' formats has the operation."""
    return any(not versions_missing(operation, store) for store in stores)


def wholeness(published: Published) -> list[Row]:
    """Return a row for each image set and operation, in their order."""
    seen: dict[CellName, dict[int, str]] = defaultdict(dict)
    for record in published.records:
        seen[record.run.cell][record.round] = record.run.status
    groups: dict[tuple[str, str], dict[CellName, int]] = defaultdict(dict)
    for cell, rounds in _expected(published).items():
        groups[cell.params[1], Kind(cell.benchmark, ()).title][cell] = rounds
    return [_row(*named, expected, seen) for named, expected in groups.items()]


def _row(
    images: str,
    operation: str,
    expected: Mapping[CellName, int],
    seen: Mapping[CellName, Mapping[int, str]],
) -> Row:
    begun = {cell: rounds for cell, rounds in expected.items() if cell in seen}
    statuses = Counter(min(seen[cell].values(), key=RANKS.__getitem__) for cell in begun)
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


def _expected(published: Published) -> dict[CellName, int]:
    """Return every cell that was to be measured, and in how many rounds, in their order.

    Without a plan these are the cells that were measured, in the most rounds that any has.
    """
    parts = plan(published.info)
    kinds = _kinds(published)
    if not parts:
        rounds = max((record.round for record in published.records), default=0)
        return {record.run.cell: rounds for record in published.records}
    images = dict.fromkeys(images for part in parts for images in part.images)
    rounds_of = {cell: part.rounds for part in parts for cell in part.planned(kinds)}
    places = {name: place for place, name in enumerate(images)}
    order = {kind: place for place, kind in enumerate(kinds)}

    def place(cell: CellName) -> tuple[int, int]:
        return places[cell.params[1]], order[Kind(cell.benchmark, cell.params[2:])]

    return {cell: rounds_of[cell] for cell in sorted(rounds_of, key=place)}


def _kinds(published: Published) -> list[Kind]:
    """Return every kind of cell that was measured at all, operations in their order."""
    places = list(OPERATIONS)
    cells = {record.run.cell for record in published.records}
    found = {Kind(cell.benchmark, cell.params[2:]) for cell in cells}
    return sorted(found, key=lambda kind: (places.index(kind.benchmark_class), kind))


def reasons(published: Published) -> list[Reason]:
    """Return why cells have no figure, failures first, alike ones together."""
    by_cell: dict[CellName, list[Record]] = defaultdict(list)
    for record in published.records:
        by_cell[record.run.cell].append(record)
    alike: dict[tuple[str, str], list[CellName]] = defaultdict(list)
    for cell, records in by_cell.items():
        run = worst(records).run
        if run.status != "ok":
            alike[run.status, run.message].append(cell)
    found = [_reason(*said, cells) for said, cells in alike.items()]
    return sorted(found, key=lambda reason: (RANKS[reason.status], reason.message))


def _reason(status: str, message: str, cells: Sequence[CellName]) -> Reason:
    kinds = (Kind(cell.benchmark, cell.params[2:]) for cell in cells)
    return Reason(
        status,
        message,
        shortened({cell.params[0] for cell in cells}),
        _each(cell.params[1] for cell in cells),
        _each(kind.title for kind in kinds),
        len(cells),
    )


def left_out(published: Published) -> list[LeftOut]:
    """Return the stores that the plan leaves out, by image set and operations, alike ones together.

    Nothing when the settings say no plan.
    """
    parts = plan(published.info)
    kinds = _kinds(published)
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for images in _each(images for part in parts for images in part.images):
        mine = [part for part in parts if images in part.images]
        by_stores: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for kind in kinds:
            by_stores[_not_planned(mine, kind)].append(kind.title)
        for stores, operations in by_stores.items():
            if stores:
                alike[tuple(operations), stores].append(images)
    return [
        LeftOut(tuple(images), operations, stores) for (operations, stores), images in alike.items()
    ]


def _not_planned(parts: Sequence[Part], kind: Kind) -> tuple[str, ...]:
    planned = {store for part in parts if part.asks_for(kind) for store in part.stores}
    able = {name for name in names() if kind.suits(name)}
    return shortened(able - planned) if able & planned else ("*",)


def shortened(stores: Iterable[str]) -> tuple[str, ...]:
    """Return the names of stores in the registry's order, all of a format or layout as one.

    `parquet:nested:*` is all of a layout, `parquet:*` all of a format. Stores that are registered
    no longer come last.
    """
    wanted = set(stores)
    short: list[str] = []
    for format_ in FORMATS:
        groups = [(f"{format_.name}:", format_.names)] + [
            (start, [name for name in format_.names if name.startswith(start)])
            for start in (f"{format_.name}:{layout}:" for layout in format_.variants)
        ]
        for start, every in groups:
            if len(every) > 1 and wanted.issuperset(every):
                short.append(f"{start}*")
                wanted -= set(every)
        short += [name for name in format_.names if name in wanted]
        wanted -= set(format_.names)
    return (*short, *in_order(list(wanted)))


def _each(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
