"""Compare: every store and every operation in one table, with the command that measures each again.

The order of stores and their ties are those of `platebench report`: both come from `ranking`. All
cells are in the page as compact data, for the script `compare.js`. Its first view is also written
here, so that the page has it without its script.

The data, as JSON:

- `stores`: code, name in words, and 1 if the format keeps versions itself
- `floor`: the place of the floor in `stores`, which is always shown, null without it
- `sets`: code, words, and 1 if platebench generates it
- `columns`: key (what `platebench run --operations` takes), heading, detail, what it does, and for
  which states of the page cache it is shown
- `sizes`: per image set, the bytes relative to raw pixels and the files of each store
- `tables`: image set, column, images and bytes of one operation, and its cells, the fastest first
- a cell with a time: store, rank (negative in a tie, 0 without), milliseconds, time relative to the
  floor and its +- in percent, the same for the TIFF folder, both quartiles and the CPU time in
  milliseconds, peak memory in MB, samples, rounds
- a cell without: store, status, and the place of its reason in `reasons`
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platebench.images.generated import generated
from platebench.images.set_profiles import SetProfile, bits_of
from platebench.results.operations import (
    has_both_caches,
    has_native_versions,
    measured_once,
    operation_named,
    operation_names,
    says_of,
    typed_text,
)
from platebench.results.questions import (
    QUESTIONS,
    TIE_IN_SIZE,
    first_image_set,
    image_sets_in,
    in_order,
    of_image_set,
    stored,
)
from platebench.results.ranking import rank
from platebench.results.report import figure
from platebench.results.store_words import TUNINGS, format_title, readable
from platebench.results.tidy import CellResult
from platebench.site.embedded import script_json
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR

CACHES = {"cold": "from the disk", "warm": "from memory"}
"""States of the page cache, by their words. The first is shown first: most readers have it."""

UNITS = {
    "floor": ("× bare file", "Time relative to the same operation on one bare file, the floor"),
    "tiff": ("× TIFF folder", "Time relative to a folder of TIFF files"),
    "ms": ("ms", "Median milliseconds of one operation"),
    "mb": ("MB/s", "Megabytes of uncompressed pixels per second"),
    "images": ("images/s", "Images per second"),
}
"""What the cells show: the words of the button, and what it means."""

SHADES = (1.5, 3.0, 10.0)
"""Limits of a bar's shades, in multiples of the fastest store's time."""

_DIGITS, _FEW = 6, 4
"""Digits of figures that are shown rounded, and of others."""


@dataclass(frozen=True)
class Column:
    """A column of the table. `caches` are the states of the page cache for which it is shown."""

    operation: str
    detail: str
    cache: str

    @property
    def key(self) -> str:
        """What `platebench run --operations` takes to measure it."""
        return typed_text(
            self.operation, self.cache, self.detail.split(", ") if self.detail else ()
        )

    @property
    def caches(self) -> tuple[str, ...]:
        """Operations without a cold variant are shown beside cold reads too."""
        return (self.cache,) if has_both_caches(self.operation) else tuple(CACHES)

    @property
    def plain(self) -> list[Any]:
        """The column as the script takes it."""
        operation = operation_named(self.operation)
        detail = self.detail or ("from memory" if operation.from_memory else "")
        says = says_of(self.operation, self.cache)
        return [self.key, operation.heading, detail, says, list(self.caches)]


def section(published: Published, places: Sequence[tuple[str, str]] = ()) -> Section | None:
    """Return the table, None without cells.

    `places` are the other measured machines: what their page is called, and its file.
    """
    cells = published.cells
    if not cells:
        return None
    data = compare_data(cells)
    images = first_image_set(cells)
    first = (images, _caches(of_image_set(cells, images))[0])
    unit = "ms" if all(cell.floor_ratio is None for cell in cells if _timed(cell)) else "floor"
    html = render(
        "compare.html",
        unit=unit,
        data=script_json(data),
        view=view_of(data, *first, unit),
        first=first,
        sets=data["sets"],
        heads={words: says for _, words, _, says, _ in data["columns"]},
        caches={name: CACHES[name] for name in _caches(cells)},
        facets=facets_of(cells),
        units=UNITS,
        here=place_of(published),
        places=places,
        count=len({cell.store for cell in cells} - {FLOOR}),
        one_round=all(cell.rounds < 2 for cell in cells),
        shades=SHADES,
        troubles={
            status: count
            for status in ("failed", "skipped")
            if (count := sum(cell.status == status for cell in cells))
        },
    )
    return Section("compare", "Compare every store", html)


def place_of(published: Published) -> str:
    """Return where a run was measured: `virtual disk vda, ext4 (vm)`."""
    disk = disk_of(published)
    return f"{disk} ({published.machine})" if disk else published.machine


def disk_of(published: Published) -> str:
    """Return the disk and the filesystem of a run, "" if they were not recorded."""
    facts = published.info.machine_facts or {}
    return ", ".join(str(facts[key]) for key in ("disk", "filesystem") if facts.get(key))


def facets_of(cells: Sequence[CellResult]) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Return the groups of choices between stores: each with its title, values and their words.

    The floor is always shown, so it is no choice.
    """
    stores = in_order([cell.store for cell in cells if cell.store != FLOOR])

    def values(part: str, words: Mapping[str, str]) -> list[tuple[str, str]]:
        found = dict.fromkeys(getattr(store, part) for store in stores)
        given = [name for name in words if name in found]
        return [(name, words.get(name, name)) for name in dict.fromkeys([*given, *found])]

    formats = {store.format: format_title(store.format) for store in stores}
    native = dict.fromkeys("native" if has_native_versions(each) else "list" for each in stores)
    versions = {"native": "kept by the format", "list": "by platebench's part list"}
    return {
        "tuning": ("Tuning", [(name, name) for name, _ in values("tuning", TUNINGS)]),
        "versions": ("Versions", [each for each in versions.items() if each[0] in native]),
        "format": ("Format", values("format", formats)),
        "layout": ("Layout", values("layout", {})),
    }


