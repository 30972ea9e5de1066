"""Scaling: time per image against the number of images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import altair as alt

from platebench.results.questions import Question, answering, measured
from platebench.results.ratios import typical
from platebench.results.report import seconds
from platebench.results.tidy import CellResult
from platebench.site.drawing.style import (
    BARS_SAY,
    LINES_SAY,
    Drawing,
    Row,
    bars,
    ends_of,
    framed,
    in_best_layouts,
    lines,
    log_axis,
    number,
    points,
    texts,
    told,
)
from platebench.stores.name import StoreName

FEWEST_SIZES = 3
"""A store measured on fewer sizes of image set shows no trend."""

HEADS = ("store", "images", "time per image", "repeat run")


def scaling(cells: Sequence[CellResult], question: Question, profile: str) -> Drawing:
    """Return the chart of one operation on all image sets of one profile."""
    anchor, title = f"scaling-of-{question.operation}", f"Scaling: {question.asked.title.lower()}"
    rows = rows_of(cells, question, profile)
    if not rows:
        why = f"Not shown: no store was measured on {FEWEST_SIZES} or more sizes of image set."
        return Drawing(anchor, title, why, None)
    caption = (
        f"Image sets of {profile} images, page cache warm. Each format in its best layout; "
        f"the table has the others. {LINES_SAY} {BARS_SAY}"
    )
    chart = framed(drawn(in_best_layouts(rows)))
    return Drawing(anchor, title, caption, chart, HEADS, texts(rows, HEADS))


def rows_of(cells: Iterable[CellResult], question: Question, profile: str) -> list[Row]:
    """Return a row per store and size, of stores that were measured on enough sizes."""
    by_store: dict[StoreName, list[CellResult]] = defaultdict(list)
    for cell in measured(answering(cells, question)):
        if cell.profile == profile and cell.images and cell.read_images:
            by_store[cell.store].append(cell)
    return [
        _row(cell)
        for mine in by_store.values()
        if len({cell.images for cell in mine}) >= FEWEST_SIZES
        for cell in sorted(mine, key=lambda cell: cell.images or 0)
    ]


def drawn(rows: Sequence[Row]) -> alt.LayerChart:
    """Return the chart: lines, intervals and points, both axes on log scales."""
    sizes = sorted({number(row, "images") for row in rows})
    wide, _ = log_axis(sizes)
    high, times = log_axis([number(row, "ms") for row in rows], ends_of(rows))
    x = alt.X("images:Q", title="images in the set", scale=wide, axis=alt.Axis(values=sizes))
    y = alt.Y("ms:Q", title="milliseconds per image", scale=high, axis=times)
    return alt.LayerChart(
        layer=[
            bars(rows).encode(x=x, y=alt.Y("low:Q", scale=high), y2="high:Q"),
            lines(rows).encode(x=x, y=y),
            points(rows).encode(x=x, y=y, tooltip=told(*HEADS)),
        ]
    )


def _row(cell: CellResult) -> Row:
    count, median = cell.read_images or 1, cell.median_s or 0.0
    repeat = typical(cell.wall.blocks)
    low, high = (None if end is None else end / count for end in (repeat.low, repeat.high))
    return {
        "store": str(cell.store),
        "format": cell.format,
        "layout": cell.layout,
        "tuning": cell.tuning,
        "images": cell.images,
        "ms": 1e3 * median / count,
        "low": None if low is None else 1e3 * low,
        "high": None if high is None else 1e3 * high,
        "time per image": seconds(median / count),
        "repeat run": "" if low is None or high is None else f"{seconds(low)} to {seconds(high)}",
    }
