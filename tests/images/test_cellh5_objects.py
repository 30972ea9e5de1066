"""Objects of foreign CH5 files are one table; a damaged one is refused by name."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest

from platebench.errors import UserError
from platebench.images.cellh5_objects import MovieTables, read_objects
from platebench.images.folder import open_images
from platebench.images.links import image_rows

OBJECT = np.dtype([("time_idx", "<i4"), ("obj_label_id", "<i4")])
REGION = "primary__primary"


def position(site: int) -> str:
    return f"sample/0/plate/P/experiment/00003/position/{site}"


def write(path: Path, with_features: bool = True) -> Path:
    """Write two positions of two frames and two channels; only the second has objects."""
    with h5py.File(path, "w") as file:
        for site in (1, 2):
            file[f"{position(site)}/image/channel"] = np.ones((2, 2, 1, 4, 6), np.uint8)
        place = file[position(2)]
        place[f"object/{REGION}"] = np.array([(0, 1), (0, 2), (1, 1)], OBJECT)
        place["object/tracking"] = np.zeros(2, [("obj_idx1", "u4"), ("obj_idx2", "u4")])
        if not with_features:
            return path
        features = place.create_group(f"feature/{REGION}")
        features["object_features"] = np.arange(9, dtype=np.float64).reshape(3, 3)
        features["center"] = np.array([(1, 2), (3, 4), (5, 6)], [("x", "i4"), ("y", "i4")])
        features["object_classification/prediction"] = np.array(
            [(1,), (-99,), (0,)], [("label_idx", "i4")]
        )
        features["object_classification/probability"] = np.array([[0.2, 0.8]] * 3)
        definition = file.create_group(f"definition/feature/{REGION}")
        definition["object_features"] = np.array([(b"area",), (b"mean",)], [("name", "S256")])
        definition["object_classification/class_labels"] = np.array(
            [(0, b"interphase"), (1, b"mitotic")], [("label", "i4"), ("name", "S100")]
        )
    return path


def test_row_is_an_object_with_its_features_and_class(tmp_path):
    assert read_objects(write(tmp_path / "a.ch5")).to_pylist() == [
        {
            "plate": "P",
            "well": "3",
            "site": "2",
            "frame": frame,
            "region": REGION,
            "object": label,
            "center_x": x,
            "center_y": x + 1,
            "area": first,
            "mean": first + 1,
            "feature_2": first + 2,
            "class": name,
            "probability": 0.8,
        }
        for frame, label, x, first, name in (
            (0, 1, 1, 0.0, "mitotic"),
            (0, 2, 3, 3.0, None),
            (1, 1, 5, 6.0, "interphase"),
        )
    ]


def test_objects_belong_to_the_images_of_all_channels_of_their_frame(tmp_path):
    images = open_images(write(tmp_path / "a.ch5"))
    found = image_rows(images.tables["objects"], images.table)
    channels = images.table["channel"].take(found["image_row"]).to_pylist()
    assert channels == ["0", "1"] * 3
    sites = images.table["site"].take(found["image_row"]).unique().to_pylist()
    assert sites == ["2"]


def test_objects_of_several_files_are_one_table(tmp_path):
    files = [write(tmp_path / "a.ch5"), write(tmp_path / "b.ch5", with_features=False)]
    table = MovieTables(files)["objects"]
    assert table.num_rows == 6
    assert table["area"].to_pylist() == [0.0, 3.0, 6.0, None, None, None]
    assert table.schema.field("area").type == pa.float64()


def test_file_without_objects_has_no_table(tmp_path):
    path = write(tmp_path / "a.ch5")
    with h5py.File(path, "r+") as file:
        del file[f"{position(2)}/object"]
    assert list(open_images(path).tables) == []
    with pytest.raises(KeyError):
        read_objects(path)


@pytest.mark.parametrize(
    ("name", "data", "word"),
    [
        (f"feature/{REGION}/object_features", np.zeros((2, 3)), "2 values of 'area' for 3 objects"),
        (f"feature/{REGION}/object_features", np.zeros(3), "cannot be read"),
        (f"feature/{REGION}/center", np.zeros(3), "cannot be read"),
        (f"feature/{REGION}/object_classification/prediction", np.zeros(3), "cannot be read"),
    ],
)
def test_damaged_features_are_refused_by_name(tmp_path, name, data, word):
    path = write(tmp_path / "a.ch5")
    with h5py.File(path, "r+") as file:
        del file[f"{position(2)}/{name}"]
        file[f"{position(2)}/{name}"] = data
    with pytest.raises(UserError, match=rf"a\.ch5.*{word}") as raised:
        open_images(path).tables["objects"]
    assert "\n" not in str(raised.value)


def test_file_that_claims_more_than_memory_is_refused(tmp_path):
    path = write(tmp_path / "a.ch5")
    with h5py.File(path, "r+") as file:
        features = file[f"{position(2)}/feature/{REGION}"]
        del features["object_features"]
        features.create_dataset("object_features", (3, 2**45), "f8", chunks=(1, 1024))
    with pytest.raises(UserError, match="claims"):
        open_images(path).tables["objects"]
