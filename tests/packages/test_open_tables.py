"""Tables of an open package: columns, conditions, DataFrames, and joins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import platebench
from platebench.errors import UserError
from platebench.packages import joins
from platebench.packages.opened import OpenPackage
from platebench.stores.condition import Condition
from tests.packages.opening import FEATURES, OBJECTS, STORE, plate, same, stored

IMAGES = plate()
CHANNELS = plate(("DNA", "Actin"), wells=2)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(IMAGES, tmp_path_factory.mktemp("plate"))


@pytest.fixture
def package(place: Path) -> Iterator[OpenPackage]:
    with platebench.open(place, store=STORE) as opened:
        yield opened


@pytest.fixture
def channels(tmp_path: Path) -> Iterator[OpenPackage]:
    with platebench.open(stored(CHANNELS, tmp_path), store=STORE) as opened:
        yield opened


def test_table_has_the_columns_and_rows_that_are_asked_for(package: OpenPackage) -> None:
    found = package.read_table(
        "objects", ["area", "object"], "phenotype == 'mitotic' and area > 10"
    )
    assert found.equals(pa.table({"area": [30.0, 50.0], "object": [3, 2]}))
    assert package.read_table("objects", "area").column_names == ["area"]
    given = (Condition("area", "<", 20),)
    assert package.read_table("objects", "object", given)["object"].to_pylist() == [1]
    assert package.schema("objects").equals(OBJECTS.schema)


def test_image_table_is_a_table_too(package: OpenPackage) -> None:
    assert package.read_table("images").equals(IMAGES.table)
    found = package.read_table("images", ["well"], "well in ('A02', 'A03') and row < 2")
    assert found.to_pydict() == {"well": ["A02"]}
    assert package.images_where("images", "well == 'A03'").rows == [2]


def test_images_where_gives_the_images_of_matching_rows(package: OpenPackage) -> None:
    chosen = package.images_where("objects", "phenotype == 'mitotic' and area > 10")
    assert chosen.rows == [*package.rows_where("objects", "area == 30 "), 1]
    assert all(map(same, chosen, [IMAGES.pixels(0), IMAGES.pixels(1)]))
    assert len(package.images_where("objects", "area > 1000")) == 0


MISTAKES = {
    "table": (lambda p: p.read_table("object"), "table 'object' does not exist; there is objects"),
    "other table": (
        lambda p: p.to_pandas("xyz"),
        "table 'xyz' does not exist; there is features, objects, treatments, images",
    ),
    "column": (
        lambda p: p.read_table("objects", ["aera"]),
        "table objects: column 'aera' does not exist; there is area",
    ),
    "column of a condition": (
        lambda p: p.images_where("objects", "phenotyp == 'mitotic'"),
        "table objects: column 'phenotyp' does not exist; there is phenotype",
    ),
    "column of a join": (
        lambda p: p.join("objects", "features", where="colour == 'red'"),
        "tables objects, features: column 'colour' does not exist; there is",
    ),
    "condition": (
        lambda p: p.read_table("objects", where="area >"),
        "cannot read the condition 'area >' at 'the end'",
    ),
    "type": (
        lambda p: p.rows_where("objects", "area == 'large'"),
        "column area has type double; compare it with a number",
    ),
    "type of an image column": (
        lambda p: p.rows_where("images", "well == 1"),
        "column well has type string; compare it with text in quotes",
    ),
    "shape": (
        lambda p: p.rows_where("images", "shape == 1"),
        "column shape has type list<.*; conditions cannot compare it",
    ),
    "no table": (lambda p: p.join(), "name the tables to join, each once"),
    "images only": (lambda p: p.join("images"), "name the tables to join, each once"),
    "table twice": (lambda p: p.join("objects", "objects"), "name the tables to join, each once"),
    "no shared column": (
        lambda p: p.join("objects", "features", on="texture"),
        "table 'objects' has no column 'texture' to join on",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_named_in_one_line(package: OpenPackage, mistake: str) -> None:
    attempt, message = MISTAKES[mistake]
    with pytest.raises(UserError, match=message) as said:
        attempt(package)
    assert "\n" not in str(said.value)


def test_frame_of_images_has_their_pixels_and_look_shows_them(package: OpenPackage) -> None:
    frame = package.to_pandas(where="row > 0")
    assert list(frame.columns) == [*IMAGES.table.column_names, "image"]
    assert all(map(same, frame["image"], [IMAGES.pixels(1), IMAGES.pixels(2)]))
    assert platebench.look(frame).image_columns == ["image"]
    assert platebench.look(frame)._repr_html_().count("<img ") == 2
    assert list(package.to_pandas(columns=["image", "well"]).columns) == ["image", "well"]
    assert list(package.to_pandas(columns="well").columns) == ["well"]
    pd.testing.assert_frame_equal(package.to_pandas("objects"), OBJECTS.to_pandas())


def test_join_of_objects_features_and_images_has_a_row_per_object(package: OpenPackage) -> None:
    frame = package.join("objects", "features", images=True)
    assert frame[["well", "object"]].to_numpy().tolist() == [
        ["A01", 1],
        ["A01", 3],
        ["A02", 1],
        ["A02", 2],
    ]
    assert frame["area"].tolist() == [10.0, 30.0, 40.0, 50.0]
    assert frame["area_features"].tolist() == [1.0, 3.0, 4.0, 5.0]
    assert frame["texture"].tolist() == [0.1, 0.3, 0.4, 0.5]
    assert frame["image_row"].tolist() == [0, 0, 1, 1]
    assert all(map(same, frame["image"], [IMAGES.pixels(row) for row in (0, 0, 1, 1)]))
    assert frame["image"][0] is frame["image"][1]
    assert "Metadata_Well" not in frame.columns
    assert platebench.look(frame).image_columns == ["image"]


def test_join_does_not_depend_on_the_order_of_the_tables(package: OpenPackage) -> None:
    one = package.join("objects", "features")
    other = package.join("features", "objects")
    assert sorted(one["texture"]) == sorted(other["texture"])
    assert other["texture"].tolist() == [0.5, 0.3, 0.1, 0.4]
    assert other["phenotype"].tolist() == ["mitotic", "mitotic", "mitotic", "round"]


def test_join_equals_the_one_that_pandas_makes(package: OpenPackage) -> None:
    features = FEATURES.to_pandas().rename(columns={"ObjectNumber": "object"})
    features["well"] = features["Metadata_Well"].str.upper().str.replace("A", "A0")
    expected = OBJECTS.to_pandas().dropna().merge(features, on=["well", "object"])
    found = package.join("objects", "features")
    assert found["texture"].tolist() == expected["texture"].tolist()
    assert found["area_features"].tolist() == expected["area_y"].tolist()


def test_conditions_of_a_join_apply_to_the_table_that_has_the_column(package: OpenPackage) -> None:
    where = "phenotype == 'mitotic' and texture > 0.1 and path != 'A02.tif'"
    assert package.join("objects", "features", where=where, images=True)["object"].tolist() == [3]
    # area is a column of both: it is that of the first
    assert package.join("objects", "features", where="area == 10")["texture"].tolist() == [0.1]
    assert package.join("features", "objects", where="area == 1")["phenotype"].tolist() == [
        "mitotic"
    ]


def test_table_of_wells_is_repeated_for_each_object(package: OpenPackage) -> None:
    frame = package.join("objects", "treatments")
    assert frame["compound"].tolist() == ["none"] * 3 + ["taxol"] * 2
    assert package.join("treatments", "objects")["area"].tolist() == [10, 20, 30, 40, 50]


def test_join_with_the_image_table_leaves_the_pixels_out(package: OpenPackage) -> None:
    frame = package.join("treatments", "images")
    assert frame["path"].tolist() == ["A01.tif", "A02.tif"]
    assert "image" not in frame.columns


def test_row_of_several_channels_is_repeated_for_each(channels: OpenPackage) -> None:
    frame = channels.join("treatments", images=True)
    assert frame["channel"].tolist() == ["DNA", "Actin"] * 2
    assert all(map(same, frame["image"], CHANNELS))
    actin = channels.join("treatments", images=True, where="channel == 'Actin'")
    assert actin["image_row"].tolist() == [1, 3]
    assert all(map(same, actin["image"], [CHANNELS.pixels(1), CHANNELS.pixels(3)]))


def test_tables_without_a_common_key_are_refused() -> None:
    one, other = pa.table({"well": ["A1"]}), pa.table({"gene": ["x"]})
    with pytest.raises(UserError, match=r"'a' and 'b' share no key .* on="):
        joins.join(one, other, ("a", "b"), [])
    with pytest.raises(UserError, match="table 'b' cannot be linked to images"):
        joins.join_images(other, IMAGES.table, np.arange(3), ["b"])


def test_join_that_would_pair_all_with_all_is_refused() -> None:
    one = pa.table({"well": ["A1", "A1"], "a": [1, 2]})
    other = pa.table({"Well_ID": ["A01", "A01"], "b": [3, 4]})
    with pytest.raises(UserError, match="both have several rows for the same well"):
        joins.join(one, other, ("one", "other"), [])


def test_uuid_that_two_tables_share_joins_them() -> None:
    one = pa.table({"Cell_UUID": ["p", "q", None], "well": ["A1", "A1", "A1"], "a": [1, 2, 3]})
    other = pa.table({"well": ["A1", "A1", "A1"], "Cell_UUID": ["q", "p", None], "b": [5, 6, 7]})
    found = joins.join(one, other, ("one", "other"), [])
    assert found.drop_columns(["well"]).to_pydict() == {
        "Cell_UUID": ["p", "q"],
        "a": [1, 2],
        "b": [6, 5],
    }


def test_named_columns_are_compared_as_they_are() -> None:
    one = pa.table({"gene": ["x", "y"], "well": ["A1", "A2"]})
    other = pa.table({"gene": ["y", "X"], "well": ["A1", "A1"]})
    found = joins.join(one, other, ("one", "other"), ["gene"])
    assert found.to_pydict() == {"gene": ["y"], "well": ["A2"], "well_other": ["A1"]}
    numbers = pa.table({"gene": [1, 2]})
    with pytest.raises(UserError, match="has type string in table 'one' and int64 in 'numbers'"):
        joins.join(one, numbers, ("one", "numbers"), ["gene"])


@pytest.mark.parametrize(
    ("left", "right", "keys"),
    [
        ({"label": pa.string()}, {"label": pa.string()}, []),
        ({"label": pa.int32()}, {"ObjectNumber": pa.int64()}, [("label", "ObjectNumber")]),
        ({"z": pa.float64()}, {"z": pa.float64()}, []),
        ({"FileName_DNA": pa.string(), "path": pa.string()}, {"path": pa.string()}, []),
        ({"Metadata_Site": pa.int64()}, {"fov": pa.string()}, [("Metadata_Site", "fov")]),
    ],
)
def test_only_columns_that_mean_the_same_are_keys(
    left: dict[str, pa.DataType], right: dict[str, pa.DataType], keys: list[tuple[str, str]]
) -> None:
    found = joins.shared_keys(pa.schema(left.items()), pa.schema(right.items()))
    assert [(one, other) for one, other, _ in found] == keys


def test_column_named_image_keeps_its_place(tmp_path: Path) -> None:
    images = plate()
    images.tables = {"files": pa.table({"image": ["A02.tif", "A01.tif"], "row": [8, 9]})}
    with platebench.open(stored(images, tmp_path), store=STORE) as package:
        frame = package.join("files", images=True)
    assert frame["image"].tolist() == ["A02.tif", "A01.tif"]
    assert frame["row"].tolist() == [8, 9]
    assert all(map(same, frame["image_pixels"], [IMAGES.pixels(1), IMAGES.pixels(0)]))
