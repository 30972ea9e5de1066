"""Each format before and after: its default settings, and those chosen for single images."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from platebench.results.answer import LAB
from platebench.results.effects import Effect, effects
from platebench.results.questions import Question, answering, measured
from platebench.results.store_words import format_title
from platebench.results.tidy import CellResult
from platebench.site.drawing.style import Row, configured, data_of, log_axis, number

BEFORE, AFTER = "default settings", "fast: one image per chunk or row group, uncompressed"
COLOURS = ("#D55E00", "#0072B2")
ROW_HEIGHT = 26


def default_and_fast(cells: Sequence[CellResult], question: Question) -> alt.LayerChart | None:
    """Return the chart of one question on the cells of one image set; None without two formats."""
    found = effects(cells, question)
    if len(found) < 2:
        return None
    rows = [row for each in found for row in _rows(each)]
    folder = next(
        (each for each in measured(answering(cells, question)) if each.store == LAB), None
    )
    drawn: alt.LayerChart = configured(
        _drawn(rows, folder).properties(
            width=560, height=ROW_HEIGHT * len(found), title=question.asked.title
        )
    )
    return drawn


def _rows(effect: Effect) -> list[Row]:
    return [
        {
            "format": format_title(effect.format),
            "settings": settings,
            "ms": 1e3 * (cell.median_s or 0.0),
        }
        for settings, cell in ((BEFORE, effect.other), (AFTER, effect.fast))
    ]


def _drawn(rows: Sequence[Row], folder: CellResult | None) -> alt.LayerChart:
    """Return the chart: a row per format, its two points joined, and a line for the TIFF folder."""
    lab: list[Row] = (
        [] if folder is None else [{"ms": 1e3 * (folder.median_s or 0.0), "is": "TIFF folder"}]
    )
    scale, axis = log_axis([number(row, "ms") for row in [*rows, *lab]])
    x = alt.X("ms:Q", title="milliseconds, shorter is better", scale=scale, axis=axis)
    formats = list(dict.fromkeys(str(row["format"]) for row in rows))
    y = alt.Y("format:N", title=None, sort=formats, axis=alt.Axis(grid=True))
    legend = alt.Legend(title=None, labelLimit=400)
    kinds = {
        "color": alt.Color(
            "settings:N", scale=alt.Scale(domain=[BEFORE, AFTER], range=COLOURS), legend=legend
        ),
        "shape": alt.Shape(
            "settings:N",
            scale=alt.Scale(domain=[BEFORE, AFTER], range=["circle", "square"]),
            legend=legend,
        ),
    }
    base, line = alt.Chart(data_of(rows)), alt.Chart(data_of(lab))
    layers = [
        base.mark_line(aria=False, color="#bbbbbb", strokeWidth=3).encode(
            x=x, y=y, detail="format:N"
        ),
        base.mark_point(size=90, strokeWidth=2.5, opacity=1).encode(x=x, y=y, **kinds),
    ]
    if lab:
        rule = line.mark_rule(aria=False, color="#555555", strokeDash=[4, 3]).encode(x=x)
        name = line.mark_text(aria=False, align="left", dx=5, dy=8, fontSize=11).encode(
            x=x, y=alt.value(0), text="is:N"
        )
        layers = [rule, *layers, name]
    return alt.LayerChart(layer=layers)
