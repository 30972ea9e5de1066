"""What all charts share: colours and shapes of formats, how a tuning looks, and a chart's frame.

A format's colour and mark come from its registry entry. Formats differ in colour or mark, tunings
in how full a point is and how a line is broken, so that nothing is said by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from platebench.stores import appearance
from platebench.stores.registry import FORMATS

Row = Mapping[str, str | float | int | None]
"""One figure of a chart, and what its tooltip says of it."""

TUNINGS = ("default", "small", "balanced", "fast")
FULLNESS = (0.0, 0.25, 0.55, 1.0)
DASHES = ([2, 3], [6, 3], [12, 3], [1, 0])

POINTS_SAY = "Outlined: default tuning; pale: small; half full: balanced; full: fast."
LINES_SAY = "Dotted: default tuning; short dashes: small; long: balanced; solid: fast."
"""Said in words: the renderer draws no legend for either."""

BARS_SAY = "Bars: 95% interval for a repeat run; a bar at the edge continues beyond it."

HEIGHT = 420
"""Pixels, legends and all; the width is that of the page."""

MARGIN = 1.3
"""How far a log scale goes beyond its figures, as a factor."""

FAR = 3.0
"""How far a log scale goes beyond its figures for the ends of bars, as a factor."""

MANY_STEPS = 2000.0
FEW_STEPS = 12.0
"""Over a wider range than these, ticks at 2 and 5, or between them, would run into each other."""

RULE = "#777777"
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"


@dataclass(frozen=True)
class Drawing:
    """A chart of the page, and the same figures as a table: `heads`, and a row of texts a line.

    `chart` is None where there was nothing to draw; `caption` then says why.
    """

    anchor: str
    title: str
    caption: str
    chart: alt.LayerChart | None
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def in_best_layouts(rows: Sequence[Row]) -> list[Row]:
    """Return the rows in the layout that suits their format best, of those that are drawn.

    For charts of few lines; a format that the registry no longer knows keeps all of its layouts.
    """
    drawn = {(row["format"], row["layout"]) for row in rows}
    best = {
        format_.name: next((each for each in format_.variants if (format_.name, each) in drawn), "")
        for format_ in FORMATS
    }
    return [row for row in rows if best.get(str(row["format"]), row["layout"]) == row["layout"]]


def formats_in(rows: Iterable[Row]) -> list[str]:
    """Return the formats of what is drawn, in the order of the registry, others after them."""
    drawn = {str(row["format"]) for row in rows}
    known = [format_.name for format_ in FORMATS if format_.name in drawn]
    return [*known, *sorted(drawn.difference(known))]


def by_format(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the colour and the mark of each format, the same in every chart.

    A format that the registry no longer has is grey.
    """
    formats = formats_in(rows)
    looks = {format_.name: (str(format_.colour), str(format_.mark)) for format_ in FORMATS}
    unknown = (appearance.UNKNOWN_COLOUR, appearance.UNKNOWN_MARK)
    colours, shapes = (
        alt.Scale(domain=formats, range=[looks.get(name, unknown)[part] for name in formats])
        for part in (0, 1)
    )
    legend = alt.Legend(title="format", columns=4, symbolLimit=0)
    return {
        "stroke": alt.Stroke("format:N", scale=colours, legend=legend),
        "fill": alt.Fill("format:N", scale=colours, legend=legend),
        "shape": alt.Shape("format:N", scale=shapes, legend=legend),
    }


def by_tuning() -> alt.FillOpacity:
    """Return how full a point is, by tuning."""
    scale = alt.Scale(type="ordinal", domain=list(TUNINGS), range=list(FULLNESS))
    return alt.FillOpacity("tuning:O", scale=scale, sort=list(TUNINGS), legend=None)


def dashes() -> alt.StrokeDash:
    """Return how a line is broken, by tuning."""
    scale = alt.Scale(type="ordinal", domain=list(TUNINGS), range=[list(dash) for dash in DASHES])
    return alt.StrokeDash("tuning:N", scale=scale, legend=None)