def compare_data(cells: Sequence[CellResult]) -> dict[str, Any]:
    """Return what the script knows; see the top of this module."""
    stores = in_order([cell.store for cell in cells])
    sets = image_sets_in(cells)
    columns = _columns(cells)
    reasons: dict[str, int] = {}
    numbers = {store: number for number, store in enumerate(stores)}
    tables: dict[tuple[str, Column], list[CellResult]] = defaultdict(list)
    for cell in cells:
        tables[cell.image_set, _column(cell)].append(cell)
    return {
        "stores": [[str(each), _name(each), int(has_native_versions(each))] for each in stores],
        "floor": numbers.get(FLOOR),
        "sets": [
            [name, _set_in_words(name, cells), int(generated(name) is not None)] for name in sets
        ],
        "columns": [column.plain for column in columns],
        "sizes": [
            _sizes([cell for cell in cells if cell.image_set == name], numbers) for name in sets
        ],
        "tables": [
            [sets.index(images), columns.index(column), *_table(mine, numbers, reasons)]
            for (images, column), mine in tables.items()
        ],
        "reasons": list(reasons),
        "once": [
            [numbers[store], place]
            for store in stores
            for place, column in enumerate(columns)
            if measured_once(column.operation, store)
        ],
        "shades": list(SHADES),
        "tie": TIE_IN_SIZE,
    }


def _name(store: StoreName) -> str:
    return "Bare file" if store == FLOOR else readable(store)


def _caches(cells: Sequence[CellResult]) -> list[str]:
    """Return the states of the page cache of the reads among these cells; warm without reads."""
    found = {cell.cache for cell in cells if has_both_caches(cell.operation)}
    return [name for name in CACHES if name in found] or ["warm"]


def _column(cell: CellResult) -> Column:
    return Column(cell.operation, cell.detail, cell.cache)


def _columns(cells: Sequence[CellResult]) -> list[Column]:
    """Return the columns: those that answer a question first, then by the order of operations."""
    names = operation_names()

    def place(column: Column) -> tuple[object, ...]:
        asked = _asked_place(column)
        return (asked is None, asked or 0, names.index(column.operation), column.detail)

    return sorted({_column(cell) for cell in cells}, key=place)


