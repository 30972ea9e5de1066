"""Tables must arrive in the suite's memory, whole, whatever their types and chunks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from platebench.errors import Mismatch
from platebench.timing.table_drain import TableDrain

TABLE = pa.table(
    {
        "area": np.arange(1000) / 7,
        "name": pa.array(["mitotic", None, "", "ünder"] * 250),
        "flag": pa.array([True, False, None, True] * 250),
        "frame": pa.array(range(1000), pa.int32()),
        "nothing": pa.nulls(1000, pa.string()),
        "kind": pa.array(["a", "b"] * 500).dictionary_encode(),
    }
)


@pytest.mark.parametrize(
    "table",
    [
        TABLE,
        TABLE.slice(17, 501),
        TABLE.slice(0, 0),
        pa.concat_tables([TABLE.slice(start, 3) for start in range(0, 999, 3)]),
        TABLE.select([]),
    ],
    ids=["whole", "slice", "no row", "many chunks", "no column"],
)
def test_values_arrive_in_the_memory(table) -> None:
    drain = TableDrain(TABLE)
    drain(table)
    assert drain.received().equals(table)
    assert drain.lengths == [table.num_rows]


def test_values_are_copied_out_of_the_stores_memory() -> None:
    values = np.arange(1000.0)
    drain = TableDrain(TABLE)
    drain(pa.table({"area": pa.array(values)}))
    values[:] = 0
    assert drain.received()["area"].to_pylist() == list(range(1000))


def test_what_an_earlier_sample_left_does_not_count() -> None:
    drain = TableDrain(TABLE)
    drain(TABLE)
    drain.spoil()
    assert drain.lengths == []
    with pytest.raises(Mismatch, match="no table arrived"):
        drain.received()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (TABLE.to_reader(), "RecordBatchReader"),
        (TABLE.to_batches()[0], "RecordBatch"),
        (TABLE.to_pydict(), "dict"),
        (lambda: TABLE, "function"),
        (None, "NoneType"),
    ],
)
def test_other_things_than_tables_are_refused(given, name) -> None:
    with pytest.raises(Mismatch, match=rf"^a {name} came back, not a table of Arrow$"):
        TableDrain(TABLE)(given)


def test_many_more_rows_than_expected_are_refused() -> None:
    drain = TableDrain(TABLE.slice(0, 10))
    with pytest.raises(Mismatch, match=r"^1000000 rows came back, not 10$"):
        drain(pa.concat_tables([TABLE] * 1000))


def test_each_image_comes_after_its_objects() -> None:
    drain = TableDrain(TABLE)
    parts = [TABLE.slice(0, 400), TABLE.slice(400, 0), TABLE.slice(400)]
    seen = [(image, list(drain.lengths)) for image in drain.beside("abc", parts)]
    assert seen == [("a", [400]), ("b", [400, 0]), ("c", [400, 0, 600])]
    assert drain.received().equals(TABLE)


@pytest.mark.parametrize("images", ["ab", "abcd"])
def test_more_or_fewer_images_than_tables_are_refused(images) -> None:
    parts = [TABLE.slice(0, 400), TABLE.slice(400, 0), TABLE.slice(400)]
    drain = TableDrain(TABLE)
    with pytest.raises(Mismatch, match="images came back"):
        list(drain.beside(images, parts))
    with pytest.raises(Mismatch, match="no table arrived"):
        drain.received()


def test_memory_is_sampled_when_a_table_arrives() -> None:
    drain = TableDrain(TABLE)
    arrived: list[int] = []
    drain.on_arrival = lambda: arrived.append(len(drain.lengths))
    list(drain.beside("ab", [TABLE, TABLE.slice(0, 0)]))
    assert arrived == [1, 2]
