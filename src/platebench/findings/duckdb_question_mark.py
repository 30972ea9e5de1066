"""DuckDB cannot write a database below a folder with a question mark in its name."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation


def _show(folder: Path) -> Observation:
    import duckdb
    import pyarrow as pa

    written = {}
    for name in ("plate 1", "plate 1?"):
        (folder / name).mkdir()
        rows = pa.table({"row": [0, 1]})
        with duckdb.connect(folder / name / "images.duckdb") as database:
            database.register("rows", rows)
            try:
                database.execute("CREATE TABLE images AS SELECT * FROM rows")
                written[name] = "written"
            except duckdb.Error as error:
                written[name] = str(error).partition('"')[0].strip()
    facts: dict[str, Fact] = {f"a table in {name!r}": each for name, each in written.items()}
    return Observation(facts, holds=written["plate 1"] == "written" != written["plate 1?"])


FINDING = Finding(
    name="duckdb-question-mark",
    title="DuckDB writes no database below a folder with a ? in its name",
    kind=Kind.OTHER_ANSWER,
    libraries=("duckdb", "pyarrow"),
    formats=("duckdb",),
    happens=(
        "DuckDB takes a ? for the start of options, and puts the ending .wal of its log before it:"
        " in a folder that does not exist. The first write fails; reading works."
    ),
    instead="Write the database in another place, then move it; or rename the folder.",
    done="duckdb.connect(path); CREATE TABLE",
    show=_show,
)
