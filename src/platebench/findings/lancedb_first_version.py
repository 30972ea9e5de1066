"""Version 1 of a LanceDB table has its rows; in lancedb 0.14 it was empty."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation

_ROWS = 16


def _show(folder: Path) -> Observation:
    import lancedb
    import pyarrow as pa

    table = lancedb.connect(str(folder)).create_table("images", pa.table({"row": range(_ROWS)}))
    versions = [int(version["version"]) for version in table.list_versions()]
    table.checkout(1)
    first = table.count_rows()
    facts: dict[str, Fact] = {
        "rows written": _ROWS,
        "versions after create_table": versions,
        "rows of version 1": first,
    }
    return Observation(facts, holds=versions == [1] and first == _ROWS)


FINDING = Finding(
    name="lancedb-first-version",
    title="Version 1 of a LanceDB table has its rows; in lancedb 0.14.0 it was empty",
    kind=Kind.CHANGED,
    libraries=("lancedb",),
    formats=("lancedb",),
    happens=(
        "create_table makes one version, which has the rows. In lancedb 0.14.0 it made two: version"
        " 1 without rows and version 2 with them, so checkout(1) gave an empty table."
    ),
    instead="Look up versions in list_versions(), or tag them. Do not assume that they start at 1.",
    done="create_table; list_versions(); checkout(1)",
    show=_show,
    command="platebench talk --over then",
)
