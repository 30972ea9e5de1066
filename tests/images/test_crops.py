"""Cells in place of fields."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
import tifffile

from platebench.errors import UserError
from platebench.images import fixtures, links
from platebench.images.crops import center_columns, corners_of, crops_of, file_of
from platebench.images.decoded_cache import decode_to_cache
from platebench.images.fixtures import make_fixtures
from platebench.images.folder import open_images
from platebench.images.generated_crops import cells_of_site, generated_crops
from platebench.images.set_profiles import CROP_SIDE, set_bytes
from platebench.images.sites import images_of, site_shot

MORE_THAN_A_SITE = 90


@pytest.fixture(scope="module")
def crops():
    return generated_crops(MORE_THAN_A_SITE, processes=1)


@pytest.fixture(scope="module")
def held(crops, tmp_path_factory):
    """The crops, drawn once and kept in memory-mapped files."""
    return decode_to_cache(crops, tmp_path_factory.mktemp("crops") / "crops")


@pytest.fixture
def folder(tmp_path):
    """Two sites of two channels, whose pixels say where they are, and a table of cells."""
    rows, columns = np.mgrid[:100, :120]
    for site in (1, 2):
        for channel in (0, 1):
            image = (rows * 200 + columns + 30_000 * channel + site).astype(np.uint16)
            tifffile.imwrite(tmp_path / f"B02_s{site}_w{channel}.tif", image)
    lines = ["well,site,Location_Center_X,Location_Center_Y", "B02,2,60.9,50.2", "B02,1,3,98"]
    tmp_path.joinpath("cells.csv").write_text("\n".join([*lines, "B02,2,119,40", ""]))
    return tmp_path


def test_generated_crops_have_five_channels_and_the_keys_of_their_site(held):
    assert len(held) == MORE_THAN_A_SITE
    assert set(held.shapes) == {(5, CROP_SIDE, CROP_SIDE)}
    assert {str(dtype) for dtype in held.dtypes} == {"uint16"}
    assert held.pixel_bytes == set_bytes("crops", MORE_THAN_A_SITE)
    first = held.table.slice(0, 1).to_pylist()[0]
    assert (first["plate"], first["well"], first["site"]) == ("CP0001", "A01", "1")
    assert set(held.table["site"].to_pylist()) == {"1", "2"}


def test_generated_crops_are_cut_from_the_fields_of_channels(held):
    field = np.stack(images_of(1, site_shot(1), "channels"))
    cells = held.tables["cells"].filter(pa.compute.equal(held.tables["cells"]["site"], "2"))
    first = held.table["site"].to_pylist().index("2")
    for number in (0, len(cells) - 1):
        x, y = (cells[f"center_{axis}"][number].as_py() for axis in "xy")
        top, left = min(max(y - 32, 0), 1024 - 64), min(max(x - 32, 0), 1344 - 64)
        expected = field[:, top : top + 64, left : left + 64]
        assert np.array_equal(held.pixels(first + number), expected)


def test_cells_are_in_the_middle_of_their_crops(held):
    mean = np.mean([held.pixels(row)[0] for row in range(len(held))], axis=0)
    assert mean[24:40, 24:40].mean() > 1.5 * mean[:8, :8].mean()


def test_generated_crops_do_not_depend_on_processes_or_on_their_number(crops, held):
    assert generated_crops(MORE_THAN_A_SITE, processes=2).digests() == held.digests()
    few = generated_crops(3, processes=1)
    assert [few.digest_of(row) for row in range(3)] == list(held.digests()[:3])
    assert few.table.equals(crops.table.slice(0, 3))
    assert generated_crops(2, seed=2, processes=1).digest_of(0) != held.digests()[0]


def test_rows_of_the_table_of_cells_belong_to_one_crop_each(held):
    pairs = links.image_rows(held.tables["cells"], held.table)
    assert pairs["table_row"].to_pylist() == pairs["image_row"].to_pylist()
    assert len(pairs) == MORE_THAN_A_SITE


def test_fixture_of_crops_is_the_same_set(held, tmp_path):
    images = open_images(
        make_fixtures(tmp_path / "out", MORE_THAN_A_SITE, "crops", tables=True, processes=1)
    )
    assert images.name == f"crops-{MORE_THAN_A_SITE}"
    assert images.digests() == held.digests()
    assert images.table.equals(held.table)
    assert images.tables["cells"].equals(held.tables["cells"])
    assert np.array_equal(images.pixels(80), held.pixels(80))
    again = open_images(tmp_path / "out" / "tiff")  # places are then read from the names of files
    assert again.table.drop_columns("path").equals(held.table.drop_columns("path"))


def test_error_leaves_no_fixture_of_crops(tmp_path, monkeypatch):
    def broken(crop):
        raise ZeroDivisionError

    monkeypatch.setattr(fixtures, "crop_file", broken)
    with pytest.raises(ZeroDivisionError):
        make_fixtures(tmp_path / "out", 2, "crops", processes=2)
    assert list(tmp_path.iterdir()) == []


def test_crops_have_no_ch5_files(tmp_path):
    with pytest.raises(UserError, match="crops have no CH5 files; the fields"):
        make_fixtures(tmp_path / "out", 2, "crops", ch5=True)
    assert list(tmp_path.iterdir()) == []


def test_cells_of_a_site_are_inside_the_field():
    cells = cells_of_site(1, 0)
    assert 40 < len(cells) < 120
    assert all(0 <= cell.x < 1344 and 0 <= cell.y < 1024 for cell in cells)


@pytest.mark.parametrize(
    ("center", "corner"),
    [
        ((50, 60), (18, 28)),
        ((50.9, 60.9), (18, 28)),
        ((0, 0), (0, 0)),
        ((99, 119), (36, 56)),
        ((31, 88), (0, 56)),
    ],
)
def test_crop_over_the_edge_is_moved_inwards(center, corner):
    y, x = (np.array([part]) for part in center)
    assert corners_of(y, x, np.array([100, 120])).tolist() == [list(corner)]


def test_crops_of_a_folder_have_the_channels_of_their_site_in_row_order(folder):
    crops = crops_of(open_images(folder))
    assert crops.shapes == [(2, 64, 64)] * 3
    assert crops.table["site"].to_pylist() == ["1", "2", "2"]
    corner = [crops.pixels(row)[0, 0, 0].item() for row in range(3)]
    assert corner == [36 * 200 + 0 + 1, 18 * 200 + 28 + 2, 8 * 200 + 56 + 2]
    assert crops.pixels(0)[1, 0, 0] == corner[0] + 30_000
    assert [array.tobytes() for array in crops] == [crops.pixels(row).tobytes() for row in range(3)]
    cells = crops.tables["cells"]
    assert cells["Location_Center_X"].to_pylist() == [3.0, 60.9, 119.0]
    assert links.image_rows(cells, crops.table)["image_row"].to_pylist() == [0, 1, 2]
    assert crops.name.endswith("-crops")


def test_crops_of_objects_in_ch5_files_are_those_of_the_fields(tmp_path):
    out = make_fixtures(tmp_path / "out", 2, ch5=True, tables=True, processes=1)
    planes = open_images(out / "ch5")
    crops = crops_of(planes)
    assert len(crops) == planes.tables["objects"].num_rows
    x, y = (crops.tables["objects"][f"center_{axis}"][90].as_py() for axis in "xy")
    assert crops.table["frame"][90].as_py() == 44
    top, left = min(max(y - 32, 0), 960), min(max(x - 32, 0), 1280)
    assert np.array_equal(crops.pixels(90), planes.pixels(1)[top : top + 64, left : left + 64])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "cells.csv").unlink(), "no table gives the centres of cells"),
        (
            lambda folder: (folder / "B02_s2_w1.tif").unlink(),
            "1 of 2 sites lack .*: well B02, site 2 has no channel w1; a crop has all channels",
        ),
        (
            lambda folder: tifffile.imwrite(folder / "B02_s1_w0.tif", np.zeros((63, 90), "u2")),
            "B02_s1_w0.tif: is 63 x 90, smaller than a crop of 64 x 64; leave out this image",
        ),
        (
            lambda folder: tifffile.imwrite(folder / "B02_s1_w1.tif", np.zeros((64, 90), "u2")),
            "B02_s1_w1.tif: has another shape or dtype than B02_s1_w0.tif",
        ),
        (
            lambda folder: (folder / "cells.csv").write_text("well,center_x,center_y\nB02,9,9\n"),
            "a row belongs to 4 images, .* not the channels of one site; add keys such as site",
        ),
        (
            lambda folder: (folder / "cells.csv").write_text(
                "well,site,center_x,center_y\nB02,1,120,9\n"
            ),
            "center_x 120, center_y 9 is no place in an image of 100 x 120; give centres in pixels",
        ),
        (
            lambda folder: (folder / "cells.csv").write_text(
                "well,site,center_x,center_y\nC09,1,9,9\n"
            ),
            "no row of table 'cells' belongs to an image",
        ),
        (
            lambda folder: (folder / "cells.csv").write_text(
                "well,site,center_x,center_y\nB02,1,left,9\n"
            ),
            "columns 'center_x' and 'center_y' are not numbers",
        ),
    ],
)
def test_images_that_cannot_be_cropped_are_refused_by_name(folder, change, words):
    change(folder)
    with pytest.raises(UserError, match=words):
        crops_of(open_images(folder))


def test_rows_of_no_image_are_left_out_of_the_table(folder):
    with (folder / "cells.csv").open("a") as table:
        table.write("C07,1,50,50\n")
    crops = crops_of(open_images(folder))
    assert len(crops) == crops.tables["cells"].num_rows == 3
    assert crops.rows_without_image == 1


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["Nuclei_Location_Center_X", "Nuclei_Location_Center_Y"], (0, 1)),
        (["center_y", "area", "center_x"], (2, 0)),
        (["centroid_x", "centroid_y"], (0, 1)),
        (["center_x", "Other_Center_Y"], None),
        (["x", "y"], None),
    ],
)
def test_columns_of_centres_are_found_by_their_names(names, found):
    expected = None if found is None else tuple(names[place] for place in found)
    assert center_columns(names) == expected


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((5, 64, 64), "u2"), ((2, 64, 64), "u1"), ((64, 64), "u2"), ((3, 64, 64), "f4")],
)
def test_file_of_a_crop_is_one_image_of_its_shape(shape, dtype, tmp_path):
    crop = np.random.default_rng(1).integers(0, 200, shape).astype(dtype)
    content = file_of(crop)
    assert np.array_equal(tifffile.imread(io.BytesIO(content)), crop)
    path = tmp_path / "crop.tif"
    path.write_bytes(content)
    images = open_images(path)
    assert images.shapes == [shape]
    assert images.file(0) == content
    assert np.array_equal(images.pixels(0), crop)
