"""The table of stores and operations: every cell relative to the floor.

A row is a store on an image set, warm or cold; a column is an operation with its details. All rows
are in the page, so it is complete without its script, which sorts and filters them.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from platebench.results.operations import measured_once, operation_named, operation_names
from platebench.results.questions import first_image_set, image_sets_in, in_order, stored
from platebench.results.ranking import rank
from platebench.results.report import figure, seconds
from platebench.results.tidy import CellResult
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.stores.name import StoreName
from platebench.stores.part_list import NAME
from platebench.stores.registry import FLOOR

SHADES = (1.25, 2.5, 5.0, 20.0)
"""Limits of the shades, in multiples of the floor."""

Column = tuple[str, str]
"""An operation's name and its detail."""

RowKey = tuple[StoreName, str, str]
"""A store, an image set, and warm or cold."""


@dataclass(frozen=True)
class Head:
    """The head of a column. `hidden`: no row of the first view has a figure in it."""

    operation: str
    detail: str
    says: str
    hidden: bool

    @property
    def key(self) -> str:
        """The column's name in the address of the page."""
        return f"{self.operation} {self.detail}".strip()


@dataclass(frozen=True)
class Entry:
    """One entry of the table: a figure, or the reason why there is none.

    `value` is the time relative to the floor, `reach` half the width of its interval (0.05 is
    +-5%), `place` the store's position among those measured in the same way, by which the column is
    sorted, `rank` the same with ties. `shade` is 0 (as fast as the floor) to 4. `note` has times,
    memory and samples.
    """

    status: str
    value: float | None = None
    place: int | None = None
    rank: str = ""
    text: str = ""
    reach: float | None = None
    shade: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A store on an image set, warm or cold. `leads` is True for the first store of its layout."""

    store: StoreName
    images: str
    cache: str
    size: float | None
    files: int | None
    entries: Sequence[Entry]
    hidden: bool
    leads: bool

    @property
    def parts(self) -> list[str]:
        """The store's format, layout and tuning."""
        return [self.store.format, self.store.layout, self.store.tuning]


CACHES = ("warm", "cold")
TROUBLES = ("failed", "skipped")
NOT_MEASURED = Entry("absent")
MEASURED_ONCE = Entry("without", text=f"{NAME}, see floor")


def section(published: Published) -> Section | None:
    """Return the table. Its first view is the headline image set, warm."""
    cells = published.cells
    if not cells:
        return None
    first = (first_image_set(cells), "warm")
    by_row = _by_row(cells)
    columns = _columns(cells)
    places = _places(cells)
    shown = {column for key in by_row if key[1:] == first for column in by_row[key]}
    html = render(
        "grid.html",
        heads=[_head(column, column not in shown) for column in columns],
        rows=_rows(by_row, columns, first, places),
        formats=_parts(cells, "format"),
        layouts=_parts(cells, "layout"),
        tunings=_parts(cells, "tuning"),
        sets=image_sets_in(cells),
        first=first,
        caches=[cache for cache in CACHES if cache in {cell.cache for cell in cells}],
        shades=SHADES,
        one_round=all(cell.rounds < 2 for cell in cells),
        troubles=_troubles(cells),
    )
    return Section("table", "Every store, every operation", html)


def _by_row(cells: Sequence[CellResult]) -> Mapping[RowKey, Mapping[Column, CellResult]]:
    rows: dict[RowKey, dict[Column, CellResult]] = defaultdict(dict)
    for cell in cells:
        rows[cell.store, cell.image_set, cell.cache][cell.operation, cell.detail] = cell
    return rows


Places = Mapping[tuple[StoreName, str, str, str, str], tuple[int, str]]
"""Position and rank by store, image set, cache, operation and detail."""


def _places(cells: Sequence[CellResult]) -> Places:
    """Rank the stores of every column on every image set; the floor is at position 0."""
    groups: dict[tuple[str, str, str, str], list[CellResult]] = defaultdict(list)
    for cell in cells:
        groups[cell.image_set, cell.cache, cell.operation, cell.detail].append(cell)
    found: dict[tuple[StoreName, str, str, str, str], tuple[int, str]] = {}
    for key, mine in groups.items():
        ranking = rank(mine)
        places, ranks = ranking.places(), ranking.ranks()
        found |= {(store, *key): (place, ranks[store]) for store, place in places.items()}
    return found


