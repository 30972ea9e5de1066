"""Crops show cells where the table says they are."""

from __future__ import annotations

import numpy as np
import tifffile

from platebench.talk.crops import SIDE, crop, crops_in, crops_of
from platebench.talk.dataset import Dataset
from platebench.talk.joins import PandasJoin
from platebench.talk.package import package_of

IMAGE = np.arange(1, 101, dtype=np.uint16).reshape(10, 10)


def test_crop_is_the_square_around_the_centre() -> None:
    assert crop(IMAGE, 5.9, 4.2, 4).tolist() == IMAGE[2:6, 3:7].tolist()


def test_crop_is_zero_outside_of_the_image() -> None:
    corner = crop(IMAGE, 0, 9, 4)
    assert corner.dtype == np.uint16
    assert corner[:3, 2:].tolist() == IMAGE[7:, :2].tolist()
    assert not corner[3:].any()
    assert not corner[:, :2].any()
    assert not crop(IMAGE, -50, 50, 4).any()


def test_crops_are_in_the_order_asked_and_show_bright_nuclei(plate: Dataset) -> None:
    cells = plate.cells["Cell_UUID"].to_pylist()[10:14][::-1]
    frame = crops_of(plate, cells)
    assert frame["Cell_UUID"].tolist() == [cell[:8] for cell in cells]
    assert frame["phenotype"].tolist() == [plate.phenotypes[cell] for cell in cells]
    everywhere = np.median(tifffile.imread(plate.files[0]))
    for shown in frame["crop"]:
        assert shown.shape == (SIDE, SIDE)
        assert shown[28:36, 28:36].mean() > 2 * everywhere


def test_crops_of_a_join_equal_those_of_the_files(plate: Dataset, tmp_path) -> None:
    joined = PandasJoin(package_of(plate), tmp_path).with_pixels("Interphase")
    of_files = crops_of(plate, joined["Cell_UUID"].tolist())
    for one, other in zip(crops_in(joined)["crop"], of_files["crop"], strict=True):
        assert np.array_equal(one, other)
