"""An image set's fingerprint and its selections take its tables along."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from platebench.images.table_digest import table_digest
from platebench.stores.table_difference import tables_differ
from tests.conftest import noise

NAN = float("nan")
CELLS = pa.table(
    {
        "frame": [1, 3, 3, 5, None],
        "area": [1.0, NAN, None, 4.0, 5.0],
        "class": ["a", "", None, "", "b"],
    }
)


def changed(name: str, values: list) -> pa.Table:
    place = CELLS.column_names.index(name)
    return CELLS.set_column(place, name, pa.array(values, CELLS.schema.field(name).type))


@pytest.mark.parametrize(
    "other",
    [
        changed("area", [1.0, None, None, 4.0, 5.0]),
        changed("area", [1.0, 0.0, None, 4.0, 5.0]),
        changed("class", ["", "a", None, "", "b"]),
        changed("class", ["a", None, None, "", "b"]),
        CELLS.rename_columns(["frame", "area", "Class"]),
        CELLS.select(["area", "frame", "class"]),
        CELLS.slice(1),
        CELLS.slice(0, 0),
        CELLS.cast(pa.schema({"frame": pa.int32(), "area": pa.float64(), "class": pa.string()})),
    ],
)
def test_digest_of_another_table_differs(other):
    assert table_digest(other) != table_digest(CELLS)


def test_digest_depends_on_neither_chunks_nor_what_is_behind_missing_values():
    chunks = pa.concat_tables([CELLS.slice(0, 1), CELLS.slice(1, 2), CELLS.slice(3)])
    assert table_digest(chunks) == table_digest(CELLS)
    assert table_digest(CELLS.slice(1, 2)) == table_digest(CELLS.take([1, 2]))
    hidden = pa.Array.from_buffers(
        pa.int64(), 1, [pa.py_buffer(b"\0"), pa.py_buffer((7).to_bytes(8, "little"))]
    )
    assert table_digest(pa.table({"a": hidden})) == table_digest(
        pa.table({"a": pa.nulls(1, pa.int64())})
    )


@pytest.mark.parametrize(
    "values",
    [
        pa.array([True, None]),
        pa.array(["x", None]).dictionary_encode(),
        pa.array([1, None], pa.timestamp("us", tz="UTC")),
        pa.array([[1], None]),
        pa.array([b"\xff", None]),
        pa.array(["x", None], pa.large_string()),
        pa.nulls(2),
    ],
)
def test_every_type_has_a_digest(values):
    assert table_digest(pa.table({"a": values})) == table_digest(pa.table({"a": values}))
    assert table_digest(pa.table({"a": values})) != table_digest(pa.table({"a": values.slice(1)}))


def test_fingerprint_includes_tables_and_their_names():
    found = set()
    for tables in ({}, {"a": CELLS}, {"b": CELLS}, {"a": CELLS.slice(1)}, {"a": CELLS, "b": CELLS}):
        images = noise(3)
        images.tables = tables
        found.add(images.fingerprint)
    assert len(found) == 5


def test_selection_has_the_rows_of_its_images():
    images = noise(6)  # only images 1, 3 and 5 have a frame
    free = pa.table({"gene": ["KIF11"]})
    images.tables = {"cells": CELLS, "free": free}
    some = images.select([3, 0, 3])
    assert list(some.tables) == ["cells", "free"]
    assert tables_differ(CELLS.slice(1, 2), some.tables["cells"]) is None
    assert tables_differ(free, some.tables["free"]) is None
    assert images.select([0]).tables["cells"].num_rows == 0
    assert images.select([5]).select([0]).tables["cells"].num_rows == 1


@pytest.mark.parametrize("images", [1, 1000, 1001])
def test_fingerprint_is_that_of_the_whole_table_at_once(images):
    found = noise(images, (1, 1))
    state = hashlib.blake2b("".join(found.digests()).encode(), digest_size=16)
    state.update(repr(found.table.to_pylist()).encode())
    assert found.fingerprint == state.hexdigest()
