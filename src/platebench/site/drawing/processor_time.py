"""CPU time against wall time: whether a store is fast, or only uses more processors."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from platebench.results.questions import Question, answering, measured, of_floor
from platebench.results.ranking import rank
from platebench.results.report import figure, seconds
from platebench.results.tidy import CellResult
from platebench.site.drawing.style import (
    BARS_SAY,
    POINTS_SAY,
    Drawing,
    Row,
    bars,
    ends_of,
    framed,
    log_axis,
    number,
    points,
    texts,
    told,
)
from platebench.stores.registry import FLOOR

HEADS = ("store", "wall", "CPU", "CPU per wall second", "times the floor")


def processor_time(cells: Sequence[CellResult], question: Question) -> Drawing:
    """Return the chart of one operation on the cells of one image set, page cache warm."""
    anchor = f"processor-time-{question.operation}"
    title = f"CPU time against wall time: {question.asked.title.lower()}"
    rows = rows_of(cells, question)
    if not rows:
        return Drawing(anchor, title, "Not shown: no store was measured.", None)
    caption = (
        "CPU seconds of all threads per wall second. At 1 one processor is busy, above 1 several "
        "are, below 1 the store waits for the disk. A store near the top is fast, but leaves less "
        f"of the machine to other work. {POINTS_SAY} {BARS_SAY}"
    )
    return Drawing(anchor, title, caption, framed(drawn(rows)), HEADS, texts(rows, HEADS))


def rows_of(cells: Sequence[CellResult], question: Question) -> list[Row]:
    """Return a row per store with known times, the floor first, then the fastest."""
    asked = answering(cells, question)
    floors = [cell for cell in measured(asked) if cell.store == FLOOR]
    return [
        _row(cell)
        for cell in (*floors, *rank(asked).order)
        if cell.cpu_s is not None and cell.floor_ratio is not None
    ]


def drawn(rows: Sequence[Row]) -> alt.LayerChart:
    """Return the chart, with a line where one processor is busy."""
    scale, axis = log_axis([number(row, "times") for row in rows], ends_of(rows))
    x = alt.X("times:Q", title="wall time, times the floor", scale=scale, axis=axis)
    most = max(1.0, *(number(row, "cpus") for row in rows))
    y = alt.Y(
        "cpus:Q",
        title="CPU seconds per wall second",
        scale=alt.Scale(domain=[0, most * 1.1], nice=False),
    )
    one = alt.Chart(alt.InlineData(values=[{"cpus": 1}])).mark_rule(aria=False, strokeDash=[4, 4])
    return alt.LayerChart(
        layer=[
            one.encode(y=y),
            bars(rows).encode(x=alt.X("low:Q", scale=scale), x2="high:Q", y=y),
            points(rows).encode(x=x, y=y, tooltip=told(*HEADS)),
        ]
    )


def _row(cell: CellResult) -> Row:
    wall, cpu, times = cell.median_s or 0.0, cell.cpu_s or 0.0, of_floor(cell)
    return {
        "store": str(cell.store),
        "format": cell.format,
        "tuning": cell.tuning,
        "times": cell.floor_ratio,
        "low": cell.floor_low,
        "high": cell.floor_high,
        "cpus": cpu / wall if wall else 0.0,
        "wall": seconds(wall),
        "CPU": seconds(cpu) if cpu else "0",
        "CPU per wall second": figure(cpu / wall if wall else None),
        "times the floor": "" if times is None else str(times),
    }
