"""Tables of the floor come back equal, and conditions select what Arrow's expressions select."""

from __future__ import annotations

import datetime
import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platebench.errors import Unsupported
from platebench.stores.floor import tables as floor_tables
from platebench.stores.floor.tables import BareTables
from platebench.stores.tables import selected
from platebench.stores.where import Condition, fitted

ROWS = 700
TABLE = pa.table(
    {
        "well": pa.array([f"B{row % 7:02d}" for row in range(ROWS)]),
        "note": pa.array([None if row % 5 == 0 else f"note {row}" for row in range(ROWS)]),
        "kind": pa.array(["mitotic" if 100 <= row < 140 else "ünder" for row in range(ROWS)]),
        "area": pa.array([float("nan") if row % 11 == 0 else row / 3 for row in range(ROWS)]),
        "light": pa.array([None if row % 3 == 0 else row / 7 for row in range(ROWS)], pa.float32()),
        "frame": pa.array(range(ROWS), pa.int32()),
        "big": pa.array([2**63 + row for row in range(ROWS)], pa.uint64()),
        "flag": pa.array([None if row % 4 == 0 else row % 2 == 0 for row in range(ROWS)]),
        "day": pa.array([datetime.date(2024, 1, 1 + row % 28) for row in range(ROWS)]),
        "time": pa.array(list(range(ROWS)), pa.timestamp("us", "UTC")),
        "price": pa.array([Decimal(row) for row in range(ROWS)], pa.decimal128(10, 2)),
        "bytes": pa.array([bytes([row % 256]) for row in range(ROWS)]),
        "long": pa.array([str(row) for row in range(ROWS)], pa.large_string()),
        "nothing": pa.nulls(ROWS),
    }
)


@pytest.fixture
def tables(tmp_path: Path) -> BareTables:
    made = BareTables(tmp_path / "tables")
    made.write({"cells": TABLE})
    return made


def equal(one: pa.Table, other: pa.Table) -> bool:
    """Compare with NaN equal to NaN."""
    return one.schema.equals(other.schema) and str(one.to_pylist()) == str(other.to_pylist())


def test_every_flat_type_comes_back_equal(tables) -> None:
    assert equal(tables.read("cells"), TABLE)
    assert tables.names() == ["cells"]
    assert tables.schema("cells") == TABLE.schema


@pytest.mark.parametrize("rows", [0, 1, 8])
def test_tables_of_few_rows_come_back_equal(rows, tmp_path) -> None:
    made = BareTables(tmp_path)
    made.write({"few": TABLE.slice(3, rows), "chunks": pa.concat_tables([TABLE, TABLE.slice(9)])})
    assert equal(made.read("few"), TABLE.slice(3, rows))
    assert equal(made.read("chunks"), pa.concat_tables([TABLE, TABLE.slice(9)]))


def test_slice_of_a_table_takes_no_more_room_than_its_rows(tmp_path) -> None:
    made = BareTables(tmp_path)
    made.write({"few": TABLE.slice(0, 1)})
    assert made.file("few").stat().st_size < 5000


def test_columns_come_in_the_order_asked_for(tables) -> None:
    assert tables.read("cells", ["light", "well"]).equals(TABLE.select(["light", "well"]))
    none = tables.read("cells", [], (Condition("kind", "==", "mitotic"),))
    assert (none.num_columns, none.num_rows) == (0, 40)
    with pytest.raises(KeyError, match="lamp"):
        tables.read("cells", ["lamp"])
    with pytest.raises(KeyError, match="objects"):
        tables.read("objects")


def test_rows_are_appended_as_further_pieces(tables) -> None:
    before = tables.file("cells").read_bytes()
    tables.append("cells", TABLE.slice(0, 10))
    tables.append("cells", TABLE.slice(690))
    assert tables.file("cells").read_bytes().startswith(before)
    grown = pa.concat_tables([TABLE, TABLE.slice(0, 10), TABLE.slice(690)])
    assert equal(tables.read("cells"), grown)
    where = (Condition("area", ">", 225), Condition("well", "!=", "B03"))
    assert equal(tables.read("cells", where=where), selected(grown, grown.column_names, where))