def points(rows: Sequence[Row], **marks: Any) -> alt.Chart:
    """Return a chart of points by format and tuning, to be given its axes."""
    chart = alt.Chart(data_of(rows)).mark_point(size=60, strokeWidth=1.5, opacity=1, **marks)
    drawn: alt.Chart = chart.encode(**by_format(rows), fillOpacity=by_tuning())
    return drawn


def lines(rows: Sequence[Row]) -> alt.Chart:
    """Return a chart of a line a store, to be given its axes."""
    stroke = by_format(rows)["stroke"]
    chart = alt.Chart(data_of(rows)).mark_line(aria=False, strokeWidth=1.5)
    drawn: alt.Chart = chart.encode(detail="store:N", stroke=stroke, strokeDash=dashes())
    return drawn


def number(row: Row, name: str) -> float:
    """Return a field as a number, 0 where there is none."""
    return float(row[name] or 0.0)


def texts(rows: Sequence[Row], heads: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return these fields of each row, as a table shows them."""
    return tuple(tuple(str(row[head]) for head in heads) for row in rows)


def data_of(rows: Sequence[Row]) -> alt.InlineData:
    """Return the figures as a chart takes them, kept in it."""
    return alt.InlineData(values=[dict(row) for row in rows])


def told(*names: str) -> list[alt.Tooltip]:
    """Return tooltips that show these fields, which are texts."""
    return [alt.Tooltip(f"{name}:N") for name in names]


def ends_of(rows: Sequence[Row]) -> list[float]:
    """Return the ends of all bars."""
    return [number(row, end) for row in rows for end in ("low", "high") if row[end]]


def bars(rows: Sequence[Row], **marks: Any) -> alt.Chart:
    """Return a chart of the bars of those rows that have one, to be given its axes."""
    chart = alt.Chart(data_of([row for row in rows if row["low"] is not None]))
    drawn: alt.Chart = chart.mark_rule(aria=False, color=RULE, **marks)
    return drawn


def log_axis(figures: Sequence[float], ends: Sequence[float] = ()) -> tuple[alt.Scale, alt.Axis]:
    """Return a log scale that just holds these figures, above 0, and an axis of round numbers.

    It holds the `ends` of bars too, but goes no further than FAR beyond the figures: of two rounds
    a bar may span ten decades, which would leave no room for the points.
    """
    least, most = min(figures), max(figures)
    low = max(min([least, *ends]), least / FAR) / MARGIN
    high = min(max([most, *ends]), most * FAR) * MARGIN
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [
        tick
        for power in powers
        for step in _steps(high / low)
        if low <= (tick := float(f"{step}e{power}")) <= high
    ]
    # Not "~g": it would write a thousandth as 1e-3.
    scale = alt.Scale(type="log", domain=[low, high], nice=False, clamp=True)
    return scale, alt.Axis(values=ticks, format=",~r", grid=True)


def _steps(span: float) -> Sequence[float]:
    """Return the ticks of a decade: as many as do not run into each other."""
    if span > MANY_STEPS:
        return (1,)
    return (1, 2, 5) if span > FEW_STEPS else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)


def framed(chart: alt.LayerChart, height: int = HEIGHT) -> alt.LayerChart:
    """Return a chart as wide as the page, in the common look."""
    drawn: alt.LayerChart = configured(chart.properties(width="container", height=height))
    return drawn


def configured(chart: Any) -> Any:
    """Return any chart with fonts, grid and legends as all have them.

    Legends are below, where a phone has room for them.
    """
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


def specs(drawings: Iterable[Drawing]) -> dict[str, dict[str, Any]]:
    """Return what the page draws, by element: each with its title and caption to be read out."""
    return {
        each.anchor: each.chart.properties(description=f"{each.title}. {each.caption}").to_dict()
        for each in drawings
        if each.chart is not None
    }