def _asked_place(column: Column) -> int | None:
    wanted = (column.operation, column.detail, column.cache)
    found = (each for each in QUESTIONS if (each.operation, each.detail, each.cache) == wanted)
    return next((each.asked.place for each in found), None)


_OF_PROFILE: dict[SetProfile, str] = {
    "ic": ", background subtracted",
    "channels": ", five channels per site",
    "zstack": ", eight planes per site",
    "mixed": " of several shapes",
    "crops": ", single cells in five channels",
}


def _set_in_words(name: str, cells: Sequence[CellResult]) -> str:
    """Return `64 images, 8 bit` for `raw-64`; a folder of one's own has its name."""
    made = generated(name)
    if made is None:
        count = next(
            (cell.images for cell in cells if cell.image_set == name and cell.images), None
        )
        return name if count is None else f"{name}, {count:,} images"
    profile, number = made
    bits = bits_of(profile)
    depth = "" if bits is None else f", {bits} bit"
    return f"{number:,} images{depth}{_OF_PROFILE.get(profile, '')}"


def _sizes(cells: Sequence[CellResult], numbers: Mapping[StoreName, int]) -> list[list[Any]]:
    by_store: dict[StoreName, list[CellResult]] = defaultdict(list)
    for cell in cells:
        by_store[cell.store].append(cell)
    found = ((store, stored(mine)) for store, mine in by_store.items())
    return [
        [numbers[store], _short(cell.bytes_per_pixel_byte), cell.stored_files]
        for store, cell in found
        if cell is not None
    ]


def _table(
    cells: Sequence[CellResult], numbers: Mapping[StoreName, int], reasons: dict[str, int]
) -> list[Any]:
    """Return the images and bytes of one operation, and its cells, the fastest first."""
    ranking = rank(cells)
    places, ranks = ranking.places(), ranking.ranks()
    amounts = [(cell.read_images, cell.read_bytes) for cell in cells if cell.median_s is not None]
    usual = max(set(amounts), key=amounts.count, default=(None, None))
    last = len(places) + 1
    ordered = sorted(cells, key=lambda cell: places.get(cell.store, 0 if _timed(cell) else last))
    return [
        *usual,
        [
            _timed_cell(cell, numbers[cell.store], ranks.get(cell.store, "0"), usual)
            if _timed(cell)
            else [
                numbers[cell.store],
                cell.status,
                reasons.setdefault(cell.message, len(reasons)),
            ]
            for cell in ordered
        ],
    ]


def _timed(cell: CellResult) -> bool:
    return cell.status == "ok" and cell.median_s is not None


def _timed_cell(
    cell: CellResult, number: int, said: str, usual: tuple[int | None, int | None]
) -> list[Any]:
    assert cell.median_s is not None
    milliseconds = [
        None if seconds is None else _short(1000 * seconds, _FEW)
        for seconds in (cell.q25_s, cell.q75_s, cell.cpu_s)
    ]
    own = (cell.read_images, cell.read_bytes)
    return [
        number,
        int(said.replace("=", "-")),
        _short(1000 * cell.median_s),
        _short(cell.floor_ratio),
        _reach(cell.floor_low, cell.floor_high),
        _short(cell.tiff_ratio),
        _reach(cell.tiff_low, cell.tiff_high),
        *milliseconds,
        None if cell.peak_bytes is None else _short(cell.peak_bytes / 1e6, _FEW),
        cell.samples,
        cell.rounds,
        *([] if own == usual else own),
    ]


def _reach(low: float | None, high: float | None) -> int | None:
    """Return half the width of a ratio's interval in percent, None without one."""
    if low is None or high is None or low == high:
        return None
    return max(1, round(100 * (math.sqrt(high / low) - 1)))


def _short(value: float | None, digits: int = _DIGITS) -> float | None:
    """Return a number with few digits, whole if it is."""
    if value is None or value == 0 or not math.isfinite(value):
        return value
    rounded = round(value, digits - 1 - math.floor(math.log10(abs(value))))
    return int(rounded) if rounded == int(rounded) else rounded


