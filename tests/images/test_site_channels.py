"""Sites that lack a channel or a plane are named."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import tifffile

from platebench.errors import UserError
from platebench.images.folder import open_images
from platebench.images.site_channels import uneven_sites


def table(*places: tuple[str | None, str, str | None, int | None]) -> pa.Table:
    names = ("well", "site", "channel", "z")
    kinds = (pa.string(), pa.string(), pa.string(), pa.int32())
    columns = {
        name: pa.array(values, kind)
        for name, values, kind in zip(names, zip(*places, strict=True), kinds, strict=True)
    }
    empty = {
        "plate": pa.nulls(len(places), pa.string()),
        "frame": pa.nulls(len(places), pa.int32()),
    }
    return pa.table({**columns, **empty})


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([("A01", "1", "DNA", None), ("A01", "1", "ER", None)], None),
        ([("A01", "1", None, None), ("A01", "2", None, None)], None),
        ([("A01", s, c, None) for s in "12" for c in ("DNA", "ER")], None),
        (
            [("A01", "1", "DNA", None), ("A01", "1", "ER", None), ("A01", "2", "DNA", None)],
            "1 of 2 sites lack images that others have: well A01, site 2 has no channel ER",
        ),
        (
            [("A01", s, "DNA", z) for s in "12" for z in range(3) if (s, z) != ("2", 1)],
            "1 of 2 sites lack images that others have: well A01, site 2 has no z 1 of channel DNA",
        ),
        (
            [("A01", "1", "DNA", None), ("A02", "1", "ER", None)],
            "2 of 2 sites lack images that others have: well A01, site 1 has no channel ER",
        ),
    ],
)
def test_uneven_sites_are_named(places, words):
    assert uneven_sites(table(*places)) == words


@pytest.fixture
def folder(tmp_path):
    for number in range(6):
        well, channel = divmod(number, 3)
        name = f"B0{well + 1}_s1_w{channel}.tif"
        tifffile.imwrite(tmp_path / name, np.full((70, 80), number, np.uint8))
    return tmp_path


def test_folder_without_a_file_says_so_in_one_line_and_keeps_the_other_images(folder):
    assert open_images(folder).counted.uneven is None
    (folder / "B02_s1_w1.tif").unlink()
    images = open_images(folder)
    assert len(images) == 5
    assert images.counted.said() == (
        "5 files, 5 images; 1 of 2 sites lack images that others have:"
        " well B02, site 1 has no channel w1"
    )


def test_template_gives_well_site_and_channel(folder):
    images = open_images(folder, pattern="{well}_s{site}_w{channel}.tif")
    assert images.table["channel"].to_pylist() == ["0", "1", "2"] * 2
    assert images.table["well"].to_pylist() == ["B01"] * 3 + ["B02"] * 3


def test_files_that_a_pattern_does_not_fit_are_named(folder):
    images = open_images(folder, pattern="{well}_s{site}_w0.tif")
    assert "the pattern does not fit 4 files (B01_s1_w1.tif, ...)" in images.counted.said()
    with pytest.raises(UserError, match=r"fits the name of no TIFF file, such as B01_s1_w0\.tif"):
        open_images(folder, pattern="{well}-{site}")
