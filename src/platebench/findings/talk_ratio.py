"""The talk's ratio of LanceDB's read to pandas' has turned round."""

from __future__ import annotations

from platebench.findings.finding import Finding, Kind

FINDING = Finding(
    name="talk-ratio",
    title="The faster of the talk's reads in 2024 is the slower one today",
    kind=Kind.CHANGED,
    libraries=("lancedb", "pylance", "pyarrow", "pandas"),
    happens=(
        "On the libraries of the 2024 talk, LanceDB's open_table().to_pandas() of its two images"
        " took a fraction of pd.read_parquet's time. On today's libraries it takes longer than"
        " pd.read_parquet, and its files take a fraction of the bytes they took. Neither result"
        " holds for the other's versions."
    ),
    instead="Name the versions beside a figure, and measure again before relying on it.",
    command="platebench talk --over then",
)