# The first view, as the script shows it


@dataclass(frozen=True)
class Entry:
    """A cell of the first view. `bar` is the length of its bar in percent, `shade` its colour."""

    text: str
    reach: str = ""
    bar: int | None = None
    shade: str = ""
    kind: str = "figure"


@dataclass(frozen=True)
class View:
    """The first view: columns as the data has them, and rows of a code, a name and entries."""

    columns: list[list[Any]]
    rows: list[tuple[str, str, list[Entry]]]

    @property
    def count(self) -> int:
        """The number of rows without the floor's."""
        return sum(code != str(FLOOR) for code, _, _ in self.rows)


_AT = {"floor": (3, 4), "ms": (2, None)}
"""Where a cell has a unit and its +-."""


def view_of(data: Mapping[str, Any], images: str | None, cache: str, unit: str) -> View:
    """Return the cells of one image set and cache, sorted by the first column."""
    place = next((at for at, (name, *_) in enumerate(data["sets"]) if name == images), 0)
    tables = {column: cells for at, column, _, _, cells in data["tables"] if at == place}
    shown = [at for at, each in enumerate(data["columns"]) if at in tables and cache in each[4]]
    sizes = {number: (ratio, files) for number, ratio, files in data["sizes"][place]}
    by_column = [{cell[0]: cell for cell in tables[at]} for at in shown]
    order = [cell[0] for cell in tables[shown[0]] if cell[1] not in ("failed", "skipped")]
    present = {number for mine in by_column for number in mine}
    rest = [number for number in range(len(data["stores"])) if number in present]
    once = {(number, column) for number, column in data["once"]}
    return View(
        [data["columns"][at] for at in shown],
        [
            (
                *data["stores"][number][:2],
                [
                    *_size_entries(sizes, number, data["tie"]),
                    *(
                        _entry(mine, number, unit, (number, at) in once)
                        for at, mine in zip(shown, by_column, strict=True)
                    ),
                ],
            )
            for number in dict.fromkeys([*order, *rest])
        ],
    )


def _size_entries(
    sizes: Mapping[int, tuple[float | None, int | None]], number: int, tie: float
) -> Iterator[Entry]:
    ratio, files = sizes.get(number, (None, None))
    least = min((size for size, _ in sizes.values() if size), default=None)
    if ratio and least:
        shade = "best" if ratio <= least * (1 + tie) else _shade(ratio / least)
        yield Entry(figure(ratio), "", round(100 * least / ratio), shade)
    else:
        yield Entry("", kind="none")
    yield Entry("", kind="none") if files is None else Entry(f"{files:,}")


def _entry(cells: Mapping[int, list[Any]], number: int, unit: str, once: bool) -> Entry:
    cell = cells.get(number)
    if cell is None:
        return Entry("as bare file", kind="once") if once else Entry("", kind="none")
    if isinstance(cell[1], str):
        return Entry(cell[1], kind=cell[1])
    at, reach_at = _AT[unit]
    value, reach = cell[at], None if reach_at is None else cell[reach_at]
    best = min((_speed(each) for each in cells.values() if _is_ranked(each)), default=None)
    bar = None if best is None else min(100, round(100 * best / _speed(cell)))
    ratio = 1.0 if best is None else _speed(cell) / best
    shade = "floor" if cell[1] == 0 else "best" if abs(cell[1]) == 1 else _shade(ratio)
    said = "" if reach is None else f"±{reach}%"
    return Entry("" if value is None else figure(value), said, bar, shade)


def _is_ranked(cell: Sequence[Any]) -> bool:
    return not isinstance(cell[1], str) and cell[1] != 0


def _speed(cell: Sequence[Any]) -> float:
    """Return what a bar shows: the time relative to the floor, or the median without a floor."""
    return float(cell[2] if cell[3] is None else cell[3])


def _shade(ratio: float) -> str:
    return str(sum(ratio > limit for limit in SHADES) + 1)
