"""Then and now: what the talk's claims are worth over library versions, as kept in docs/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import altair as alt

from platebench.errors import UserError
from platebench.results.report import figure
from platebench.site.drawing.style import (
    Drawing,
    Row,
    bars,
    data_of,
    ends_of,
    framed,
    log_axis,
    number,
    specs,
    texts,
    told,
)
from platebench.site.section import Section, render
from platebench.talk.claims import TALK, claim_rows, facts_of, heading_of
from platebench.talk.constants import LANCEDB, PANDAS, READS, THEN_MS
from platebench.talk.outcome import Talk

KEPT = "then_and_now.json"
COLOURS = ("#0072B2", "#009E73", "#D55E00")
SHAPES = ("circle", "square", "triangle-up")
READ_HEADS = ("libraries", "read", "median")
RATIO_HEADS = ("libraries", "LanceDB, times pandas", "quartiles")
_THREE_READS = 6
"""The step of the talk that the charts are of."""

ROW_HEIGHT = 56
AROUND = 130
"""Pixels of axis and legend below the rows."""


def section(docs: Path) -> Section | None:
    """Return the claims as a table and two charts; None where `docs` holds no such figures."""
    talks = talks_in(docs)
    if not talks:
        return None
    drawings = [reads(talks), ratios(talks)]
    html = render("then_and_now.html", claims=claim_rows(talks), drawings=drawings)
    return Section("then-and-now", "Then and now", html, specs(drawings))


def talks_in(docs: Path) -> dict[str, Talk]:
    """Return the kept talks by age, oldest first; none where there is no file.

    Raises UserError for a file that holds something else.
    """
    file = docs / KEPT
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text())
        return {age: Talk.from_json(each) for age, each in content.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{file}: not what 'platebench talk --json' writes ({error})") from error


def reads(talks: Mapping[str, Talk]) -> Drawing:
    """Return the three reads in milliseconds, a row a set of libraries."""
    rows = [_read(TALK, read, THEN_MS[read]) for read in READS]
    for age, talk in talks.items():
        medians = facts_of(talk)[_THREE_READS]["median_ms"]
        rows += [_read(heading_of(age, talk), read, medians[read]) for read in READS]
    scale, axis = log_axis([number(row, "ms") for row in rows])
    legend = alt.Legend(title="read of two images", columns=1, labelLimit=260)
    marks = alt.Chart(data_of(rows)).mark_point(filled=True, size=90, opacity=1)
    chart = marks.encode(
        x=alt.X("ms:Q", title="median, milliseconds", scale=scale, axis=axis),
        y=_age_axis(rows),
        color=alt.Color("read:N", scale=alt.Scale(domain=READS, range=COLOURS), legend=legend),
        shape=alt.Shape("read:N", scale=alt.Scale(domain=READS, range=SHAPES), legend=legend),
        tooltip=told(*READ_HEADS),
    )
    drawn = framed(alt.LayerChart(layer=[chart]), _height(rows))
    caption = "What the talk timed: two images, from the page cache. Medians of alternating reads."
    return Drawing(
        "then-reads", "Three reads of two images", caption, drawn, READ_HEADS,
        texts(rows, READ_HEADS),
    )  # fmt: skip


def ratios(talks: Mapping[str, Talk]) -> Drawing:
    """Return LanceDB's time, of pandas', a row a set of libraries."""
    rows = [_ratio(TALK, THEN_MS[LANCEDB] / THEN_MS[PANDAS], None, None)]
    for age, talk in talks.items():
        facts = facts_of(talk)[_THREE_READS]
        ends = (facts["ratio_q25"], facts["ratio_q75"])
        rows.append(_ratio(heading_of(age, talk), facts["ratio"], *ends))
    scale, axis = log_axis([1, *(number(row, "times") for row in rows), *ends_of(rows)])
    x = alt.X("times:Q", title="LanceDB's time, of pandas'", scale=scale, axis=axis)
    y = _age_axis(rows)
    one = alt.Chart(alt.InlineData(values=[{"times": 1}])).mark_rule(aria=False, strokeDash=[4, 4])
    points = alt.Chart(data_of(rows)).mark_point(filled=True, size=90, color="black", opacity=1)
    layers = [
        one.encode(x=x),
        bars(rows, strokeWidth=2).encode(x=alt.X("low:Q", scale=scale), x2="high:Q", y=y),
        points.encode(x=x, y=y, tooltip=told(*RATIO_HEADS)),
    ]
    caption = (
        "To the left of 1, LanceDB took less time than pd.read_parquet. Bars are quartiles over "
        "pairs of neighbouring reads; of the talk only single figures are known."
    )
    drawn = framed(alt.LayerChart(layer=layers), _height(rows))
    title = "LanceDB's time, of pandas'"
    return Drawing("then-ratio", title, caption, drawn, RATIO_HEADS, texts(rows, RATIO_HEADS))


def _age_axis(rows: list[Row]) -> alt.Y:
    """Return an axis of ages, its labels broken where a phone needs it."""
    ages = list(dict.fromkeys(str(row["libraries"]) for row in rows))
    lines = "split(replace(replace(datum.label, ': ', ':|'), ', ', ',|'), '|')"
    return alt.Y(
        "libraries:N",
        sort=ages,
        title=None,
        axis=alt.Axis(labelExpr=lines, labelOffset=-12, grid=True),
    )


def _height(rows: list[Row]) -> int:
    return AROUND + ROW_HEIGHT * len({row["libraries"] for row in rows})


def _read(libraries: str, read: str, ms: float) -> Row:
    return {"libraries": libraries, "read": read, "ms": ms, "median": f"{figure(ms)} ms"}


def _ratio(libraries: str, times: float, low: float | None, high: float | None) -> Row:
    known = low is not None and high is not None
    return {
        "libraries": libraries,
        "times": times,
        "low": low,
        "high": high,
        RATIO_HEADS[1]: figure(times),
        "quartiles": f"{figure(low)} to {figure(high)}" if known else "",
    }
