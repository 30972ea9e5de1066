"""The results as text: a table for the terminal, Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.text import Text

from platebench.results.fitted_table import FittedTables, Titled
from platebench.results.operations import OPERATIONS
from platebench.results.ratios import ratio
from platebench.results.telling import one_line
from platebench.results.tidy import CellResult

COLUMNS = ("store", "median", "x floor", "+-", "MB/s", "images/s", "bytes", "CPU", "peak MB")
LEAST = ("peak MB", "CPU", "images/s", "MB/s", "bytes", "+-")
"""Column heads that a narrow terminal has no room for, the first to go first."""

UNFINISHED = "This run did not reach its end: what it had measured is here, the rest is missing."

LEGEND = (
    "x floor: times one bare file, formed inside rounds. +-: a second run's ratio is within it 95"
    " times in 100. ~: the order of this store and the one above is not settled; from one round no"
    " order is. bytes: stored a pixel byte. CPU: CPU seconds a wall second, all threads."
)


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
    """Return a Markdown table an operation; above them, whether the run was cut off."""
    parts = [] if finished else [f"**{UNFINISHED}**", ""]
    for title, group in _groups(cells):
        parts += [f"### {title}", "", _markdown_row(COLUMNS), _markdown_row(["---"] * len(COLUMNS))]
        parts += [_markdown_row(fields) for fields in _rows(group)]
        parts += ["", *(f"- {one_line(reason)}" for reason in _reasons(group))]
        parts.append("")
    return "\n".join(parts)


def as_tables(cells: Sequence[CellResult], finished: bool = True) -> RenderableType:
    """Return tables for a terminal of 40 columns or more, one an operation.

    Above and below them, whether the run was cut off.
    """
    cut_off = [] if finished else [Text(UNFINISHED, "yellow")]
    tables = [
        Titled(
            Text(title, "bold"),
            _rows(group),
            [*(Text(reason, "dim") for reason in _reasons(group)), Text()],
        )
        for title, group in _groups(cells)
    ]
    fitted = FittedTables(COLUMNS, tables, LEAST)
    return Group(*cut_off, fitted, Text(LEGEND, "dim"), *cut_off)


def _reasons(cells: Sequence[CellResult]) -> list[str]:
    return [f"{cell.store} {cell.status}: {cell.message}" for cell in cells if cell.status != "ok"]


def _groups(cells: Sequence[CellResult]) -> list[tuple[str, list[CellResult]]]:
    """Return the cells by operation, the quickest first in each and those without a time last."""
    groups = []
    for _, group in groupby(cells, key=_group_key):
        mine = sorted(group, key=lambda cell: (cell.median_s is None, cell.median_s or 0.0))
        groups.append((_title(mine[0]), mine))
    return groups


def _group_key(cell: CellResult) -> tuple[object, ...]:
    return (cell.operation, cell.detail, cell.cache, cell.profile, cell.images)


def _title(cell: CellResult) -> str:
    says = next(each.says for each in OPERATIONS.values() if each.name == cell.operation)
    detail = f", {cell.detail}" if cell.detail else ""
    count = "" if cell.images is None else f"{cell.images} "
    return f"{cell.operation}{detail}, {cell.cache}, {count}{cell.profile} images: {says}"


def _rows(cells: Sequence[CellResult]) -> list[list[str]]:
    """Return the fields of each cell of a group, which is in order."""
    above: list[CellResult | None] = [None, *cells[:-1]]
    return [_fields(cell, before) for cell, before in zip(cells, above, strict=True)]


def _fields(cell: CellResult, above: CellResult | None) -> list[str]:
    if cell.status != "ok" or cell.median_s is None:
        return [cell.store, cell.status, *[""] * (len(COLUMNS) - 2)]
    return [
        cell.store,
        seconds(cell.median_s),
        figure(cell.floor_ratio),
        f"{percent(cell.floor_reach)}{_unsettled(cell, above)}",
        figure(cell.mb_per_s),
        figure(cell.images_per_s),
        figure(cell.bytes_per_pixel_byte),
        figure(None if cell.cpu_s is None else cell.cpu_s / cell.median_s),
        figure(None if cell.peak_bytes is None else cell.peak_bytes / 1e6),
    ]


def percent(share: float | None) -> str:
    """Return a share of 1 as a percentage; beyond ten times, that it is beyond; nothing of None."""
    if share is None:
        return ""
    return f"{share:.0%}" if share < 9.995 else ">999%"


_FEWEST_ROUNDS = 2
"""From one round no order is settled; marking every line would say nothing."""


def _unsettled(cell: CellResult, above: CellResult | None) -> str:
    """Return a mark when more rounds might put the cell above the one it stands below."""
    if above is None or len(cell.by_round.keys() & above.by_round.keys()) < _FEWEST_ROUNDS:
        return ""
    return "" if ratio(cell.by_round, above.by_round).settled else "~"


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
