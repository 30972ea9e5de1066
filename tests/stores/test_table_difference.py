from __future__ import annotations

import pyarrow as pa
import pytest

from platebench.stores.table_difference import tables_differ

NAN = float("nan")
TABLE = pa.table(
    {
        "class": pa.array(["a", None, ""], pa.string()),
        "area": [1.5, NAN, None],
        "kind": pa.array(["u", "v", "u"]).dictionary_encode(),
        "count": pa.array([1, None, 3], pa.int32()),
    }
)


def changed(name: str, column: pa.Array) -> pa.Table:
    return TABLE.set_column(TABLE.schema.get_field_index(name), name, column)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (changed("class", pa.array(["a", "", ""])), "column 'class', row 1: '', not missing"),
        (changed("area", pa.array([1.5, None, None])), "column 'area', row 1: missing, not nan"),
        (changed("area", pa.array([1.5, NAN, NAN])), "column 'area', row 2: nan, not missing"),
        (changed("count", pa.array([1, None, 3])), "column 'count' has type int64, not int32"),
        (changed("kind", pa.array(["u", "v", "v"]).dictionary_encode()), "row 2: 'v', not 'u'"),
        (changed("kind", pa.array(["u", "v", "u"])), "column 'kind' has type string"),
        (TABLE.slice(0, 2), "2 rows, not 3"),
        (TABLE.take([1, 0, 2]), "column 'class', row 0: missing, not 'a'"),
        (TABLE.select(["area", "class", "kind", "count"]), "columns ['area'"),
        (TABLE.to_pandas(), "a DataFrame, not a table"),
    ],
)
def test_first_difference_is_named(found, words):
    said = tables_differ(TABLE, found)
    assert said is not None
    assert words in said


def test_nullability_is_a_difference():
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False)])
    strict = pa.table({"a": [1]}, schema=schema)
    assert tables_differ(strict, pa.table({"a": [1]})) == "column 'a' may have missing values"


def test_equal_tables_do_not_differ_whatever_their_chunks_dictionaries_and_metadata():
    other = pa.concat_tables([TABLE.slice(2), TABLE.slice(0, 2)]).take([1, 2, 0])
    assert tables_differ(TABLE, other.replace_schema_metadata({"a": "b"})) is None
    turned = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.int32()), ["v", "u"])
    assert tables_differ(TABLE, changed("kind", turned)) is None
    nested = pa.table({"a": pa.array([[1], None, []], pa.list_(pa.int64()))})
    assert tables_differ(nested, nested) is None
    assert tables_differ(nested, nested.take([1, 0, 2])) is not None
