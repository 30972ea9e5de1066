"""deltalake does not keep the order of rows within a file."""

from __future__ import annotations

from pathlib import Path

from platebench.findings.finding import Fact, Finding, Kind, Observation

_ROWS = 21


def _show(folder: Path) -> Observation:
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    schema = pa.schema([("row", pa.int64())])
    rows = range(_ROWS)
    batches = (pa.record_batch([pa.array([row])], schema=schema) for row in rows)
    write_deltalake(str(folder / "table"), pa.RecordBatchReader.from_batches(schema, batches))
    table = DeltaTable(str(folder / "table"))
    found = table.to_pyarrow_table()["row"].to_pylist()
    facts: dict[str, Fact] = {
        "rows written, in batches of one": list(rows),
        "rows read": found,
        "files": len(table.file_uris()),
    }
    return Observation(facts, holds=sorted(found) == list(rows) and found != list(rows))


FINDING = Finding(
    name="delta-row-order",
    title="deltalake changes the order of rows, within one file too",
    kind=Kind.OTHER_ANSWER,
    libraries=("deltalake", "pyarrow"),
    formats=("delta",),
    happens=(
        "write_deltalake hands the batches of a stream to several workers, and writes them as they"
        " arrive. With two processors, rows 0, 1, 2, 3 come back as 1, 3, ..., 0, 2, ... All rows"
        " are there."
    ),
    instead=(
        "Write a column with the number of each row, and sort by it. On a machine with one"
        " processor the order may be kept."
    ),
    done="write_deltalake of a RecordBatchReader; DeltaTable.to_pyarrow_table()",
    show=_show,
)
