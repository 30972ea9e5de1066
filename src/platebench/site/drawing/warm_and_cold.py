"""Warm against cold: the same operation from the page cache and from the disk."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from platebench.results.questions import Question, answering, cold, measured, times_of
from platebench.results.ranking import rank
from platebench.results.ratios import typical
from platebench.results.report import seconds
from platebench.results.tidy import CellResult
from platebench.site.drawing.style import (
    BARS_SAY,
    Drawing,
    Row,
    bars,
    data_of,
    ends_of,
    framed,
    in_best_layouts,
    log_axis,
    number,
    texts,
    told,
)
from platebench.stores.registry import FLOOR

HEADS = ("store", "warm", "cold", "cold, times warm")
CACHES = ("warm", "cold")
COLOURS = ("#D55E00", "#0072B2")
ROW_HEIGHT = 22
AROUND = 110
"""Pixels of axis and legend below the rows."""


def warm_and_cold(cells: Sequence[CellResult], question: Question) -> Drawing:
    """Return the chart of one operation on the cells of one image set."""
    anchor = f"warm-and-cold-{question.operation}"
    title = f"Warm against cold: {question.asked.title.lower()}"
    rows = rows_of(cells, question)
    if not rows:
        return Drawing(anchor, title, "Not shown: no store was measured warm and cold.", None)
    caption = (
        "Each format in its best layout; the table has the others. Circles are warm, squares cold. "
        f"{BARS_SAY}"
    )
    best = in_best_layouts(rows)
    stores = len({row["store"] for row in best})
    chart = framed(drawn(best), AROUND + ROW_HEIGHT * stores)
    table = [row for row in rows if row["cache"] == "warm"]
    return Drawing(anchor, title, caption, chart, HEADS, texts(table, HEADS))


def rows_of(cells: Sequence[CellResult], question: Question) -> list[Row]:
    """Return two rows per store, warm and cold: the floor first, then the fastest cold."""
    warm = {cell.store: cell for cell in measured(answering(cells, question))}
    from_disk = answering(cells, cold(question))
    by_store = {cell.store: cell for cell in measured(from_disk)}
    stores = [FLOOR, *(cell.store for cell in rank(from_disk).order)]
    both = [store for store in stores if store in warm and store in by_store]
    return [row for store in both for row in _rows(warm[store], by_store[store])]


def drawn(rows: Sequence[Row]) -> alt.LayerChart:
    """Return the chart: a row per store, its two points joined by a line."""
    scale, axis = log_axis([number(row, "ms") for row in rows], ends_of(rows))
    x = alt.X("ms:Q", title="milliseconds", scale=scale, axis=axis)
    stores = list(dict.fromkeys(str(row["store"]) for row in rows))
    y = alt.Y("store:N", title=None, sort=stores, axis=alt.Axis(labelLimit=220, grid=True))
    legend = alt.Legend(title="page cache")
    kinds = {
        "color": alt.Color("cache:N", scale=alt.Scale(domain=CACHES, range=COLOURS), legend=legend),
        "shape": alt.Shape(
            "cache:N", scale=alt.Scale(domain=CACHES, range=["circle", "square"]), legend=legend
        ),
    }
    base = alt.Chart(data_of(rows))
    return alt.LayerChart(
        layer=[
            base.mark_line(aria=False, color="#bbbbbb").encode(x=x, y=y, detail="store:N"),
            bars(rows, strokeWidth=3).encode(x=alt.X("low:Q", scale=scale), x2="high:Q", y=y),
            base.mark_point(filled=True, size=70, opacity=1).encode(
                x=x, y=y, tooltip=told(*HEADS), **kinds
            ),
        ]
    )


def _rows(warm: CellResult, from_disk: CellResult) -> list[Row]:
    times = times_of(from_disk, warm)
    shared: Row = {
        "store": str(warm.store),
        "format": warm.format,
        "layout": warm.layout,
        "warm": seconds(warm.median_s or 0.0),
        "cold": seconds(from_disk.median_s or 0.0),
        HEADS[-1]: "" if times is None else str(times),
    }
    return [{**shared, **_end(cell)} for cell in (warm, from_disk)]


def _end(cell: CellResult) -> Row:
    repeat = typical(cell.wall.blocks)
    return {
        "cache": cell.cache,
        "ms": 1e3 * (cell.median_s or 0.0),
        "low": None if repeat.low is None else 1e3 * repeat.low,
        "high": None if repeat.high is None else 1e3 * repeat.high,
    }