def test_failed_append_leaves_the_table_as_it_was(tables, monkeypatch) -> None:
    before = tables.file("cells").read_bytes()

    def full(file: int, parts: list[memoryview], at: int) -> int:
        if at > len(before):
            raise OSError("No space left on device")
        return os.pwrite(file, parts[0][:100], at)

    monkeypatch.setattr(floor_tables.os, "pwritev", full)
    with pytest.raises(OSError, match="No space"):
        tables.append("cells", TABLE)
    assert tables.file("cells").read_bytes() == before


@pytest.mark.parametrize("size", [0, 5, 4000, -1])
def test_truncated_file_is_an_error(tables, size) -> None:
    file = tables.file("cells")
    os.truncate(file, size if size >= 0 else file.stat().st_size - 1)
    with pytest.raises(EOFError, match=r"cells\.columns is truncated"):
        tables.read("cells")


@pytest.mark.parametrize(
    "column", [pa.array([[1]]), pa.array(["a"]).dictionary_encode(), pa.array([{"a": 1}])]
)
def test_types_without_buffers_of_their_own_are_refused(column, tmp_path) -> None:
    with pytest.raises(Unsupported, match="column 'odd' of 'cells' has type"):
        BareTables(tmp_path).check_all({"cells": pa.table({"odd": column})})


texts = st.sampled_from(["B00", "B03", "mitotic", "ünder", "note 7", "x"])
numbers = st.one_of(st.integers(-5, 800), st.floats(-5, 300), st.sampled_from([0.0, -0.0, 1e300]))
orders = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
conditions = st.one_of(
    st.builds(Condition, st.sampled_from(["well", "note", "kind", "long"]), orders, texts),
    st.builds(
        Condition,
        st.sampled_from(["well", "note", "kind"]),
        st.just("in"),
        st.lists(texts, max_size=3).map(tuple),
    ),
    st.builds(Condition, st.sampled_from(["area", "light", "frame"]), orders, numbers),
    st.builds(
        Condition,
        st.sampled_from(["area", "light", "frame"]),
        st.just("in"),
        st.lists(numbers, max_size=3).map(tuple),
    ),
    st.builds(Condition, st.just("flag"), st.sampled_from(["==", "!="]), st.booleans()),
)


@given(where=st.lists(conditions, min_size=1, max_size=3).map(tuple), small=st.booleans())
@settings(max_examples=150, deadline=None)
def test_conditions_select_the_rows_that_arrow_selects(where, small, tmp_path_factory) -> None:
    folder = tmp_path_factory.getbasetemp() / "floor-tables"
    made = BareTables(folder)
    if "cells" not in made.names():
        made.write({"cells": TABLE})
    before = floor_tables._SMALL
    floor_tables._SMALL = 1 << 20 if small else 0  # large buffers are read in parts
    try:
        found = made.read("cells", where=where)
    finally:
        floor_tables._SMALL = before
    assert equal(found, selected(TABLE, TABLE.column_names, fitted(where, TABLE.schema)))


def test_large_columns_are_read_where_rows_match_only(tmp_path, monkeypatch) -> None:
    """The condition selects two clusters of rows, so two parts of the other column are read."""
    rows = 200_000
    kind = np.full(rows, "usual", object)
    kind[5:10] = kind[150_000:150_010] = "mitotic"
    table = pa.table({"kind": pa.array(kind.tolist()), "area": np.arange(rows) / 3})
    made = BareTables(tmp_path)
    made.write({"cells": table})
    advised: list[tuple[int, int]] = []
    monkeypatch.setattr(
        os, "posix_fadvise", lambda file, start, size, how: advised.append((start, size))
    )
    found = made.read("cells", ["area"], (Condition("kind", "==", "mitotic"),))
    assert found.num_rows == 15
    assert sum(size for _, size in advised) == rows + 2 * 65536