def _columns(cells: Sequence[CellResult]) -> list[Column]:
    """Return the columns in the order of the operations."""
    names = operation_names()
    found = {(cell.operation, cell.detail) for cell in cells}
    return sorted(found, key=lambda column: (names.index(column[0]), column[1]))


def _head(column: Column, hidden: bool) -> Head:
    operation, detail = column
    return Head(operation, detail, operation_named(operation).says, hidden)


def _rows(
    by_row: Mapping[RowKey, Mapping[Column, CellResult]],
    columns: Sequence[Column],
    first: tuple[str | None, str],
    places: Places,
) -> list[Row]:
    sizes = _sizes(by_row)
    stores = in_order([store for store, _, _ in by_row])
    leading = {_layout(store): store for store in reversed(stores)}
    sets = image_sets_in([cell for cells in by_row.values() for cell in cells.values()])
    return [
        Row(
            *key,
            size=None if (size := sizes[key[:2]]) is None else size.bytes_per_pixel_byte,
            files=None if size is None else size.stored_files,
            entries=[
                _entry(by_row[key].get(column), column, key, places.get((*key, *column)))
                for column in columns
            ],
            hidden=key[1:] != first,
            leads=leading[_layout(key[0])] == key[0],
        )
        for key in product(stores, sets, CACHES)
        if key in by_row
    ]


def _layout(store: StoreName) -> tuple[str, str]:
    return store.format, store.layout


def _sizes(
    by_row: Mapping[RowKey, Mapping[Column, CellResult]],
) -> Mapping[tuple[StoreName, str], CellResult | None]:
    """Return a cell with the size of each store on each image set, for both caches."""
    together: dict[tuple[StoreName, str], list[CellResult]] = defaultdict(list)
    for (store, images, _), cells in by_row.items():
        together[store, images] += cells.values()
    return {key: stored(cells) for key, cells in together.items()}


def _entry(
    cell: CellResult | None, column: Column, row: RowKey, place: tuple[int, str] | None
) -> Entry:
    if cell is None:
        missing = row[2] == "warm" and measured_once(column[0], row[0])
        return MEASURED_ONCE if missing else NOT_MEASURED
    if cell.status != "ok" or cell.median_s is None:
        return Entry(cell.status, note=cell.message)
    if cell.floor_ratio is None:
        return Entry("ok", text=seconds(cell.median_s), note=f"no floor to compare; {_note(cell)}")
    position, said = place or (0, "")
    return Entry(
        "ok",
        cell.floor_ratio,
        position,
        said,
        figure(cell.floor_ratio),
        cell.floor_reach,
        bisect(SHADES, cell.floor_ratio),
        "; ".join(part for part in (f"rank {said}" if said else "", _note(cell)) if part),
    )


def _note(cell: CellResult) -> str:
    """Return a cell's times, memory and samples in one line."""
    assert cell.median_s is not None
    said = [seconds(cell.median_s)]
    if cell.q25_s is not None and cell.q75_s is not None and cell.samples > 1:
        said.append(f"quartiles {seconds(cell.q25_s)} to {seconds(cell.q75_s)}")
    if cell.cpu_s is not None:
        said.append(f"CPU {seconds(cell.cpu_s)}")
    if cell.peak_bytes is not None:
        said.append(f"peak {figure(cell.peak_bytes / 1e6)} MB")
    said.append(_count(cell.samples, "sample") + f" in {_count(cell.rounds, 'round')}")
    return ", ".join(said)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _parts(cells: Sequence[CellResult], part: str) -> list[str]:
    """Return the measured formats, layouts or tunings, in the order of the stores.

    The floor's come last: its only tuning is `fast`, and `default` shall be first.
    """
    stores = sorted(in_order([cell.store for cell in cells]), key=lambda name: name == FLOOR)
    return list(dict.fromkeys(getattr(store, part) for store in stores))


def _troubles(cells: Sequence[CellResult]) -> Mapping[str, int]:
    """Return the numbers of failed and of skipped cells, without zeros."""
    counts = {status: sum(cell.status == status for cell in cells) for status in TROUBLES}
    return {status: count for status, count in counts.items() if count}
