"""Crops are rectangles of lines and columns, with all channels, and never beyond their image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from platebench.stores.crops import Crop, cut, lines_axis
from platebench.stores.raw_crops import RawImage, crops_of_file
from tests.conftest import noise

SHAPES = [(30, 40), (3, 30, 40), (30, 40, 3), (2, 5, 30, 40), (5, 30, 40, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_crop_has_all_channels_planes_and_samples(shape) -> None:
    axis = shape.index(30)
    assert lines_axis(shape) == axis
    cropped = Crop(0, 5, 7, 9, 11).of(np.zeros(shape))
    assert cropped.shape == (*shape[:axis], 9, 11, *shape[axis + 2 :])


@pytest.mark.parametrize("shape", SHAPES)
def test_crop_of_raw_pixels_equals_the_crop_of_the_image(shape, tmp_path: Path) -> None:
    images = noise(3, shape, "<u2")
    file = tmp_path / "raw"
    file.write_bytes(b"head" + b"".join(image.tobytes() for image in images))
    size = images.image_bytes(0)
    memory = np.zeros(size, np.uint8)
    crops = [Crop(row, 5 + row, 7, 9, 11) for row in (2, 0, 0, 1)]
    with file.open("rb") as opened:
        found = crops_of_file(
            opened.fileno(),
            crops,
            lambda row: RawImage(4 + row * size, shape, np.dtype("<u2")),
            memory,
        )
        for crop, image in zip(crops, found, strict=True):
            np.testing.assert_array_equal(image, crop.of(images.pixels(crop.row)))
            assert image.flags.c_contiguous
            assert np.shares_memory(image, memory)


@pytest.mark.parametrize("size", [0, 1000, 1199])
def test_crop_of_a_file_that_is_cut_off_fails(size, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(size))
    raw, memory = RawImage(0, (30, 40), np.dtype("|u1")), np.zeros(1200, np.uint8)
    with (
        (tmp_path / "raw").open("rb") as opened,
        pytest.raises(EOFError, match="image 3 is truncated"),
    ):
        list(crops_of_file(opened.fileno(), [Crop(3, 2, 0, 5, 5)], lambda row: raw, memory))


@pytest.mark.parametrize(
    "crop",
    [
        Crop(4, 22, 0, 9, 9),
        Crop(4, 0, 32, 9, 9),
        Crop(4, -1, 0, 9, 9),
        Crop(4, 0, -1, 9, 9),
        Crop(4, 0, 0, 31, 9),
    ],
)
def test_crop_beyond_its_image_is_refused_by_name(crop: Crop) -> None:
    message = r"^a crop of \d+ x 9 pixels at \(.*\) is not inside image 4 of shape \(30, 40\)$"
    with pytest.raises(IndexError, match=message):
        crop.index((30, 40))
    with pytest.raises(IndexError):
        crop.index((1200,))


def test_images_beyond_the_last_crop_are_not_hidden() -> None:
    crops = [Crop(0, 0, 0, 1, 1)]
    found = list(cut(crops, [np.zeros((2, 2)), np.zeros((2, 2))]))
    assert [image.size for image in found] == [1, 4]
    assert list(cut(crops, [])) == []
