"""Then and now: the talk's claims over library versions, as kept in docs/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from platebench.errors import UserError
from platebench.results.report import figure
from platebench.site.section import Section, render
from platebench.talk.charts import ratio_rows, read_rows
from platebench.talk.claims import claim_rows
from platebench.talk.outcome import Talk

KEPT = "then_and_now.json"
READ_HEADS = ("libraries", "read", "median")
RATIO_HEADS = ("libraries", "LanceDB, times pandas", "quartiles")
DRAWING = "then_and_now.svg"
"""In docs/, and beside the page: the figures as `platebench talk --chart` draws them."""


def section(docs: Path) -> Section | None:
    """Return the claims as a table, and folded their figures; None if `docs` has none.

    The kept drawing of the figures is shown if it is in `docs`.
    """
    talks = talks_in(docs)
    if not talks:
        return None
    drawing = docs / DRAWING
    drawn = {DRAWING: drawing.read_bytes()} if drawing.exists() else {}
    html = render(
        "then_and_now.html",
        claims=claim_rows(talks),
        drawing=DRAWING if drawn else None,
        tables=(
            ("Three reads of two images, medians", READ_HEADS, reads(talks)),
            ("LanceDB's time relative to pandas", RATIO_HEADS, ratios(talks)),
        ),
    )
    return Section("then-and-now", "Then and now", html, drawn)


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


def reads(talks: Mapping[str, Talk]) -> list[tuple[str, ...]]:
    """Return the talk's three reads with their medians, for each set of libraries."""
    return [(row["libraries"], row["read"], f"{figure(row['ms'])} ms") for row in read_rows(talks)]


def ratios(talks: Mapping[str, Talk]) -> list[tuple[str, ...]]:
    """Return LanceDB's time relative to pandas, with its quartiles, for each set of libraries."""
    return [
        (
            row["libraries"],
            figure(row["times"]),
            "" if row["low"] is None else f"{figure(row['low'])} to {figure(row['high'])}",
        )
        for row in ratio_rows(talks)
    ]
