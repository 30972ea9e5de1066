"""The libraries over days: a view per operation and one of bytes, a panel per store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from platebench.results.over_days import BYTES, Change, OverDays, Point
from platebench.results.report import figure, seconds
from platebench.results.store_words import readable
from platebench.site.drawing.panel import Panel, Scale, Spot
from platebench.site.drawing.scales import log_scale
from platebench.site.drawing.views import Chart, FormatPanel, View, colour_of, mark_of
from platebench.stores.name import StoreName

ANCHOR = "over-days"
TITLES = {
    "scan": "Reading in order",
    "take": "Random rows",
    "write": "Writing",
    BYTES: "Bytes kept",
}
"""The views in the order of the page, by what they show."""

HEADS = ("store", "code", "libraries of", "figure", "changed", "measured on")
MOST_DAYS = 4
"""Labels of the horizontal axis."""


def over_days_chart(found: OverDays) -> Chart:
    """Return the chart of a history; its table has its failures too."""
    views = (_view(found, what, name) for what, name in TITLES.items())
    return Chart(ANCHOR, "Libraries over time", tuple(views))


def _view(found: OverDays, what: str, name: str) -> View:
    changes = {(each.store, each.day): each for each in found.changes if each.what == what}
    points = [point for point in found.points if point.what == what]
    shown = [point for point in points if point.value is not None]
    rows = tuple(_row(point, changes.get((point.store, point.day))) for point in points)
    if not shown:
        return View(name, name, "Not shown: no store was measured.", (), HEADS, rows)
    how = (
        "Counted, so without an interval; changes above 1% are ringed."
        if what == BYTES
        else "Page cache warm. Days took turns at samples; changes beyond doubt are ringed"
        " (5% of them may be chance, over all views)."
    )
    caption = f"Each format's fast store on {found.images}, {found.rounds} rounds. {how}"
    unit = "bytes per byte of pixels" if what == BYTES else "milliseconds"
    scales = _days(found.days), log_scale([_value(point) for point in shown])
    stores = list(dict.fromkeys(point.store for point in shown))
    panels = tuple(
        _panel(store, [each for each in shown if each.store == store], changes, scales)
        for store in stores
    )
    axes = f"Across: libraries of this day. Up: {unit}."
    return View(name, finding(found, what, len(stores)), caption, panels, HEADS, rows, axes)


def finding(found: OverDays, what: str, stores: int) -> str:
    """Return how many stores changed beyond doubt, and the largest change."""
    changes = [each for each in found.changes if each.what == what]
    begin = f"{TITLES[what]}: "
    if not changes:
        return f"{begin}no store changed beyond doubt over {len(found.days)} days"
    largest = max(changes, key=lambda each: max(each.ratio, 1 / each.ratio))
    changed = len({each.store for each in changes})
    times = max(largest.ratio, 1 / largest.ratio)
    words = ("larger", "smaller") if what == BYTES else ("slower", "faster")
    release = _release(largest)
    with_ = f" with {release}" if release else f" by {largest.day}"
    return (
        f"{begin}{changed} of {stores} stores changed beyond doubt, most {readable(largest.store)}:"
        f" {figure(times)} times {words[largest.ratio < 1]}{with_}"
    )


def _panel(
    store: StoreName,
    points: Sequence[Point],
    changes: dict[tuple[StoreName, str], Change],
    scales: tuple[Scale, Scale],
) -> FormatPanel:
    panel = Panel(*scales)
    panel.line([(_number(point.day), _value(point)) for point in points], "join")
    spots = []
    for point in points:
        change = changes.get((store, point.day))
        says = f"{readable(store)}, libraries of {point.day}: {_words(point)}"
        if change is not None:
            says += f", {_said(change)}"
        spot = Spot(
            _number(point.day), _value(point), mark_of(store.format), says, _release(change)
        )
        spots.append(spot)
        if change is not None:
            panel.ring(spot)
    panel.spots(spots)
    svg = panel.svg("; ".join(spot.says for spot in spots))
    return FormatPanel(readable(store), colour_of(store.format), svg)


def _days(days: Sequence[str]) -> Scale:
    numbers = [_number(day) for day in days]
    margin = max(1.0, (numbers[-1] - numbers[0]) * 0.05)
    step = -(-len(days) // MOST_DAYS)
    labelled = [date.fromisoformat(day) for day in days[::step]]
    ticks = tuple((float(day.toordinal()), f"{day:%b %Y}") for day in labelled)
    return Scale(numbers[0] - margin, numbers[-1] + margin, ticks, is_log=False)


def _number(day: str) -> float:
    return float(date.fromisoformat(day).toordinal())


def _value(point: Point) -> float:
    value = point.value or 0.0
    return value if point.what == BYTES else 1e3 * value


def _words(point: Point) -> str:
    if point.value is None:
        return point.message
    return f"{figure(point.value)} of raw size" if point.what == BYTES else seconds(point.value)


def _row(point: Point, change: Change | None) -> tuple[str, ...]:
    return (
        readable(point.store),
        str(point.store),
        point.day,
        _words(point),
        "" if change is None else _said(change),
        point.measured,
    )


def _release(change: Change | None) -> str:
    """Return the first release that came in between, such as `lancedb 0.21.1`."""
    if change is None or not change.releases:
        return ""
    name, _, version = change.releases[0].partition(" ")
    return f"{name} {version.rpartition(' ')[2]}"


def _said(change: Change) -> str:
    return f"x {figure(change.ratio)}: {', '.join(change.releases) or 'no release of its own'}"
