"""Two charts of the three reads over library versions: their times, and LanceDB's ratio to pandas.

`platebench talk --chart` writes them side by side; the page shows them below each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from platebench.talk.constants import LANCEDB, PANDAS, READS, THEN_MS
from platebench.talk.outcome import Talk

if TYPE_CHECKING:
    import altair as alt

Row = dict[str, Any]

TALK = "the talk, 2024"
STEP = 6
"""The step of the talk with the three reads."""

# Okabe and Ito's colours, distinct with colour blindness; the shapes say the same.
COLOURS = ("#0072B2", "#009E73", "#D55E00")
SHAPES = ("circle", "square", "triangle-up")
RATIO_TITLE = "LanceDB's time, relative to pandas"


def heading_of(age: str, talk: Talk) -> str:
    """Return an age with the versions of its two main libraries."""
    libraries = talk.libraries
    return f"{age}: lancedb {libraries['lancedb']}, pyarrow {libraries['pyarrow']}"


def read_rows(talks: Mapping[str, Talk]) -> list[Row]:
    """Return a row per read and set of libraries: `libraries`, `read`, `ms`."""
    rows = [{"libraries": TALK, "read": read, "ms": THEN_MS[read]} for read in READS]
    for age, talk in talks.items():
        medians = _facts(talk)["median_ms"]
        name = heading_of(age, talk)
        rows += [{"libraries": name, "read": read, "ms": medians[read]} for read in READS]
    return rows


def ratio_rows(talks: Mapping[str, Talk]) -> list[Row]:
    """Return a row per set of libraries: `libraries`, `times`, and quartiles `low` and `high`.

    Of the talk only single figures are known, so its quartiles are None.
    """
    then = THEN_MS[LANCEDB] / THEN_MS[PANDAS]
    rows: list[Row] = [{"libraries": TALK, "times": then, "low": None, "high": None}]
    for age, talk in talks.items():
        facts = _facts(talk)
        rows.append(
            {
                "libraries": heading_of(age, talk),
                "times": facts["ratio"],
                "low": facts["ratio_q25"],
                "high": facts["ratio_q75"],
            }
        )
    return rows


def reads_chart(rows: Sequence[Row], tooltip: Sequence[str] = ()) -> alt.LayerChart:
    """Return the chart of the reads in milliseconds, on a log scale."""
    import altair as alt

    legend = alt.Legend(title="read of two images", columns=1, labelLimit=260)
    marks = alt.Chart(_data(rows)).mark_point(filled=True, size=90, opacity=1)
    chart = marks.encode(
        x=alt.X("ms:Q", title="median, milliseconds", **_log([row["ms"] for row in rows])),
        y=_libraries(rows),
        color=alt.Color("read:N", scale=alt.Scale(domain=READS, range=COLOURS), legend=legend),
        shape=alt.Shape("read:N", scale=alt.Scale(domain=READS, range=SHAPES), legend=legend),
        tooltip=[alt.Tooltip(f"{name}:N") for name in tooltip],
    )
    return alt.LayerChart(layer=[chart])


def ratio_chart(rows: Sequence[Row], tooltip: Sequence[str] = ()) -> alt.LayerChart:
    """Return the chart of LanceDB's time relative to pandas, with a line at 1 and quartiles."""
    import altair as alt

    ends = [row[end] for row in rows for end in ("low", "high") if row[end] is not None]
    log = _log([1.0, *(row["times"] for row in rows), *ends])
    x = alt.X("times:Q", title=RATIO_TITLE, **log)
    y = _libraries(rows)
    one = alt.Chart(alt.InlineData(values=[{"times": 1}])).mark_rule(aria=False, strokeDash=[4, 4])
    bars = alt.Chart(_data([row for row in rows if row["low"] is not None])).mark_rule(
        aria=False, color="#777777", strokeWidth=2
    )
    points = alt.Chart(_data(rows)).mark_point(filled=True, size=90, color="black", opacity=1)
    return alt.LayerChart(
        layer=[
            one.encode(x=x),
            bars.encode(x=alt.X("low:Q", scale=log["scale"]), x2="high:Q", y=y),
            points.encode(x=x, y=y, tooltip=[alt.Tooltip(f"{name}:N") for name in tooltip]),
        ]
    )


def _facts(talk: Talk) -> Mapping[str, Any]:
    return next(outcome.facts for outcome in talk.outcomes if outcome.step == STEP)


def _data(rows: Sequence[Row]) -> alt.InlineData:
    import altair as alt

    return alt.InlineData(values=[dict(row) for row in rows])


def _libraries(rows: Sequence[Row]) -> alt.Y:
    """Return an axis of the sets of libraries. Labels break, so that they fit a phone."""
    import altair as alt

    ages = list(dict.fromkeys(str(row["libraries"]) for row in rows))
    lines = "split(replace(replace(datum.label, ': ', ':|'), ', ', ',|'), '|')"
    axis = alt.Axis(labelExpr=lines, labelOffset=-12, grid=True)
    return alt.Y("libraries:N", sort=ages, title=None, axis=axis)


def _log(figures: Sequence[float]) -> dict[str, Any]:
    """Return a log scale for these figures, and an axis with ticks at 1, 2 and 5."""
    import altair as alt

    low, high = min(figures) / 1.3, max(figures) * 1.3
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{step}e{power}") for power in powers for step in (1, 2, 5)]
    inside = [tick for tick in ticks if low <= tick <= high]
    scale = alt.Scale(type="log", domain=[low, high], nice=False, clamp=True)
    return {"scale": scale, "axis": alt.Axis(values=inside, format=",~r", grid=True)}
