"""What the charts for documents share: fonts, grid and legends of Altair, and its log axes.

The charts of the page are panels (`panel`), which need no library in the browser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from platebench.site.drawing.scales import log_domain, log_ticks

Row = Mapping[str, str | float | int | None]
"""One figure of a chart, and what is said of it."""

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"


def number(row: Row, name: str) -> float:
    """Return a field as a number, 0 where there is none."""
    return float(row[name] or 0.0)


def data_of(rows: Sequence[Row]) -> alt.InlineData:
    """Return the figures as a chart takes them, kept in it."""
    return alt.InlineData(values=[dict(row) for row in rows])


def log_axis(figures: Sequence[float]) -> tuple[alt.Scale, alt.Axis]:
    """Return a log scale that just holds these figures, above 0, and an axis of round numbers."""
    low, high = log_domain(figures)
    # Not "~g": it would write a thousandth as 1e-3.
    scale = alt.Scale(type="log", domain=[low, high], nice=False, clamp=True)
    return scale, alt.Axis(values=log_ticks(low, high), format=",~r", grid=True)


def configured(chart: Any) -> Any:
    """Return any chart with fonts, grid and legends as all have them. Legends are below."""
    return (
        chart.properties(background="white")
        .configure(font=FONT)
        .configure_axis(
            labelFontSize=12, titleFontSize=12, titleFontWeight="normal", gridColor="#e4e4e4"
        )
        .configure_view(stroke=None)
        .configure_title(fontSize=13)
        .configure_legend(
            orient="bottom", labelFontSize=12, titleFontSize=12, titleFontWeight="normal"
        )
    )
