"""Evaluate the claims of the talk in each environment: as a table and a chart."""

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

from platebench.atomic_files import write_whole
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
"""Facts by step number."""


@dataclass(frozen=True)
class Claim:
    """A claim of the talk, in its words, and a measurement that tests it.

    `measured` names the measurement, `talk` is its result in 2024, and `result` formats the result
    from the facts of an environment.
    """

    words: str
    measured: str
    talk: str
    result: Callable[[Facts], str]


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
        "memory of awkward's array, relative to the pixels",
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
        "a DataFrame is read back equal",
        "-",
        lambda facts: "yes" if facts[5]["differences"].get("pandas") is None else "text changes",
    ),
    Claim(
        "feels fast!",
        "LanceDB's time, relative to pd.read_parquet",
        f"{THEN_MS[LANCEDB] / THEN_MS[PANDAS]:.2f}",
        lambda facts: (
            f"{facts[6]['ratio']:.2f} ({facts[6]['ratio_q25']:.2f} to {facts[6]['ratio_q75']:.2f})"
        ),
    ),
    Claim(
        "feels fast!",
        "LanceDB's bytes on disk, relative to the pixels",
        "-",
        lambda facts: f"{facts[6]['stored_bytes'] / facts[6]['pixel_bytes']:.1f}",
    ),
    Claim(
        "has versions",
        "rows at version 1, after two were written",
        "a new handle's 4",
        lambda facts: str(facts[7]["checked_out_rows"]),
    ),
    Claim(
        "is a vector database",
        "recall@10: exact, IVF-PQ, HNSW",
        "-",
        lambda facts: ", ".join(
            f"{facts[8]['recall'][name]:.2f}"
            for name in ("lancedb", "lancedb ivf-pq", "lancedb hnsw")
        ),
    ),
    Claim(
        "is a vector database",
        "time of an exact search, relative to DuckDB",
        "-",
        lambda facts: f"{facts[8]['median_ms']['lancedb'] / facts[8]['median_ms']['duckdb']:.1f}",
    ),
    Claim(
        "several tables in one package",
        "results of joins; time of LanceDB with DuckDB, relative to pandas",
        "-",
        lambda facts: (
            ("differ; " if any(facts[9]["differences"].values()) else "equal; ")
            + f"{_relative_to_pandas(facts[9]['median_ms']):.0f} times"
        ),
    ),
)


def _relative_to_pandas(medians: Mapping[str, float]) -> float:
    return medians["lancedb through duckdb"] / medians["pandas"]


def facts_of(talk: Talk) -> Facts:
    """Return the facts of a talk by step number."""
    return {outcome.step: outcome.facts for outcome in talk.outcomes}


def claim_rows(talks: Mapping[str, Talk]) -> list[dict[str, str]]:
    """Return one row per measurement: `claim`, `measured`, the talk's result, and the others."""
    return [
        {
            "claim": claim.words,
            "measured": claim.measured,
            TALK: claim.talk,
            **{
                heading_of(environment, talk): claim.result(facts_of(talk))
                for environment, talk in talks.items()
            },
        }
        for claim in CLAIMS
    ]


def as_table(talks: Mapping[str, Talk]) -> RenderableType:
    """Format the claims for the terminal: each claim, followed by one row per measurement."""
    parts: list[RenderableType] = [
        Text(f"{environment}: {_versions(talk)}", style="dim")
        for environment, talk in talks.items()
    ]
    for words, claims in groupby(CLAIMS, key=lambda claim: claim.words):
        table = Table.grid(padding=(0, 2))
        table.add_column(width=24)
        for _ in (TALK, *talks):
            table.add_column(width=max(4, 48 // (len(talks) + 1)), overflow="fold")
        table.add_row("", *(Text(name, style="dim") for name in (TALK, *talks)))
        for claim in claims:
            results = [claim.result(facts_of(talk)) for talk in talks.values()]
            table.add_row(claim.measured, claim.talk, *results)
        parts += ["", Text(f"\u201c{words}\u201d", style="bold"), table]
    return Group(*parts)


def _versions(talk: Talk) -> str:
    return ", ".join(f"{name} {version}" for name, version in talk.libraries.items())


def as_markdown(talks: Mapping[str, Talk]) -> str:
    """Format the claims as a Markdown table."""
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
    """Write the chart as SVG. Needs neither a network nor a browser."""
    drawn = io.StringIO()
    as_chart(talks).save(drawn, format="svg")
    write_whole(file, drawn.getvalue())
