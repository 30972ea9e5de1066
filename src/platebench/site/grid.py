"""The table of stores and operations: every cell as a multiple of the floor.

A row is a store on an image set, warm or cold; a column an operation with its details. The rows
are written in full, so that the page says the same without its script, which sorts and filters.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from platebench.results.operations import OPERATIONS
from platebench.results.report import figure, seconds
from platebench.results.tidy import CellResult
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.site.sets import first_set, set_of, sets_in
from platebench.stores import registry
from platebench.stores.registry import FLOOR

SHADES = (1.25, 2.5, 5.0, 20.0)
"""Where a cell's shade changes, in multiples of the floor."""

Column = tuple[str, str]
"""An operation's name and its detail."""

RowKey = tuple[str, str, str]
"""A store, an image set, and warm or cold."""


@dataclass(frozen=True)
class Head:
    """What stands above a column. `hidden`: no row of the first view has a figure in it."""

    operation: str
    detail: str
    says: str
    hidden: bool

    @property
    def key(self) -> str:
        """The column's name in the address of a view."""
        return f"{self.operation} {self.detail}".strip()


@dataclass(frozen=True)
class Entry:
    """What stands in one place of the table: a figure, or the reason why there is none.

    `value` is the multiple of the floor that rows are sorted by, `reach` half its interval's
    width (0.05 is +-5%), `shade` 0 (as quick as the floor) to 4, `note` the rest that is known.
    """

    status: str
    value: float | None = None
    text: str = ""
    reach: float | None = None
    shade: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A store on an image set, warm or cold. `leads`: the first store of its layout."""

    store: str
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
        return self.store.split(":")


CACHES = ("warm", "cold")
TROUBLES = ("failed", "skipped")
NOT_MEASURED = Entry("absent")
NO_VERSIONS = Entry("without", text="no versions")


def section(published: Published) -> Section | None:
    """Return the table, which shows the main image set, warm, until it is asked for another."""
    cells = published.cells
    if not cells:
        return None
    first = (first_set(cells), "warm")
    by_row = _by_row(cells)
    columns = _columns(cells)
    shown = {column for key in by_row if key[1:] == first for column in by_row[key]}
    html = render(
        "grid.html",
        heads=[_head(column, column not in shown) for column in columns],
        rows=_rows(by_row, columns, first),
        formats=_parts(cells, "format"),
        layouts=_parts(cells, "layout"),
        tunings=_parts(cells, "tuning"),
        sets=sets_in(cells),
        first=first,
        caches=[cache for cache in CACHES if cache in {cell.cache for cell in cells}],
        shades=SHADES,
        one_round=all(cell.rounds < 2 for cell in cells),
        troubles=_troubles(cells),
    )
    return Section("table", "Every store, every operation", html)


def stored(cells: Sequence[CellResult]) -> CellResult | None:
    """Return the first of a store's cells on one image set that knows its bytes and files.

    Operations on versions are passed over: what they read holds more images.
    """
    plain = {each.name for each in OPERATIONS.values() if not each.on_versions}
    known = [cell for cell in cells if cell.operation in plain and cell.stored_bytes is not None]
    return known[0] if known else None


def in_order(stores: Sequence[str]) -> list[str]:
    """Return stores as they are registered, those no longer known last.

    So the default tuning of a layout stands beside its fast and small ones.
    """
    known = registry.names()
    return sorted(set(stores), key=lambda name: (name not in known, _index(known, name), name))


def versions_missing(cell_operation: str, store: str) -> bool:
    """Say whether an operation cannot be done because the store's format has no versions."""
    on_versions = {each.name for each in OPERATIONS.values() if each.on_versions}
    if cell_operation not in on_versions or store not in registry.names():
        return False
    return not registry.format_of(store).versioned


def _index(known: Sequence[str], name: str) -> int:
    return known.index(name) if name in known else len(known)


def _by_row(cells: Sequence[CellResult]) -> Mapping[RowKey, Mapping[Column, CellResult]]:
    rows: dict[RowKey, dict[Column, CellResult]] = defaultdict(dict)
    for cell in cells:
        rows[cell.store, set_of(cell), cell.cache][cell.operation, cell.detail] = cell
    return rows


def _columns(cells: Sequence[CellResult]) -> list[Column]:
    """Return the columns in the order operations are published in, whatever was measured first."""
    names = [each.name for each in OPERATIONS.values()]
    found = {(cell.operation, cell.detail) for cell in cells}
    return sorted(found, key=lambda column: (names.index(column[0]), column[1]))


def _head(column: Column, hidden: bool) -> Head:
    operation, detail = column
    says = next(each.says for each in OPERATIONS.values() if each.name == operation)
    return Head(operation, detail, says, hidden)


def _rows(
    by_row: Mapping[RowKey, Mapping[Column, CellResult]],
    columns: Sequence[Column],
    first: tuple[str | None, str],
) -> list[Row]:
    sizes = _sizes(by_row)
    stores = in_order([store for store, _, _ in by_row])
    leading = {_layout(store): store for store in reversed(stores)}
    sets = sets_in(cell for cells in by_row.values() for cell in cells.values())
    return [
        Row(
            *key,
            size=None if (size := sizes[key[:2]]) is None else size.bytes_per_pixel_byte,
            files=None if size is None else size.stored_files,
            entries=[_entry(by_row[key].get(column), column, key) for column in columns],
            hidden=key[1:] != first,
            leads=leading[_layout(key[0])] == key[0],
        )
        for key in product(stores, sets, CACHES)
        if key in by_row
    ]


def _layout(store: str) -> str:
    return store.rpartition(":")[0]


def _sizes(
    by_row: Mapping[RowKey, Mapping[Column, CellResult]],
) -> Mapping[tuple[str, str], CellResult | None]:
    """Return the cell that knows how large a store is on an image set; both caches share it."""
    together: dict[tuple[str, str], list[CellResult]] = defaultdict(list)
    for (store, images, _), cells in by_row.items():
        together[store, images] += cells.values()
    return {key: stored(cells) for key, cells in together.items()}


def _entry(cell: CellResult | None, column: Column, row: RowKey) -> Entry:
    if cell is None:
        missing = row[2] == "warm" and versions_missing(column[0], row[0])
        return NO_VERSIONS if missing else NOT_MEASURED
    if cell.status != "ok" or cell.median_s is None:
        return Entry(cell.status, note=cell.message)
    if cell.floor_ratio is None:
        return Entry("ok", text=seconds(cell.median_s), note=f"no floor to compare; {_note(cell)}")
    return Entry(
        "ok",
        cell.floor_ratio,
        figure(cell.floor_ratio),
        cell.floor_reach,
        bisect(SHADES, cell.floor_ratio),
        _note(cell),
    )


def _note(cell: CellResult) -> str:
    """Return what is known of a cell beside its ratio, in one line."""
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
    """Return the formats, layouts or tunings that were measured, as stores are ordered.

    The floor's come last: it has one tuning, which is not what a user types first.
    """
    place = ("format", "layout", "tuning").index(part)
    stores = sorted(in_order([cell.store for cell in cells]), key=lambda name: name == FLOOR)
    return list(dict.fromkeys(store.split(":")[place] for store in stores))


def _troubles(cells: Sequence[CellResult]) -> Mapping[str, int]:
    """Return how many cells failed and how many were skipped, for those that any did."""
    counts = {status: sum(cell.status == status for cell in cells) for status in TROUBLES}
    return {status: count for status, count in counts.items() if count}
