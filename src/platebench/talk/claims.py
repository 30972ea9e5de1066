"""What each claim of the talk is worth, on each set of libraries: a table and a chart."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from platebench.ownership import write_whole
from platebench.talk.charts import (
    RATIO_TITLE,
    TALK,
    heading_of,
    ratio_chart,
    ratio_rows,
    read_rows,
    reads_chart,
)
from platebench.talk.constants import LANCEDB, PANDAS, THEN_MS
from platebench.talk.outcome import Talk

Facts = Mapping[int, Mapping[str, Any]]
"""The facts of each step."""


@dataclass(frozen=True)
class Claim:
    """Words of the talk, what they are held against, and how the facts say it in a few words."""

    words: str
    against: str
    talk: str
    worth: Callable[[Facts], str]


def _accepted(refused: str | None) -> str:
    return "accepted" if refused is None else "refused"


CLAIMS = (
    Claim(
        "integrates well with Parquet",
        "df.to_parquet of 2-D arrays",
        "refused",
        lambda facts: _accepted(facts[3]["arrays"]),
    ),
    Claim(
        "integrates well with Parquet",
        "memory of awkward's array, of the pixels'",
        "-",
        lambda facts: f"{facts[4]['memory_times']:.0f} times ({facts[4]['widened']})",
    ),
    Claim(
        "integrates well with Arrow",
        "create_table of awkward's Arrow table",
        "refused",
        lambda facts: _accepted(facts[5]["from_arrow"]),
    ),
    Claim(
        "integrates well with pandas",
        "create_table of a DataFrame of 2-D arrays",
        "-",
        lambda facts: _accepted(facts[5]["from_arrays"]),
    ),
    Claim(
        "integrates well with pandas",
        "a DataFrame goes in and comes back equal",
        "-",
        lambda facts: "yes" if facts[5]["differences"].get("pandas") is None else "text changes",
    ),
    Claim(
        "feels fast!",
        "LanceDB's time, of pd.read_parquet's",
        f"{THEN_MS[LANCEDB] / THEN_MS[PANDAS]:.2f}",
        lambda facts: (
            f"{facts[6]['ratio']:.2f} ({facts[6]['ratio_q25']:.2f} to {facts[6]['ratio_q75']:.2f})"
        ),
    ),
    Claim(
        "feels fast!",
        "LanceDB's bytes on disk, of the pixels'",
        "-",
        lambda facts: f"{facts[6]['stored_bytes'] / facts[6]['pixel_bytes']:.1f}",
    ),
    Claim(
        "has versions",
        "rows at version 1, of the two put in first",
        "a new handle's 4",
        lambda facts: str(facts[7]["checked_out_rows"]),
    ),
    Claim(
        "is a vector database",
        "10 nearest found: exact, IVF-PQ, HNSW",
        "-",
        lambda facts: ", ".join(
            f"{facts[8]['recall'][name]:.2f}"
            for name in ("lancedb", "lancedb ivf-pq", "lancedb hnsw")
        ),
    ),
    Claim(
        "is a vector database",
        "an exact search, of DuckDB's time",
        "-",
        lambda facts: f"{facts[8]['median_ms']['lancedb'] / facts[8]['median_ms']['duckdb']:.1f}",
    ),
    Claim(
        "several tables in one package",
        "joins equal; LanceDB through DuckDB, of pandas'",
        "-",
        lambda facts: (
            ("differ; " if any(facts[9]["differences"].values()) else "equal; ")
            + f"{_of_pandas(facts[9]['median_ms']):.0f} times"
        ),
    ),
)


def _of_pandas(medians: Mapping[str, float]) -> float:
    return medians["lancedb through duckdb"] / medians["pandas"]


def facts_of(talk: Talk) -> Facts:
    """Return the facts of each step of a talk."""
    return {outcome.step: outcome.facts for outcome in talk.outcomes}


def claim_rows(talks: Mapping[str, Talk]) -> list[dict[str, str]]:
    """Return a row a claim: `claim`, `held against`, what the talk saw, and its worth by age."""
    return [
        {
            "claim": claim.words,
            "held against": claim.against,
            TALK: claim.talk,
            **{heading_of(age, talk): claim.worth(facts_of(talk)) for age, talk in talks.items()},
        }
        for claim in CLAIMS
    ]


def as_table(talks: Mapping[str, Talk]) -> RenderableType:
    """Return the claims for the terminal: each claim's words, and below them a row a figure."""
    parts: list[RenderableType] = [
        Text(f"{age}: {_versions(talk)}", style="dim") for age, talk in talks.items()
    ]
    for words, claims in groupby(CLAIMS, key=lambda claim: claim.words):
        table = Table.grid(padding=(0, 2))
        table.add_column(width=24)
        for _ in (TALK, *talks):
            table.add_column(width=max(4, 48 // (len(talks) + 1)), overflow="fold")
        table.add_row("", *(Text(name, style="dim") for name in (TALK, *talks)))
        for claim in claims:
            worths = [claim.worth(facts_of(talk)) for talk in talks.values()]
            table.add_row(claim.against, claim.talk, *worths)
        parts += ["", Text(f"\u201c{words}\u201d", style="bold"), table]
    return Group(*parts)


def _versions(talk: Talk) -> str:
    return ", ".join(f"{name} {version}" for name, version in talk.libraries.items())


def as_markdown(talks: Mapping[str, Talk]) -> str:
    """Return the claims as a Markdown table."""
    rows = claim_rows(talks)
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_chart(talks: Mapping[str, Talk]) -> Any:
    """Return an Altair chart: the three reads in milliseconds, and their ratio, by age."""
    reads, ratios = read_rows(talks), ratio_rows(talks)
    height = 44 * len(ratios)
    left = reads_chart(reads).properties(
        width=260, height=height, title="Three reads of two images"
    )
    right = ratio_chart(ratios).properties(width=260, height=height, title=RATIO_TITLE)
    return left | right


def save_chart(talks: Mapping[str, Talk], file: Path) -> None:
    """Write the chart as SVG, without a network or a browser."""
    drawn = io.StringIO()
    as_chart(talks).save(drawn, format="svg")
    write_whole(file, drawn.getvalue())
