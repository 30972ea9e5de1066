"""Generated image sets of sites: names, keys, whole sites, and their files."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from platebench.errors import UserError
from platebench.images import fixtures
from platebench.images.fixtures import make_fixtures
from platebench.images.folder import open_images
from platebench.images.generated import generated
from platebench.images.manifest import read_manifest
from platebench.images.names import place_of
from platebench.images.painting import CHANNELS
from platebench.images.set_profiles import (
    MIXED,
    SetProfile,
    bits_of,
    images_per_site,
    require_whole_sites,
    set_bytes,
    shape_and_dtype,
)
from platebench.images.sites import file_names, images_of, places, shots, site_place, site_shot

SMALL: dict[SetProfile, int] = {"channels": 5, "zstack": 8, "mixed": 5}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small fixture of each profile, with CH5 files and tables. Tests must not change it."""
    out = tmp_path_factory.mktemp("sites")
    return {
        profile: make_fixtures(out / profile, images, profile, ch5=True, tables=True, processes=1)
        for profile, images in SMALL.items()
    }


@pytest.mark.parametrize(
    ("profile", "images", "good"),
    [
        ("channels", 4, "give channels-5"),
        ("channels", 64, "give channels-60 or channels-65"),
        ("zstack", 60, "give zstack-56 or zstack-64"),
    ],
)
def test_part_of_a_site_is_refused_with_the_next_good_numbers(profile, images, good, tmp_path):
    with pytest.raises(UserError, match=rf"^{profile}-{images}: a site has \d images; {good}$"):
        require_whole_sites(profile, images)
    with pytest.raises(UserError, match=good):
        make_fixtures(tmp_path / "out", images, profile)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("profile", "images"), [("channels", 60), ("zstack", 64), ("mixed", 3)])
def test_whole_sites_are_taken(profile, images):
    require_whole_sites(profile, images)
    assert generated(f"{profile}-{images}") == (profile, images)
    assert len(shots(profile, images)) == images // images_per_site(profile)


def test_images_of_a_site_are_neighbours_with_equal_keys_in_the_order_of_channels():
    every = [place for shot in shots("channels", 40) for place in places(shot, "channels")]
    assert [place.channel for place in every] == list(CHANNELS) * 8
    sites = [every[first : first + 5] for first in range(0, 40, 5)]
    assert len({place._replace(channel=None) for place in every}) == len(sites)
    for site in sites:
        assert len({(place.plate, place.well, place.site, place.frame) for place in site}) == 1
    assert [(site[0].well, site[0].site) for site in sites[3:5]] == [("A01", "4"), ("A02", "1")]


def test_planes_of_a_stack_have_z_from_0():
    (shot,) = shots("zstack", 8)
    assert [place.z for place in places(shot, "zstack")] == list(range(8))


def test_wells_are_those_of_384_well_plates():
    wells = {site_place(site_shot(number), "channels")[:2] for number in range(4 * 385)}
    assert len(wells) == 385
    assert ("CP0001", "P24") in wells
    assert site_place(site_shot(4 * 384), "channels")[:3] == ("CP0002", "A01", "1")


@pytest.mark.parametrize("profile", SMALL)
def test_names_of_files_tell_the_places_of_images(profile):
    shot = site_shot(7)
    read = [place_of(Path(name).stem) for name in file_names(shot, profile)]
    assert read == places(shot, profile)


@pytest.mark.parametrize("profile", SMALL)
def test_sizes_and_types_are_as_announced(profile, made):
    images = open_images(made[profile])
    assert images.name == f"{profile}-{SMALL[profile]}"
    announced = [shape_and_dtype(profile, row) for row in range(len(images))]
    assert list(zip(images.shapes, images.dtypes, strict=True)) == announced
    assert images.pixel_bytes == set_bytes(profile, len(images))
    assert {8 * dtype.itemsize for dtype in images.dtypes} == {bits_of(profile) or 8, 16}


def test_mixed_images_are_of_several_shapes_and_dtypes(made):
    images = open_images(made["mixed"])
    assert len(set(images.shapes[:4])) == len(MIXED) == 4
    assert {dtype.itemsize for dtype in images.dtypes} == {1, 2}
    assert images.counted.uneven is None
    whole, binned = (images.pixels(row).astype(float) for row in (0, 1))
    assert 10 < np.median(whole) < 16
    assert 180 < np.median(binned) < 280


@pytest.mark.parametrize("profile", SMALL)
def test_tiff_and_ch5_files_hold_the_same_images(profile, made):
    images = open_images(made[profile])
    planes = open_images(made[profile] / "ch5")
    assert sorted(planes.digests()) == sorted(images.digests())
    for row in range(len(images)):
        images.pixels(row)  # raises if it differs from the manifest
        assert np.array_equal(
            tifffile.imread(made[profile] / images.table["path"][row].as_py()), images.pixels(row)
        )
    if profile != "mixed":
        keys = ["well", "site", "channel"]
        assert planes.table.select(keys).equals(images.table.select(keys))


@pytest.mark.parametrize("profile", SMALL)
def test_tables_of_cells_and_objects_belong_to_the_sites(profile, made):
    cells = open_images(made[profile]).tables["cells"]
    objects = open_images(made[profile] / "ch5").tables["objects"]
    assert cells.num_rows == objects.num_rows > 20
    assert set(cells["Metadata_Well"].to_pylist()) <= {"A01", "A02"}
    assert cells["Metadata_Frame"].null_count == cells.num_rows


def test_bytes_do_not_depend_on_the_number_of_processes(tmp_path, made):
    again = make_fixtures(tmp_path / "out", 5, "mixed", ch5=True, tables=True, processes=2)
    for file in made["mixed"].rglob("*"):
        if file.is_file():
            assert (again / file.relative_to(made["mixed"])).read_bytes() == file.read_bytes()


def test_seed_and_site_change_every_image():
    first, other, seeded = (
        images_of(seed, site_shot(number), "channels")[1]
        for seed, number in ((1, 0), (1, 1), (2, 0))
    )
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, seeded)


def test_a_manifest_of_sites_reads_back(made):
    manifest = read_manifest(made["zstack"])
    assert manifest is not None
    assert [entry.place.z for entry in manifest.entries] == list(range(8))


def test_disk_that_is_too_small_is_told_before_anything_is_drawn(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise UserError("need 9 GB of disk")

    monkeypatch.setattr(fixtures, "require_room", full)
    monkeypatch.setattr(sys.modules["platebench.images.fixtures"], "images_of", None)
    with pytest.raises(UserError, match="need 9 GB"):
        make_fixtures(tmp_path / "out", 8, "zstack")
