"""Warm against cold: the same operation from the page cache and from the disk."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from platebench.results.ratios import typical
from platebench.results.report import seconds
from platebench.results.tidy import CellResult
from platebench.site.chosen import COLD_SCAN, COLD_TAKE, SCAN, TAKE, Question, asked, measured
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
from platebench.site.times import times_of

PAIRS = {TAKE: COLD_TAKE, SCAN: COLD_SCAN}
TITLES = {
    TAKE: "Warm against cold: 16 scattered images",
    SCAN: "Warm against cold: every image in order",
}
HEADS = ("store", "warm", "cold", "cold, times warm")
CACHES = ("warm", "cold")
COLOURS = ("#D55E00", "#0072B2")
ROW_HEIGHT = 22
AROUND = 110
"""Pixels of axis and legend below the rows."""


def warm_and_cold(cells: Sequence[CellResult], question: Question) -> Drawing:
    """Return the chart of one operation on the cells of one image set."""
    anchor, title = f"warm-and-cold-{question.operation}", TITLES[question]
    rows = rows_of(cells, question)
    if not rows:
        return Drawing(anchor, title, "Not shown: no store was measured warm and cold.", None)
    caption = (
        "Each format in the layout that suits it best; the others are in the table. A round point "
        f"is warm, a square one cold. {BARS_SAY}"
    )
    best = in_best_layouts(rows)
    stores = len({row["store"] for row in best})
    chart = framed(drawn(best), AROUND + ROW_HEIGHT * stores)
    table = [row for row in rows if row["cache"] == "warm"]
    return Drawing(anchor, title, caption, chart, HEADS, texts(table, HEADS))


def rows_of(cells: Sequence[CellResult], question: Question) -> list[Row]:
    """Return two rows a store, warm and cold, the quickest cold store first."""
    warm = {cell.store: cell for cell in measured(asked(cells, question))}
    cold = {cell.store: cell for cell in measured(asked(cells, PAIRS[question]))}
    stores = sorted(warm.keys() & cold.keys(), key=lambda store: cold[store].median_s or 0.0)
    return [row for store in stores for row in _rows(warm[store], cold[store])]


def drawn(rows: Sequence[Row]) -> alt.LayerChart:
    """Return the chart itself: a row a store, its two points joined."""
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


def _rows(warm: CellResult, cold: CellResult) -> list[Row]:
    times = times_of(cold, warm)
    shared: Row = {
        "store": warm.store,
        "format": warm.format,
        "layout": warm.layout,
        "warm": seconds(warm.median_s or 0.0),
        "cold": seconds(cold.median_s or 0.0),
        HEADS[-1]: "" if times is None else str(times),
    }
    return [{**shared, **_end(cell)} for cell in (warm, cold)]


def _end(cell: CellResult) -> Row:
    second = typical(cell.by_round)
    return {
        "cache": cell.cache,
        "ms": 1e3 * (cell.median_s or 0.0),
        "low": None if second.low is None else 1e3 * second.low,
        "high": None if second.high is None else 1e3 * second.high,
    }
