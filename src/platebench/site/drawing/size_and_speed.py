"""Size against speed: bytes on the disk, and time relative to the floor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt

from platebench.results.questions import Question, answering, measured, of_floor
from platebench.results.report import figure, seconds
from platebench.results.tidy import CellResult
from platebench.site.drawing.style import (
    BARS_SAY,
    POINTS_SAY,
    Drawing,
    Row,
    bars,
    data_of,
    ends_of,
    framed,
    log_axis,
    number,
    points,
    texts,
    told,
)
from platebench.stores.registry import FLOOR

ABOUT = 0.05
"""Stores within this share of each other count as equally small."""

ROOM = 0.07
"""The share of a chart's height that a label needs."""

HEADS = ("store", "of raw size", "times the floor", "median")


def size_and_speed(cells: Sequence[CellResult], question: Question) -> Drawing:
    """Return the chart of one operation on the cells of one image set."""
    rows = rows_of(cells, question)
    anchor = f"size-against-{question.operation}"
    title = f"Size against speed: {_title(question).lower()}"
    if not rows:
        return Drawing(anchor, title, "Not shown: no store was measured.", None)
    caption = (
        "Small stores are on the left, fast stores at the bottom. Labelled where there is room: "
        f"Pareto-optimal stores, to which no other is as small and faster. {POINTS_SAY} {BARS_SAY}"
    )
    return Drawing(anchor, title, caption, framed(drawn(rows)), HEADS, texts(rows, HEADS))


def rows_of(cells: Sequence[CellResult], question: Question) -> list[Row]:
    """Return a row per store with known size and speed, the smallest first."""
    found = [_row(cell) for cell in measured(answering(cells, question))]
    known = [row for row in found if row["bytes"] is not None and row["times"] is not None]
    return sorted(known, key=lambda row: (number(row, "bytes"), number(row, "times")))


def _title(question: Question) -> str:
    return f"{question.asked.title}, from the page cache"


def pareto_front(rows: Sequence[Row]) -> list[Row]:
    """Return the stores, without the floor, to which no other is about as small and faster."""
    stores = [row for row in rows if row["store"] != str(FLOOR)]
    return [row for row in stores if not any(_beats(other, row) for other in stores)]


def with_room(rows: Sequence[Row], height: float) -> list[Row]:
    """Return the rows that have room for a label: their log times differ by more than ROOM."""
    named: list[Row] = []
    for row in rows:
        place = math.log(number(row, "times"))
        if all(abs(place - math.log(number(each, "times"))) > ROOM * height for each in named):
            named.append(row)
    return named


def _beats(other: Row, row: Row) -> bool:
    as_small = number(other, "bytes") <= number(row, "bytes") * (1 + ABOUT)
    return as_small and number(other, "times") < number(row, "times")


def drawn(rows: Sequence[Row]) -> alt.LayerChart:
    """Return the chart: intervals, points, and labels of the Pareto front."""
    sizes, ticks = log_axis([number(row, "bytes") for row in rows])
    x = alt.X("bytes:Q", title="bytes, of raw size", scale=sizes, axis=ticks)
    scale, axis = log_axis([number(row, "times") for row in rows], ends_of(rows))
    y = alt.Y("times:Q", title="times the floor", scale=scale, axis=axis)
    low = alt.Y("low:Q", title="times the floor", scale=scale)
    marks = points(rows).encode(x=x, y=y, tooltip=told(*HEADS))
    return alt.LayerChart(
        layer=[
            bars(rows).encode(x=x, y=low, y2="high:Q"),
            marks,
            *_names(rows, x, y),
        ]
    )


def _names(rows: Sequence[Row], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Return labels of the Pareto front, on the side of the middle, where there is room."""
    sizes = [number(row, "bytes") for row in rows]
    middle = math.sqrt(min(sizes) * max(sizes))
    times = [number(row, "times") for row in rows]
    named = with_room(pareto_front(rows), math.log(max(times) / min(times)))
    sides = {
        "left": [row for row in named if number(row, "bytes") <= middle],
        "right": [row for row in named if number(row, "bytes") > middle],
    }
    return [
        alt.Chart(data_of(mine))
        .mark_text(aria=False, align=side, dx=9 if side == "left" else -9, dy=-9, fontSize=11)  # type: ignore[arg-type]
        .encode(x=x, y=y, text="store:N")
        for side, mine in sides.items()
        if mine
    ]


def _row(cell: CellResult) -> Row:
    times = of_floor(cell)
    return {
        "store": str(cell.store),
        "format": cell.format,
        "tuning": cell.tuning,
        "bytes": cell.bytes_per_pixel_byte,
        "times": cell.floor_ratio,
        "low": cell.floor_low,
        "high": cell.floor_high,
        "of raw size": figure(cell.bytes_per_pixel_byte),
        "times the floor": "" if times is None else str(times),
        "median": "" if cell.median_s is None else seconds(cell.median_s),
    }
