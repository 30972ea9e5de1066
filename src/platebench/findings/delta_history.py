"""DeltaTable.history() is empty if the table's path has a # or a question mark."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation


def _show(folder: Path) -> Observation:
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    commits = {}
    for name in ("plate 1", "plate #1", "plate 1?"):
        place = str(folder / name)
        write_deltalake(place, pa.table({"row": [0, 1]}))
        table = DeltaTable(place)
        commits[name] = len(table.history())
        assert table.to_pyarrow_table().num_rows == 2
    facts: dict[str, Fact] = {f"commits in {name!r}": each for name, each in commits.items()}
    return Observation(facts, holds=list(commits.values()) == [1, 0, 0])


FINDING = Finding(
    name="delta-history",
    title="DeltaTable.history() is empty if the path has a # or a ?",
    kind=Kind.OTHER_ANSWER,
    libraries=("deltalake", "pyarrow"),
    formats=("delta",),
    happens=(
        "The table is written, read and appended to, but its history is an empty list, without an"
        " error. So its versions cannot be listed."
    ),
    instead="Read the commits from the files _delta_log/*.json, or rename the folder.",
    done="write_deltalake; DeltaTable.history()",
    show=_show,
)
