"""The talk takes a folder of TIFF files of one kind, and says why it does not take another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from platebench.errors import UserError
from platebench.images.fixtures import make_fixtures
from platebench.talk.dataset import MOST_IMAGES, folder_material
from tests.talk.conftest import write_images

IMAGE = np.arange(24, dtype=np.uint16).reshape(4, 6)


def test_a_users_images_are_read_as_they_are_with_cells_of_others(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "mine", IMAGE, IMAGE[:3] + 1)
    material = folder_material(folder, tmp_path)
    assert [array.tolist() for array in material.arrays] == [
        IMAGE.tolist(),
        (IMAGE[:3] + 1).tolist(),
    ]
    assert not material.is_talks
    assert not material.cells_are_theirs
    assert material.cells.num_rows == 168


def test_a_fixtures_cells_are_its_own(tmp_path: Path) -> None:
    material = folder_material(
        make_fixtures(tmp_path / "two", 2, tables=True, processes=1), tmp_path
    )
    assert material.is_talks
    assert material.cells_are_theirs


def test_a_frame_has_the_talks_columns(tmp_path: Path) -> None:
    frame = folder_material(write_images(tmp_path / "mine", IMAGE), tmp_path).frame()
    assert list(frame) == ["path", "filesize_bytes", "image_bytes", "image_array"]
    assert frame["image_bytes"][0] == Path(frame["path"][0]).read_bytes()
    assert frame["filesize_bytes"][0] == len(frame["image_bytes"][0])


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ([IMAGE, IMAGE.astype(np.uint8)], "several types"),
        ([IMAGE, np.stack([IMAGE, IMAGE])], r"image_1\.tif: not one image alone"),
        ([IMAGE] * (MOST_IMAGES + 1), f"{MOST_IMAGES} at most"),
    ],
)
def test_images_the_talk_cannot_be_given_on_are_refused(
    tmp_path: Path, arrays: list[np.ndarray], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        folder_material(write_images(tmp_path / "mine", *arrays), tmp_path)


def test_a_folder_with_movies_only_is_refused(tmp_path: Path) -> None:
    made = make_fixtures(tmp_path / "two", 2, ch5=True, processes=1)
    with pytest.raises(UserError, match="no TIFF file"):
        folder_material(made / "ch5", tmp_path)


def test_a_file_with_more_than_one_image_is_refused_by_name(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as file:
        file.write(IMAGE, subifds=1, photometric="minisblack")
        file.write(IMAGE[::2, ::2], subfiletype=1, photometric="minisblack")
    with pytest.raises(UserError, match=r"pyramid\.tif: not one image alone") as raised:
        folder_material(tmp_path, tmp_path)
    assert "\n" not in str(raised.value)
