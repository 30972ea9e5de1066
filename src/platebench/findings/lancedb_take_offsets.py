"""LanceDB's take_offsets sorts the rows, and leaves out those that are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platebench.errors import Unsupported
from platebench.findings.finding import Fact, Finding, Kind, Seen, Source

_ROWS = 16
_ORDER = [5, 2, 9]
_OUTSIDE = [3, 999]


def _show(folder: Path) -> Seen:
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
        "rows asked for": _ORDER,
        "rows take_offsets gave": sorted_rows,
        "rows to_lance().take gave": dataset.take(_ORDER)["row"].to_pylist(),
        "asked for, one past the end": _OUTSIDE,
        "take_offsets gave": inside,
        "to_lance().take gave": by_lance,
    }
    return Seen(facts, holds=sorted_rows == sorted(_ORDER) and inside == [3])


def _taken(table: Any, rows: list[int]) -> list[int]:
    taken: list[int] = table.take_offsets(rows).to_arrow()["row"].to_pylist()
    return taken


FINDING = Finding(
    name="lancedb-take-offsets",
    title="LanceDB's take_offsets sorts the rows, and leaves out those that do not exist",
    kind=Kind.OTHER_ANSWER,
    libraries=("lancedb", "pylance"),
    happens=(
        "take_offsets promises no order, as its documentation says, and returned the rows sorted."
        " An offset past the end is left out without an error, so that fewer rows come back than"
        " were asked for. Images matched to those rows by their place may be the wrong ones."
    ),
    instead=(
        "Carry a row column and match by it, or use to_lance().take, which kept the order and"
        " raised for a row that is not there."
    ),
    sources=(Source("lancedb #2584", "https://github.com/lancedb/lancedb/pull/2584"),),
    done="table.take_offsets([5, 2, 9]) and take_offsets([3, 999]) of 16 rows",
    show=_show,
)
