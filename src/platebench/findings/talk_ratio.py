"""The order of the talk's LanceDB and pandas reads has reversed."""

from __future__ import annotations

from platebench.findings.finding import Finding, Kind

FINDING = Finding(
    name="talk-ratio",
    title="The faster of the talk's two reads in 2024 is the slower one today",
    kind=Kind.CHANGED,
    libraries=("lancedb", "pylance", "pyarrow", "pandas"),
    formats=("lancedb",),
    happens=(
        "With the libraries of the 2024 talk, LanceDB's open_table().to_pandas() of two images took"
        " a fraction of pd.read_parquet's time. With current libraries it takes longer than"
        " pd.read_parquet, and its files take a fraction of the bytes. Each result applies only to"
        " its own versions."
    ),
    instead="Report library versions with every measurement, and measure again after an update.",
    command="platebench talk --over then",
)
