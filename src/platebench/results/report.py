"""Results as text: tables for the terminal, Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from platebench.results.fitted_table import FittedTables, Titled
from platebench.results.operations import has_native_versions, operation_named, says_of
from platebench.results.ranking import Ranking, rank
from platebench.results.telling import one_line
from platebench.results.tidy import CellResult
from platebench.stores.part_list import NAME
from platebench.stores.registry import FLOOR

COLUMNS = (
    *("store", "rank", "median", "x floor", "+-", "x TIFF", "x best", "CPU rank"),
    *("MB/s", "images/s", "bytes", "CPU", "peak MB"),
)
LEAST = ("peak MB", "CPU", "images/s", "MB/s", "bytes", "CPU rank", "x best", "x TIFF", "+-")
"""Columns that a narrow terminal leaves out, the first one first."""

UNFINISHED = "This run is not finished: the table shows what was measured so far."

LEGEND = (
    "rank: from pairs of stores inside rounds; = marks a tie. With one round the order is not"
    " reliable and no tie is marked. x floor: time relative to one bare file with the same bytes."
    " +-: 95% interval for a repeat run. x TIFF, x best: time relative to the TIFF folder and to"
    " the fastest store. CPU rank: rank by CPU seconds, all threads. bytes: stored per byte of"
    " pixels (and of the table, for operations on tables)."
    " CPU: CPU seconds per wall second."
)


def below_floor(cells: Sequence[CellResult]) -> list[str]:
    """Return a notice for each store that is faster than the floor beyond doubt.

    The floor is meant to be the least time of any store. Where it is not, it must be mended.
    """
    return [
        f"BELOW THE FLOOR: {cell.store} takes {figure(cell.floor_ratio)} of the floor's time"
        f" (95% interval for a repeat run: {figure(cell.floor_low)} to {figure(cell.floor_high)})"
        f" for {_title(cell)}"
        for cell in cells
        if cell.below_floor
    ]


def faster_by_compression(cells: Sequence[CellResult]) -> list[str]:
    """Return a sentence about the stores that are faster than the floor because they compress."""
    found = [cell for cell in cells if cell.is_smaller and cell.floor_high and cell.floor_high < 1]
    if not found:
        return []
    told = ", ".join(
        f"{cell.store} {figure(cell.floor_ratio)} ({cell.operation}, {cell.cache})"
        for cell in found
    )
    return [f"Faster than the floor, which holds raw pixels, because they hold fewer bytes: {told}"]


def as_json(cells: Sequence[CellResult]) -> str:
    """Return the cells as a JSON list."""
    return json.dumps([cell.as_dict() for cell in cells], indent=1, allow_nan=False)


def as_csv(cells: Sequence[CellResult]) -> str:
    """Return the cells as CSV, the libraries as one JSON field."""
    sink = io.StringIO()
    rows = [cell.as_dict() | {"libraries": json.dumps(dict(cell.libraries))} for cell in cells]
    writer = csv.DictWriter(sink, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue()


def as_markdown(cells: Sequence[CellResult], finished: bool = True) -> str:
    """Return a Markdown table per operation, with a notice if the run is not finished."""
    parts = [] if finished else [f"**{UNFINISHED}**", ""]
    for notice in below_floor(cells):
        parts += [f"**{one_line(notice)}**", ""]
    for line in faster_by_compression(cells):
        parts += [one_line(line), ""]
    for title, group in _groups(cells):
        parts += [f"### {title}", "", _markdown_row(COLUMNS), _markdown_row(["---"] * len(COLUMNS))]
        parts += [_markdown_row(fields) for fields in _rows(group)]
        parts += ["", *(f"- {one_line(reason)}" for reason in _reasons(group))]
        parts.append("")
    return "\n".join(parts)


def as_tables(cells: Sequence[CellResult], finished: bool = True) -> RenderableType:
    """Return a table per operation, for a terminal of 40 columns or more.

    A notice stands above and below them if the run is not finished, and one above them for each
    store below the floor.
    """
    notice = [] if finished else [Text(UNFINISHED, "yellow")]
    below = [Text(line, "bold red") for line in below_floor(cells)]
    below += [Text(line) for line in faster_by_compression(cells)]
    tables = [
        Titled(
            Text(title, "bold"),
            _rows(group),
            [*(Text(reason, "dim") for reason in _reasons(group)), Text()],
        )
        for title, group in _groups(cells)
    ]
    fitted = FittedTables(COLUMNS, tables, LEAST)
    return Group(*notice, *below, fitted, Text(LEGEND, "dim"), *notice)


def _reasons(cells: Sequence[CellResult]) -> list[str]:
    """Return why cells have no time, whose versions were measured, how stores were written, and
    what else was counted."""
    return [
        *(f"{cell.store} {cell.status}: {cell.message}" for cell in cells if cell.status != "ok"),
        *_versions(cells),
        *_ways(cells),
        *_also(cells),
    ]


def _also(cells: Sequence[CellResult]) -> list[str]:
    """Return what single operations record beside their time: a line per figure, all stores."""
    told = {
        "fetched from the store": [_fetched(cell) for cell in cells],
        "images/s": [_per_second(cell) for cell in cells],
        "time to the first batch, and to that of the first epoch": [
            _batches(cell) for cell in cells
        ],
        "one take, median and 99th percentile": [_takes(cell) for cell in cells],
    }
    lines = []
    for words, found in told.items():
        pairs = zip(cells, found, strict=True)
        each = [f"{cell.store} {figures}" for cell, figures in pairs if figures]
        lines += [f"{words}: {', '.join(each)}"] if each else []
    return lines


def _fetched(cell: CellResult) -> str | None:
    if cell.fetched_bytes is None or not cell.read_bytes:
        return None
    times = cell.fetched_bytes / cell.read_bytes
    return f"{cell.fetched_bytes / 1e6:,.1f} MB ({figure(times)} times the crops)"


def _per_second(cell: CellResult) -> str | None:
    """Return images per second, of an operation that workers do."""
    if not operation_named(cell.operation).by_workers or not cell.median_s or not cell.read_images:
        return None
    return f"{cell.read_images / cell.median_s:,.0f}"


def _batches(cell: CellResult) -> str | None:
    if cell.first_batch_s is None or cell.start_s is None:
        return None
    return f"{seconds(cell.first_batch_s)} and {seconds(cell.start_s)}"


def _takes(cell: CellResult) -> str | None:
    if cell.take_p50_s is None or cell.take_p99_s is None:
        return None
    return f"{seconds(cell.take_p50_s)} and {seconds(cell.take_p99_s)}"


def _ways(cells: Sequence[CellResult]) -> list[str]:
    """Return how several processes wrote each store."""
    stores: dict[str, list[str]] = {}
    for cell in cells:
        if cell.way:
            stores.setdefault(cell.way, []).append(str(cell.store))
    return [f"{way}: {', '.join(names)}" for way, names in stores.items()]


def _versions(cells: Sequence[CellResult]) -> list[str]:
    if not operation_named(cells[0].operation).on_versions:
        return []
    native = sorted({cell.format for cell in cells if has_native_versions(cell.store)})
    listed = [cell for cell in cells if not has_native_versions(cell.store)]
    said = [f"{', '.join(native)}: native versions"] if native else []
    said += [f"{'all others' if native else 'all'}: versions by {NAME}"] if listed else []
    freed = [f"{cell.store} {cell.freed_bytes / 1e6:,.1f} MB" for cell in cells if cell.freed_bytes]
    return ["; ".join(said), *([f"freed: {', '.join(freed)}"] if freed else [])]


def _groups(cells: Sequence[CellResult]) -> list[tuple[str, list[CellResult]]]:
    """Return the cells by operation: the floor, the stores by rank, those without a time."""
    groups = []
    for _, group in groupby(cells, key=_group_key):
        mine = list(group)
        groups.append((_title(mine[0]), _in_order(mine, rank(mine))))
    return groups


def _in_order(cells: Sequence[CellResult], ranking: Ranking) -> list[CellResult]:
    places = ranking.places()
    last = len(places) + 1

    def place(cell: CellResult) -> int:
        return 0 if cell.store == FLOOR else places.get(cell.store, last)

    return sorted(cells, key=place)


def _group_key(cell: CellResult) -> tuple[object, ...]:
    return (cell.operation, cell.detail, cell.cache, cell.image_set)


def _title(cell: CellResult) -> str:
    says = says_of(cell.operation, cell.cache)
    detail = f", {cell.detail}" if cell.detail else ""
    count = "" if cell.images is None else f"{cell.images} "
    return f"{cell.operation}{detail}, {cell.cache}, {count}{cell.profile} images: {says}"


def _rows(cells: Sequence[CellResult]) -> list[list[str]]:
    """Return the fields of each cell of a group."""
    return [_fields(cell) for cell in cells]


def _fields(cell: CellResult) -> list[str]:
    if cell.status != "ok" or cell.median_s is None:
        return [str(cell.store), "", cell.status, *[""] * (len(COLUMNS) - 3)]
    return [
        str(cell.store),
        cell.rank or "",
        seconds(cell.median_s),
        figure(cell.floor_ratio),
        percent(cell.floor_reach),
        figure(cell.tiff_ratio),
        figure(cell.best_ratio),
        cell.cpu_rank or "",
        figure(cell.mb_per_s),
        figure(cell.images_per_s),
        figure(cell.bytes_per_pixel_byte),
        figure(None if cell.cpu_s is None else cell.cpu_s / cell.median_s),
        figure(None if cell.peak_bytes is None else cell.peak_bytes / 1e6),
    ]


def percent(share: float | None) -> str:
    """Return a share of 1 as a percentage, `>999%` for ten times and more; nothing for None."""
    if share is None:
        return ""
    return f"{share:.0%}" if share < 9.995 else ">999%"


def _markdown_row(fields: Sequence[str]) -> str:
    return f"| {' | '.join(one_line(field).replace('|', '&#124;') for field in fields)} |"


def seconds(value: float) -> str:
    """Return a time with three digits and its unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if _rounded(value / size) >= 1:
            return f"{figure(value / size)} {unit}"
    return f"{figure(value / 1e-9)} ns"


def figure(value: float | None) -> str:
    """Return a number with three digits or more, millions with an M; nothing for None."""
    if value is None:
        return ""
    if _rounded(value) >= 1e6:
        return f"{figure(value / 1e6)}M"
    if _rounded(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if _rounded(value) >= 10 else f"{value:.2f}"


def _rounded(value: float) -> float:
    """Return a number as three digits show it, so that 9.996 is ten."""
    return float(f"{value:.3g}")
