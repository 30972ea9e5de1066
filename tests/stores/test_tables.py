"""The contract suite of tables: every store keeps the tables that belong to its images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from platebench.errors import Unsupported, UserError
from platebench.images.imageset import ImageSet, digest
from platebench.stores import registry
from platebench.stores.contract import OpenStore
from platebench.stores.name import StoreName
from platebench.stores.table_difference import tables_differ
from platebench.stores.where import Condition, Where
from tests.conftest import ArrayImages, noise
from tests.stores.python_where import by_python
from tests.stores.test_contract import (
    ONE_FILE,
    contents,
    entries_below,
    every_store,
    find,
    first_version,
    stores,
)


def one_of(format_: registry.Format) -> StoreName:
    """Return a store of a format: of its first layout, tuned for speed if it can be."""
    found = [name for name in format_.stores if name.layout == format_.layouts[0]]
    return next((name for name in found if name.tuning == "fast"), found[0])


every_format = pytest.mark.parametrize(
    "name", [*stores([one_of(format_) for format_ in registry.FORMATS]), ONE_FILE]
)
"""One store per format. A format keeps tables alike whatever its layout and tuning, which the tests
over `every_store` confirm."""


def with_tables(tables: Mapping[str, pa.Table], images: int = 6) -> ArrayImages:
    """Return images with these tables."""
    made = noise(images)
    made.tables = tables
    return made


NAN, INF = math.nan, math.inf
NUCLEI = pa.table(
    {
        "well": ["00001", "00000", "0", "1", None, "1", "7"],
        "frame": pa.array([1, None, 3, 5, 5, 1, 1], pa.int32()),
        "area": [10.5, None, NAN, 60.0, 70.0, 50.0, -INF],
        "class": ["mitotic", "inter'phase", "", None, "mitotic", "mitotic", "NA"],
        "count": pa.array([2**63 - 1, -(2**63), None, 0, 1, 2**53 + 1, -1], pa.int64()),
        "ok": [True, False, None, True, True, False, False],
    }
)
"""Rows 0, 3 and 5 belong to an image: 1, 5 and 1."""

ODD = pa.table(
    {
        "fläche (µm²)": pa.array([1.5, NAN, None], pa.float32()),
        'it\'s a "text"': ["a,b\n;\t", '"', "\U0001f52c é\r\n"],
        "%/of/all": pa.array([255, 0, None], pa.uint8()),
        " ": ["", None, " "],
        "made": pa.array([0, None, -1], pa.timestamp("us", tz="UTC")),
        "none at all": pa.array([None, None, None], pa.string()),
        "x" * 120: [1, 2, 3],
        "and": pa.array([1, 2, 3], pa.int8()),
        "Metadata.`Gene`%2e": ["KIF11", None, "PLK1"],
    }
)
STRICT = pa.table(
    {"object": [1, 2]}, schema=pa.schema([pa.field("object", pa.int64(), nullable=False)])
)
TABLES = {
    "objects": NUCLEI,
    "a table": ODD,
    "empty-table": NUCLEI.slice(0, 0),
    "Größe.1": STRICT,
}
MITOTIC = (Condition("class", "==", "mitotic"),)
WHERES: list[Where] = [
    (),
    MITOTIC,
    (*MITOTIC, Condition("area", ">", 40)),
    (Condition("area", ">", 40),),
    (Condition("area", "!=", 50.0),),
    (Condition("area", "<=", 10**30),),
    (Condition("area", ">=", -(10**400)),),
    (Condition("count", ">", 2.0**53),),
    (Condition("count", "==", 2**63 - 1),),
    (Condition("count", "<=", -(2**63)),),
    (Condition("frame", "<", 2**40),),
    (Condition("frame", "in", (1, 3, 2.5)),),
    (Condition("class", "in", ("inter'phase", "", "no such")),),
    (Condition("class", "!=", "mitotic"),),
    (Condition("class", "in", ()),),
    (Condition("ok", "==", True), Condition("count", ">=", 0)),
    (Condition("ok", "!=", True),),
    (Condition("ok", "in", (False,)),),
]


def opened(name: str, images: ImageSet, path: Path) -> OpenStore:
    """Write images with tables, which no store may refuse, and open them."""
    store = find(name)
    store.write(images, path)
    return store.open(path)


def check_tables(store: OpenStore, tables: Mapping[str, pa.Table]) -> None:
    """Fail unless a store has these tables and no others."""
    assert store.tables() == sorted(tables)
    for name, table in tables.items():
        assert tables_differ(table, store.read_table(name)) is None
        assert store.table_schema(name).names == table.column_names


def check_where(store: OpenStore, name: str, table: pa.Table, where: Where) -> None:
    """Fail unless a store returns the rows of a table that match."""
    rows = pa.array(by_python(table, where), pa.int64())
    found = store.read_table(name, ["well", "area"], where)
    assert tables_differ(table.select(["well", "area"]).take(rows), found) is None


@every_store
def test_tables_come_back_equal(name, tmp_path):
    images = with_tables(TABLES)
    with opened(name, images, tmp_path / "store") as store:
        check_tables(store, TABLES)
        assert [digest(image) for image in store.scan()] == images.digests()
        assert store.table().equals(images.table)


@every_format
def test_set_without_tables_has_none(name, tmp_path):
    with opened(name, with_tables({}), tmp_path / "store") as store:
        assert store.tables() == []
        for call in (store.read_table, store.table_schema):
            with pytest.raises(KeyError):
                call("objects")


@every_format
def test_rows_that_match_are_read(name, tmp_path):
    with opened(name, with_tables({"objects": NUCLEI}), tmp_path / "store") as store:
        for where in WHERES:
            check_where(store, "objects", NUCLEI, where)


@every_format
def test_any_column_can_be_compared(name, tmp_path):
    with opened(name, with_tables({"odd": ODD}), tmp_path / "store") as store:
        for column in ("Metadata.`Gene`%2e", 'it\'s a "text"', " "):
            where = (Condition(column, "==", ODD[column][2].as_py()),)
            found = store.read_table("odd", ["and", column], where)
            assert tables_differ(ODD.select(["and", column]).slice(2), found) is None


@every_format
def test_columns_come_in_the_requested_order(name, tmp_path):
    with opened(name, with_tables(TABLES), tmp_path / "store") as store:
        for columns in (["area", "well"], ["class"], ["ok", "ok", "area"], NUCLEI.column_names):
            found = store.read_table("objects", columns)
            assert tables_differ(NUCLEI.select(columns), found) is None
            found = store.read_table("objects", columns, MITOTIC)
            assert tables_differ(NUCLEI.select(columns).take([0, 4, 5]), found) is None


@every_format
def test_unknown_names_raise_key_errors(name, tmp_path):
    with opened(name, with_tables(TABLES), tmp_path / "store") as store:
        for table in ("images", "no such", "", "Objects", "objects.", "../store", "tables"):
            with pytest.raises(KeyError):
                store.read_table(table)
        for columns, where in (
            (["area", "Area"], ()),
            (["area"], (Condition("Area", ">", 1),)),
            (["rowid"], ()),
        ):
            with pytest.raises(KeyError, match=r"Area|rowid"):
                store.read_table("objects", columns, where)


@every_format
def test_condition_that_does_not_suit_its_column_is_refused(name, tmp_path):
    with opened(name, with_tables(TABLES), tmp_path / "store") as store:
        for condition in (
            Condition("area", "==", "50"),
            Condition("class", ">", 5),
            Condition("ok", "==", 1),
            Condition("count", "==", True),
        ):
            with pytest.raises(UserError, match=condition.column):
                store.read_table("objects", where=(condition,))


@every_format
def test_images_where_returns_the_images_of_the_matching_rows(name, tmp_path):
    images = with_tables({"objects": NUCLEI})
    memory = np.empty(images.pixel_bytes, np.uint8)
    with opened(name, images, tmp_path / "store") as store:
        for where, rows in ((MITOTIC, [1]), ((), [1, 5]), ((Condition("area", ">", 99),), [])):
            expected = [images.digests()[row] for row in rows]
            assert store.rows_where("objects", where) == rows
            assert [digest(image) for image in store.images_where("objects", where)] == expected
            into = store.images_where_into("objects", where, memory)
            assert [digest(image) for image in into] == expected


@every_format
def test_images_where_of_a_table_without_keys_is_refused(name, tmp_path):
    with opened(name, with_tables(TABLES), tmp_path / "store") as store:
        with pytest.raises(UserError, match="'a table' cannot be linked to images"):
            store.images_where("a table", ())
        with pytest.raises(KeyError):
            store.images_where("no such", ())


# Types: each is kept, or refused before anything is created

TYPES = {
    "int8": pa.array([-128, None, 127], pa.int8()),
    "uint16": pa.array([0, None, 65535], pa.uint16()),
    "uint64": pa.array([0, None, 2**64 - 1], pa.uint64()),
    "small uint64": pa.array([0, None, 2**63 - 1], pa.uint64()),
    "float16": pa.array(np.array([1.5, NAN, -INF], np.float16)),
    "float32": pa.array([0.1, None, NAN], pa.float32()),
    "float64": pa.array([0.1, None, 5e-324]),
    "string": pa.array(["é", None, ""]),
    "large string": pa.array(["é", None, ""], pa.large_string()),
    "string view": pa.array(["é", None, ""], pa.string_view()),
    "text with NUL": pa.array(["a\0b", None, "\0"]),
    "long text": pa.array(["a" * 100_000, None, "b"]),
    "binary": pa.array([b"\0\xff", None, b""]),
    "bool": pa.array([True, None, False]),
    "null": pa.nulls(3),
    "date": pa.array([0, None, -1], pa.date32()),
    "date64": pa.array([0, None, 86_400_000], pa.date64()),
    "time": pa.array([0, None, 1], pa.time64("ns")),
    "time32": pa.array([0, None, 1], pa.time32("s")),
    "timestamp": pa.array([0, None, -1], pa.timestamp("ns")),
    "timestamp in s": pa.array([0, None, -1], pa.timestamp("s")),
    "zoned": pa.array(
        [datetime(2024, 6, 1, tzinfo=UTC)] * 3, pa.timestamp("ms", tz="Europe/Paris")
    ),
    "duration": pa.array([0, None, -1], pa.duration("ms")),
    "dictionary": pa.array(["b", None, "a"]).dictionary_encode(),
    "categorical": pa.array(["b", None, "a"]).cast(pa.dictionary(pa.int8(), pa.string())),
    "ordered": pa.DictionaryArray.from_arrays([1, None, 0], ["b", "a"], ordered=True),
    "dictionary of numbers": pa.array([2, None, 1]).dictionary_encode(),
    "list": pa.array([[1], None, []], pa.list_(pa.int64())),
    "struct": pa.array([{"a": 1}, None, {"a": None}]),
    "decimal": pa.array([Decimal("1.20"), None, Decimal("-3.00")]),
    "month interval": pa.array([None, (1, 2, 3), None], pa.month_day_nano_interval()),
}


MUST_BE_KEPT = {"int8", "float32", "float64", "string", "bool", "timestamp", "long text"}


@every_format
def test_each_type_is_kept_or_refused(name, tmp_path):
    kept = {kind for kind in TYPES if is_kept(name, kind, tmp_path / kind)}
    assert kept >= MUST_BE_KEPT


def is_kept(name: str, kind: str, folder: Path) -> bool:
    """Write a column of a type, append to it and compare; return False if it is refused."""
    folder.mkdir()
    whole = pa.table({"value": TYPES[kind], "row": [0, 1, 2]})
    tables = {"all": whole, "none": whole.slice(0, 0), "some": whole.slice(1, 2)}
    store = find(name)
    try:
        store.write(with_tables(tables, images=1), folder / "store")
    except Unsupported as reason:
        assert "value" in str(reason) or "type" in str(reason)
        assert entries_below(folder) == set(), "a refused write must leave nothing"
        return False
    with store.open(folder / "store") as found:
        check_tables(found, tables)
    store.append_rows("all", whole.slice(1), folder / "store")
    with store.open(folder / "store") as found:
        twice = pa.concat_tables([whole, whole.slice(1)])
        assert tables_differ(twice, found.read_table("all")) is None, kind
    return True


@every_format
def test_name_that_no_table_may_have_is_refused_first(name, tmp_path):
    for names in (
        ["a/b"],
        [""],
        ["images"],
        ["Images"],
        [".hidden"],
        ["sqlite_master"],
        ["objects", "Objects"],
        ["x" * 300],
        ["a\nb"],
    ):
        images = with_tables(dict.fromkeys(names, NUCLEI))
        with pytest.raises(UserError, match="table"):
            find(name).write(images, tmp_path / "store")
        assert entries_below(tmp_path) == set()


# Adding rows


@every_format
def test_appended_rows_come_last(name, tmp_path):
    path = tmp_path / "store"
    opened(name, with_tables({"objects": NUCLEI, "other": STRICT}), path).close()
    more = pa.table(
        {
            "well": ["B" * 400, None],
            "frame": pa.array([1, None], pa.int32()),
            "area": [None, NAN],
            "class": ["mitotic", None],
            "count": pa.array([None, 7], pa.int64()),
            "ok": [None, True],
        }
    )
    store = find(name)
    store.append_rows("objects", more, path)
    store.append_rows("objects", more.slice(0, 0), path)
    store.append_rows("objects", NUCLEI.slice(0, 1), path)
    store.append_rows("new one", ODD, path)
    whole = pa.concat_tables([NUCLEI, more, NUCLEI.slice(0, 1)])
    with store.open(path) as again:
        check_tables(again, {"objects": whole, "other": STRICT, "new one": ODD})
        for where in WHERES:
            check_where(again, "objects", whole, where)
        assert len(again) == 6


@every_format
def test_first_missing_value_and_first_row_can_be_appended(name, tmp_path):
    path = tmp_path / "store"
    full = pa.table({"text": ["a"], "number": [1.5], "on": [True]})
    opened(name, with_tables({"full": full, "empty": full.slice(0, 0)}), path).close()
    store = find(name)
    gaps = pa.table({"text": [None, ""], "number": [NAN, None], "on": [None, False]}, full.schema)
    for table in ("full", "empty"):
        store.append_rows(table, gaps, path)
    with store.open(path) as again:
        check_tables(again, {"full": pa.concat_tables([full, gaps]), "empty": gaps})


@every_format
def test_rows_with_other_columns_are_refused(name, tmp_path):
    path = tmp_path / "store"
    opened(name, with_tables({"objects": NUCLEI}), path).close()
    before = contents(path)
    for rows, word in (
        (NUCLEI.drop_columns(["area"]), "area"),
        (NUCLEI.append_column("more", pa.nulls(7, pa.int8())), "more"),
        (NUCLEI.set_column(2, "area", NUCLEI["area"].cast(pa.float32())), "area"),
        (NUCLEI.select(NUCLEI.column_names[::-1]), "order"),
    ):
        with pytest.raises(UserError, match=word):
            find(name).append_rows("objects", rows, path)
    assert contents(path) == before


# Paths and versions


@every_format
def test_write_with_tables_leaves_only_its_path_and_reading_changes_nothing(name, tmp_path):
    path = tmp_path / "missing" / "50% of #1, raw?"
    with opened(name, with_tables(TABLES), path) as store:
        before = contents(path)
        check_tables(store, TABLES)
        assert len(list(store.images_where("objects", MITOTIC))) == 1
    assert contents(path) == before
    assert entries_below(path.parent) == {path.name}
    assert entries_below(tmp_path) == {"missing"}


@every_store
def test_a_version_has_the_rows_that_it_had(name, tmp_path):
    path = tmp_path / "store"
    images = with_tables({"objects": NUCLEI})
    store = first_version(name, images, path)
    first = store.versions(path)[-1].number
    more = noise(2)
    more.tables = {"objects": NUCLEI.slice(0, 2), "later": STRICT}
    second = store.append(more, path)
    store.append_rows("objects", NUCLEI.slice(2, 3), path)
    both = pa.concat_tables([NUCLEI, NUCLEI.slice(0, 2)])
    newest_rows = pa.concat_tables([both, NUCLEI.slice(2, 3)])
    with store.open(path) as newest, store.open(path, first) as old:
        check_tables(newest, {"objects": newest_rows, "later": STRICT})
        check_tables(old, {"objects": NUCLEI})
        assert len(newest) == 8
        assert len(old) == 6
        check_where(newest, "objects", newest_rows, MITOTIC)
    store.restore(path, first)
    with store.open(path) as newest, store.open(path, second) as middle:
        assert tables_differ(NUCLEI, newest.read_table("objects")) is None
        found = middle.read_table("objects")
        assert tables_differ(both, found) is None or tables_differ(newest_rows, found) is None
    store.append_rows("objects", NUCLEI.slice(6), path)
    store.prune(path, keep=1)
    with store.open(path) as newest:
        whole = pa.concat_tables([NUCLEI, NUCLEI.slice(6)])
        assert tables_differ(whole, newest.read_table("objects")) is None
        assert len(newest) == 6


@every_format
def test_set_with_rows_that_do_not_fit_is_not_appended(name, tmp_path):
    path = tmp_path / "store"
    store = first_version(name, with_tables({"objects": NUCLEI}), path)
    before = contents(path)
    more = noise(2)
    more.tables = {"objects": NUCLEI.drop_columns(["area"])}
    with pytest.raises(UserError, match="area"):
        store.append(more, path)
    assert contents(path) == before


# The suite can fail: stores that are broken in one way each


class Broken(OpenStore):
    """A store that works, except that what `read_table` returns is changed."""

    def __init__(self, whole: OpenStore, change) -> None:
        self._whole = whole
        self._change = change

    def __len__(self):
        return len(self._whole)

    def scan(self):
        return self._whole.scan()

    def take(self, rows):
        return self._whole.take(rows)

    def table(self):
        return self._whole.table()

    def tables(self):
        return self._whole.tables()[1:] if self._change is forget else self._whole.tables()

    def table_schema(self, name):
        return self._whole.table_schema(name)

    def read_table(self, name, columns=None, where=()):
        if self._change is ignore_where:
            return self._whole.read_table(name, columns)
        return self._change(self._whole.read_table(name, columns, where))


def drop_a_missing_value(table: pa.Table) -> pa.Table:
    filled = table["well"].fill_null("")
    return table.set_column(table.column_names.index("well"), "well", filled)


def swap_rows(table: pa.Table) -> pa.Table:
    return table.take([*range(table.num_rows)][::-1])


def widen(table: pa.Table) -> pa.Table:
    return table.cast(
        pa.schema(
            [
                (each.name, pa.large_string() if each.name == "well" else each.type)
                for each in table.schema
            ]
        )
    )


def nan_is_missing(table: pa.Table) -> pa.Table:
    column = table.column_names.index("area")
    values = pa.array(table["area"].to_pylist(), pa.float64(), from_pandas=True)
    return table.set_column(column, "area", values)


def lose_a_row(table: pa.Table) -> pa.Table:
    return table.slice(0, max(0, table.num_rows - 1))


def forget(table: pa.Table) -> pa.Table:
    return table


def ignore_where(table: pa.Table) -> pa.Table:
    return table


@pytest.mark.parametrize(
    "change",
    [drop_a_missing_value, swap_rows, widen, nan_is_missing, lose_a_row, forget, ignore_where],
)
def test_broken_store_is_found(change, tmp_path):
    tables = {"objects": NUCLEI, "others": NUCLEI}
    with opened("parquet:pixels:fast", with_tables(tables), tmp_path / "store") as store:
        with pytest.raises(AssertionError):
            check_all(Broken(store, change), tables)
        check_all(Broken(store, lambda table: table), tables)


def check_all(store: OpenStore, tables: Mapping[str, pa.Table]) -> None:
    check_tables(store, tables)
    for where in WHERES:
        check_where(store, "objects", NUCLEI, where)


@pytest.mark.parametrize(
    "name",
    [
        f"{format_.name}:{layout}"
        for format_ in registry.FORMATS
        if format_.name != "floor"
        for layout in format_.variants
    ],
)
def test_every_variant_keeps_tables(name, tmp_path):
    """A store takes a variant's name in place of a tuning, when tunings are chosen."""
    format_, layout = name.split(":")
    try:
        variants = registry.variants_of(
            next(each for each in registry.FORMATS if each.name == format_), layout
        )
    except ImportError:
        pytest.skip(f"{format_} is not installed")
    for variant in variants.settings:
        store = registry.find_candidate(StoreName(format_, layout, variant))
        images = with_tables({"objects": NUCLEI}, images=1)
        store.write(images, tmp_path / variant)
        with store.open(tmp_path / variant) as found:
            check_tables(found, images.tables)
