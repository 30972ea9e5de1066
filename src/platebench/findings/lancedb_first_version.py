"""The first version of a LanceDB table holds its rows today, and was empty in 0.14."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Seen

_ROWS = 16


def _show(folder: Path) -> Seen:
    import lancedb
    import pyarrow as pa

    table = lancedb.connect(str(folder)).create_table("images", pa.table({"row": range(_ROWS)}))
    versions = [int(version["version"]) for version in table.list_versions()]
    table.checkout(1)
    first = table.count_rows()
    facts: dict[str, Fact] = {
        "rows put in": _ROWS,
        "versions after create_table": versions,
        "rows of version 1": first,
    }
    return Seen(facts, holds=versions == [1] and first == _ROWS)


FINDING = Finding(
    name="lancedb-first-version",
    title="Version 1 of a LanceDB table holds its rows; in 0.14.0 it was empty",
    kind=Kind.CHANGED,
    libraries=("lancedb",),
    happens=(
        "create_table makes one version, with the rows. In lancedb 0.14.0 it made two: version 1"
        " without a row, version 2 with them, so that checkout(1) showed an empty table."
    ),
    instead="Look a version up in list_versions(), or tag it, instead of counting from 1.",
    done="create_table; list_versions(); checkout(1)",
    show=_show,
    command="platebench talk --over then",
)
