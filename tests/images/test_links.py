"""Rows of tables find the images that they belong to, by key columns of any usual name."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platebench.errors import UserError
from platebench.images.imageset import IMAGE_SCHEMA
from platebench.images.keys import key_of
from platebench.images.links import image_rows, images_of, key_columns


def images(*records: dict) -> pa.Table:
    same = {"filesize_bytes": 1, "shape": [2, 2], "dtype": "|u1"}
    rows = [
        {"path": f"{row}.tif", **same, **record, "row": row} for row, record in enumerate(records)
    ]
    return pa.Table.from_pylist(rows, IMAGE_SCHEMA)


def pairs(table: pa.Table, of: pa.Table) -> list[tuple[int, int]]:
    found = image_rows(table, of)
    assert found.schema == pa.schema({"table_row": pa.int64(), "image_row": pa.int64()})
    return [(each["table_row"], each["image_row"]) for each in found.to_pylist()]


PLATE = images(
    {"well": "B02", "site": "1", "channel": "DAPI", "path": "a/x.tif"},
    {"well": "B02", "site": "1", "channel": "GFP", "path": "a/y.tif"},
    {"well": "B03", "site": "01", "channel": "dapi", "path": "a/z.tif"},
    {"well": None, "site": "1", "channel": "dapi", "path": "b/z.tif"},
)


@pytest.mark.parametrize(
    ("column", "key"),
    [
        ("well", "well"),
        ("Well", "well"),
        ("Metadata_Well", "well"),
        ("Image_Metadata_Well", "well"),
        ("Image_Metadata_PlateID", "plate"),
        ("Assay Plate Barcode", "plate"),
        ("FieldID", "site"),
        ("Image_FileName_DNA", "file"),
        ("FileName_OrigER", "file"),
        ("path", "file"),
        ("Image_PathName_DNA", None),
        ("TimePoint", "frame"),
        ("ObjectNumber", "object"),
        ("Location_Center_Z", None),
        ("wellness", None),
        ("", None),
    ],
)
def test_key_is_told_by_the_usual_names(column, key):
    assert key_of(column) == key


def test_row_belongs_to_the_images_of_all_channels_of_its_site():
    table = pa.table(
        {
            "Metadata_Well": ["b2", "B03", "C01", None, "B2"],
            "Metadata_Site": [1, 1, 1, 1, 2],
            "z": [0.1, 0.2, 0.3, 0.4, 0.5],
        }
    )
    assert key_columns(table, PLATE) == ("Metadata_Well", "Metadata_Site")
    assert pairs(table, PLATE) == [(0, 0), (0, 1), (1, 2)]
    assert images_of(table, PLATE) == [0, 1, 2]
    assert images_of(table.take([1, 1, 2]), PLATE) == [2]
    with_channel = table.append_column("Channel", pa.array(["gfp", "DAPI", "", None, "x"]))
    assert pairs(with_channel, PLATE) == [(0, 1), (1, 2)]


def test_row_belongs_to_the_images_of_all_its_files():
    table = pa.table(
        {
            "FileName_DNA": ["x.tif", r"D:\\q\\z.tif", None],
            "FileName_GFP": ["y.tif", None, "y.tif"],
            "Well": pa.array(["B2", "B3", "B2"]).dictionary_encode(),
        }
    )
    assert pairs(table, PLATE) == [(0, 0), (0, 1), (1, 2), (2, 1)]


def test_file_in_several_folders_is_refused_with_its_column():
    table = pa.table({"FileName_DNA": ["x.tif", "z.tif"]})
    with pytest.raises(UserError, match=r"column 'FileName_DNA' names z\.tif.*several folders"):
        image_rows(table, PLATE)
    assert pairs(table.slice(0, 1), PLATE) == [(0, 0)]


def test_row_that_names_a_stack_belongs_to_its_planes():
    stack = images({"path": "a.tif/0"}, {"path": "a.tif/1"}, {"path": "m.ch5/sample/0/1"})
    assert pairs(pa.table({"file": ["a.tif", "M.ch5", "m.ch5"]}), stack) == [(0, 0), (0, 1), (2, 2)]


def test_table_that_shares_no_known_key_is_refused():
    unknown = images({"well": None})
    for table in (pa.table({"well": ["B02"]}), pa.table({"area": [1.5]})):
        assert key_columns(table, unknown) == ()
        with pytest.raises(UserError, match="cannot be linked to images"):
            image_rows(table, unknown)


def test_keys_do_not_depend_on_the_rows():
    table = pa.table({"well": ["B02", None], "frame": pa.array([1, None], pa.int8())})
    of = images({"well": "B02", "frame": 1})
    assert key_columns(table, of) == key_columns(table.slice(1), of) == ("well", "frame")
    assert key_columns(table.schema, of) == ("well", "frame")
    assert pairs(table.slice(0, 0), of) == []


@given(
    st.lists(st.tuples(*[st.sampled_from("ABC") | st.none()] * 2, st.integers(0, 2)), min_size=1),
    st.lists(st.tuples(*[st.sampled_from("ABCD") | st.none()] * 2, st.integers(0, 3))),
)
def test_pairs_are_those_of_a_comparison_of_every_row_with_every_image(of, rows):
    names = ("plate", "well", "frame")
    there = images(*(dict(zip(names, record, strict=True)) for record in of))
    here = pa.table(
        {
            name: pa.array([record[place] for record in rows], kind)
            for place, (name, kind) in enumerate(
                zip(names, (pa.string(), pa.string(), pa.int64()), strict=True)
            )
        }
    )
    shared = [place for place, name in enumerate(names) if there[name].null_count < len(of)]
    expected = [
        (row, image)
        for row, one in enumerate(rows)
        for image, other in enumerate(of)
        if all(one[key] is not None and one[key] == other[key] for key in shared)
    ]
    assert pairs(here, there) == expected


def test_large_table_is_linked_without_a_loop_over_rows(monkeypatch):
    """Each different value is put into words once."""
    from platebench.images import links

    counted = []
    monkeypatch.setattr(links, "normal", lambda key, value: counted.append(value) or str(value))
    of = images(*({"well": f"B{number:02d}"} for number in range(5)))
    table = pa.table({"well": [f"B{number:02d}" for number in np.arange(10_000) % 7]})
    assert image_rows(table, of).num_rows == sum(number % 7 < 5 for number in range(10_000))
    assert len(counted) == 5 + 7
