"""The talk accepts folders of TIFF files of one dtype, and refuses others with a reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from platebench.errors import UserError
from platebench.images.fixtures import make_fixtures
from platebench.talk.dataset import MOST_IMAGES, folder_dataset, image_keys
from tests.talk.conftest import write_images

IMAGE = np.arange(24, dtype=np.uint16).reshape(4, 6)


def test_user_images_are_read_unchanged_with_generated_cells(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "mine", IMAGE, IMAGE[:3] + 1)
    dataset = folder_dataset(folder, tmp_path)
    assert [array.tolist() for array in dataset.arrays] == [
        IMAGE.tolist(),
        (IMAGE[:3] + 1).tolist(),
    ]
    assert not dataset.is_talk_data
    assert not dataset.cells_belong_to_images
    assert dataset.cells.num_rows == 168


def test_cells_of_a_fixture_belong_to_its_images(tmp_path: Path) -> None:
    dataset = folder_dataset(make_fixtures(tmp_path / "two", 2, tables=True, processes=1), tmp_path)
    assert dataset.is_talk_data
    assert dataset.cells_belong_to_images
    assert dataset.cell_images == {
        f"LT0001_02_15_{frame}_01": file
        for frame, file in zip((43, 44), dataset.files, strict=True)
    }


def test_cells_of_images_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    made = make_fixtures(tmp_path / "made", 3, tables=True, processes=1)
    mine = tmp_path / "mine"
    mine.mkdir()
    shutil.copy(made / "tables" / "cells.csv", mine)
    shutil.copy(sorted((made / "tiff").iterdir())[1], mine)
    dataset = folder_dataset(mine, tmp_path)
    assert dataset.cells_belong_to_images
    assert set(dataset.cells["Metadata_Frame"].to_pylist()) == {44}
    assert dataset.cell_images == {"LT0001_02_15_44_01": dataset.files[0]}


def test_table_of_other_images_is_replaced_by_generated_cells_with_their_images(
    tmp_path: Path,
) -> None:
    made = make_fixtures(tmp_path / "made", 1, tables=True, processes=1)
    folder = write_images(tmp_path / "mine", IMAGE)
    shutil.copy(made / "tables" / "cells.csv", folder)
    dataset = folder_dataset(folder, tmp_path)
    assert not dataset.cells_belong_to_images
    assert set(dataset.cell_images) == set(image_keys(dataset.cells))
    assert all(file.exists() for file in dataset.cell_images.values())
    assert not set(dataset.cell_images.values()) & set(dataset.files)


def test_two_images_of_one_place_are_ambiguous_and_left_out(tmp_path: Path) -> None:
    made = make_fixtures(tmp_path / "made", 2, tables=True, processes=1)
    mine = tmp_path / "mine"
    for name in ("one", "two"):
        (mine / name).mkdir(parents=True)
        shutil.copy(sorted((made / "tiff").iterdir())[0], mine / name)
    shutil.copy(sorted((made / "tiff").iterdir())[1], mine)
    shutil.copy(made / "tables" / "cells.csv", mine)
    assert list(folder_dataset(mine, tmp_path).cell_images) == ["LT0001_02_15_44_01"]


def test_frame_has_the_columns_of_the_talk(tmp_path: Path) -> None:
    frame = folder_dataset(write_images(tmp_path / "mine", IMAGE), tmp_path).frame()
    assert list(frame) == ["path", "filesize_bytes", "image_bytes", "image_array"]
    assert frame["image_bytes"][0] == Path(frame["path"][0]).read_bytes()
    assert frame["filesize_bytes"][0] == len(frame["image_bytes"][0])


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ([IMAGE, IMAGE.astype(np.uint8)], "several types"),
        ([IMAGE, np.stack([IMAGE, IMAGE])], r"image_1\.tif: has more than one image"),
        ([IMAGE] * (MOST_IMAGES + 1), f"{MOST_IMAGES} at most"),
    ],
)
def test_unsuitable_images_are_refused(tmp_path: Path, arrays: list[np.ndarray], says: str) -> None:
    with pytest.raises(UserError, match=says):
        folder_dataset(write_images(tmp_path / "mine", *arrays), tmp_path)


def test_folder_with_movies_only_is_refused(tmp_path: Path) -> None:
    made = make_fixtures(tmp_path / "two", 2, ch5=True, processes=1)
    with pytest.raises(UserError, match="no TIFF file"):
        folder_dataset(made / "ch5", tmp_path)


def test_file_with_more_than_one_image_is_refused_by_name(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as file:
        file.write(IMAGE, subifds=1, photometric="minisblack")
        file.write(IMAGE[::2, ::2], subfiletype=1, photometric="minisblack")
    with pytest.raises(UserError, match=r"pyramid\.tif: has more than one image") as raised:
        folder_dataset(tmp_path, tmp_path)
    assert "\n" not in str(raised.value)
