"""Then and now: the talk's claims over library versions, as kept in docs/."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from platebench.errors import UserError
from platebench.results.report import figure
from platebench.site.drawing.style import Drawing, Row, framed, specs, texts
from platebench.site.section import Section, render
from platebench.talk.charts import RATIO_TITLE, ratio_chart, ratio_rows, read_rows, reads_chart
from platebench.talk.claims import claim_rows
from platebench.talk.outcome import Talk

KEPT = "then_and_now.json"
READ_HEADS = ("libraries", "read", "median")
RATIO_HEADS = ("libraries", "LanceDB, times pandas", "quartiles")

ROW_HEIGHT = 56
AROUND = 130
"""Pixels of axis and legend below the rows."""


def section(docs: Path) -> Section | None:
    """Return the claims as a table and two charts; None if `docs` has no such figures."""
    talks = talks_in(docs)
    if not talks:
        return None
    drawings = [reads(talks), ratios(talks)]
    html = render("then_and_now.html", claims=claim_rows(talks), drawings=drawings)
    return Section("then-and-now", "Then and now", html, specs(drawings))


def talks_in(docs: Path) -> dict[str, Talk]:
    """Return the kept talks by age, the oldest first; none without a file.

    Raises UserError for a file with other content.
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
    """Return the three reads in milliseconds, a row per set of libraries."""
    rows = [{**row, "median": f"{figure(row['ms'])} ms"} for row in read_rows(talks)]
    caption = "The talk's reads: two images, from the page cache. Medians of alternating reads."
    drawn = framed(reads_chart(rows, READ_HEADS), _height(rows))
    title = "Three reads of two images"
    return Drawing("then-reads", title, caption, drawn, READ_HEADS, texts(rows, READ_HEADS))


def ratios(talks: Mapping[str, Talk]) -> Drawing:
    """Return LanceDB's time relative to pandas, a row per set of libraries."""
    rows = [
        {
            **row,
            RATIO_HEADS[1]: figure(row["times"]),
            "quartiles": (
                "" if row["low"] is None else f"{figure(row['low'])} to {figure(row['high'])}"
            ),
        }
        for row in ratio_rows(talks)
    ]
    caption = (
        "To the left of 1, LanceDB took less time than pd.read_parquet. Bars are quartiles over "
        "pairs of neighbouring reads. Of the talk only single figures are known."
    )
    drawn = framed(ratio_chart(rows, RATIO_HEADS), _height(rows))
    return Drawing("then-ratio", RATIO_TITLE, caption, drawn, RATIO_HEADS, texts(rows, RATIO_HEADS))


def _height(rows: Sequence[Row]) -> int:
    return AROUND + ROW_HEIGHT * len({row["libraries"] for row in rows})
