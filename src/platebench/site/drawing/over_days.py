"""The libraries over days: one chart per operation and one of bytes, changes marked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import altair as alt

from platebench.results.over_days import BYTES, Change, OverDays, Point
from platebench.results.report import figure, seconds
from platebench.site.drawing.style import (
    HEIGHT,
    Drawing,
    Row,
    by_format,
    data_of,
    framed,
    lines,
    log_axis,
    number,
    points,
    texts,
    told,
)
from platebench.stores.name import StoreName

TITLES = {
    "write": "Writing, with the libraries of each day",
    "scan": "Reading every image, with the libraries of each day",
    "take": "16 scattered images, with the libraries of each day",
    BYTES: "Bytes kept, with the libraries of each day",
}
"""The charts in the order of the page, by what they show."""

HEADS = ("store", "libraries of", "figure", "changed", "measured on")
MARKED = 260
"""Area of the ring around a change, in square pixels."""


def over_days_charts(found: OverDays) -> list[Drawing]:
    """Return the charts of a history, each with a table of its figures and failures."""
    return [_chart(found, what, title) for what, title in TITLES.items()]


def _chart(found: OverDays, what: str, title: str) -> Drawing:
    anchor = f"over-days-{what}"
    changes = {(each.store, each.day): each for each in found.changes if each.what == what}
    rows = [
        _row(point, changes.get((point.store, point.day)))
        for point in found.points
        if point.what == what
    ]
    shown = [row for row in rows if row["value"] is not None]
    if not shown:
        return Drawing(anchor, title, "Not shown: no store was measured.", None, HEADS, ())
    unit = "bytes, of raw size" if what == BYTES else "milliseconds"
    how = (
        "Counted, so without an interval; changes above 1% are ringed."
        if what == BYTES
        else "Page cache warm. Days took turns at samples; changes beyond doubt are ringed"
        " (5% of them may be chance, over all charts)."
    )
    caption = f"Each format's fast store on {found.images}, {found.rounds} rounds. {how}"
    chart = framed(drawn(shown, unit), HEIGHT)
    return Drawing(anchor, title, caption, chart, HEADS, texts(rows, HEADS))


def drawn(rows: Sequence[Row], unit: str) -> alt.LayerChart:
    """Return the chart: a line per store, a point per day, a ring and a release at each change."""
    scale, axis = log_axis([number(row, "value") for row in rows])
    days = [date.fromisoformat(day) for day in sorted({str(row["day"]) for row in rows})]
    ticks = [alt.DateTime(year=day.year, month=day.month, date=day.day, utc=True) for day in days]
    axis_of_days = alt.Axis(format="%-d %b %Y", values=ticks, labelOverlap="greedy")
    # In UTC, or a browser west of it would show the day before.
    utc = alt.Scale(type="utc")
    x = alt.X("day:T", title="libraries of this day", axis=axis_of_days, scale=utc)
    y = alt.Y("value:Q", title=unit, scale=scale, axis=axis)
    layers = [
        lines(rows).encode(x=x, y=y),
        points(rows).encode(x=x, y=y, tooltip=told(*HEADS)),
    ]
    changed = [row for row in rows if row["changed"]]
    if changed:
        marked = alt.Chart(data_of(changed))
        stroke = by_format(rows)["stroke"]
        rings = marked.mark_point(size=MARKED, strokeWidth=2.5, fillOpacity=0)
        names = marked.mark_text(aria=False, dy=-16, fontSize=11)
        layers += [
            rings.encode(x=x, y=y, stroke=stroke, tooltip=told(*HEADS)),
            names.encode(x=x, y=y, text="release:N"),
        ]
    return alt.LayerChart(layer=layers)


def _row(point: Point, change: Change | None) -> Row:
    store: StoreName = point.store
    is_size = point.what == BYTES
    value = point.value
    if value is None:
        shown = point.message
    else:
        shown = f"{figure(value)} of raw size" if is_size else seconds(value)
    return {
        "store": str(store),
        "format": store.format,
        "layout": store.layout,
        "tuning": store.tuning,
        "day": point.day,
        "value": value if is_size or value is None else 1e3 * value,
        "libraries of": point.day,
        "figure": shown,
        "changed": "" if change is None else _said(change),
        "release": _release(change),
        "measured on": point.measured,
    }


def _release(change: Change | None) -> str:
    """Return the first release that came in between, such as `lancedb 0.21.1`."""
    if change is None or not change.releases:
        return ""
    name, _, version = change.releases[0].partition(" ")
    return f"{name} {version.rpartition(' ')[2]}"


def _said(change: Change) -> str:
    return f"x {figure(change.ratio)}: {', '.join(change.releases) or 'no release of its own'}"
