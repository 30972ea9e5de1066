"""LanceDB's take_offsets sorts the rows and omits rows that do not exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platebench.errors import Unsupported
from platebench.findings.finding import Fact, Finding, Kind, Observation, Source

_ROWS = 16
_ORDER = [5, 2, 9]
_OUTSIDE = [3, 999]


def _show(folder: Path) -> Observation:
    import lancedb
    import pyarrow as pa

    database = lancedb.connect(str(folder))
    table = database.create_table("images", pa.table({"row": range(_ROWS)}))
    if not hasattr(table, "take_offsets"):
        raise Unsupported(f"lancedb {lancedb.__version__} has no take_offsets")
    sorted_rows = _taken(table, _ORDER)
    inside = _taken(table, _OUTSIDE)
    dataset = table.to_lance()
    try:
        by_lance: str | list[int] = dataset.take(_OUTSIDE)["row"].to_pylist()
    except (OSError, ValueError) as error:
        by_lance = type(error).__name__
    facts: dict[str, Fact] = {
        "rows in the table": _ROWS,
        "requested rows": _ORDER,
        "result of take_offsets": sorted_rows,
        "result of to_lance().take": dataset.take(_ORDER)["row"].to_pylist(),
        "requested rows, one past the end": _OUTSIDE,
        "result of take_offsets, one past the end": inside,
        "result of to_lance().take, one past the end": by_lance,
    }
    return Observation(facts, holds=sorted_rows == sorted(_ORDER) and inside == [3])


def _taken(table: Any, rows: list[int]) -> list[int]:
    taken: list[int] = table.take_offsets(rows).to_arrow()["row"].to_pylist()
    return taken


FINDING = Finding(
    name="lancedb-take-offsets",
    title="LanceDB's take_offsets sorts the rows and omits rows that do not exist",
    kind=Kind.OTHER_ANSWER,
    libraries=("lancedb", "pylance"),
    formats=("lancedb",),
    happens=(
        "take_offsets returns sorted rows; its documentation promises no order. It omits an offset"
        " past the end without an error and returns fewer rows than requested. Images that are"
        " matched to these rows by position may be the wrong ones."
    ),
    instead=(
        "Store a row column and match by it, or use to_lance().take, which kept the order and"
        " raised for a row that does not exist."
    ),
    sources=(Source("lancedb #2584", "https://github.com/lancedb/lancedb/pull/2584"),),
    done="table.take_offsets([5, 2, 9]) and take_offsets([3, 999]) of 16 rows",
    show=_show,
)
