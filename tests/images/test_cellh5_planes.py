"""Each plane of a foreign CH5 file is read once; unreadable files are refused by name."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from platebench.errors import UserError
from platebench.images.cellh5_planes import LINKED, planes_of
from platebench.images.folder import open_images
from platebench.limits import memory_bytes

PLATE = "sample/0/plate/P/experiment"


def position(site: int, well: str = "00001") -> str:
    return f"{PLATE}/{well}/position/{site:02d}"


def write(path: Path, sites: int = 2, frames: int = 3) -> Path:
    with h5py.File(path, "w") as file:
        for site in range(sites):
            data = np.full((2, frames, 1, 4, 6), site, np.uint8)
            file[f"{position(site)}/image/channel"] = data
    return path


def put(path: Path, data: object, valid: object = None, **options: object) -> Path:
    with h5py.File(path, "w") as file:
        made = file.create_dataset(f"{position(1)}/image/channel", data=data, **options)
        if valid is not None:
            made.attrs["valid"] = valid
    return path


def refused(path: Path, *words: str) -> None:
    with pytest.raises(UserError) as raised:
        list(open_images(path))
    said = str(raised.value)
    assert "\n" not in said
    assert all(word in said for word in (path.name, *words)), said


def test_links_to_other_files_are_left_out(tmp_path):
    for name in ("00001_01.ch5", "00002_01.ch5"):
        write(tmp_path / name, sites=1)
    with h5py.File(tmp_path / "_all_positions.ch5", "w") as file:
        for number in (1, 2):
            link = h5py.ExternalLink(f"{number:05d}_01.ch5", f"/{position(0)}")
            file[position(0, f"{number:05d}")] = link
    images = open_images(tmp_path)
    assert len(images) == 2 * 2 * 3
    assert [why for _, why in images.counted.left_out] == [LINKED] * 2
    assert images.counted.files == 3


@pytest.mark.parametrize("at", ["sample", "sample/0/plate", PLATE, f"{PLATE}/00001/position"])
def test_link_to_another_file_is_left_out_at_any_depth(tmp_path, at):
    write(tmp_path / "a.ch5")
    with h5py.File(tmp_path / "b.ch5", "w") as file:
        file.create_group("sample") if at != "sample" else None
        file[at] = h5py.ExternalLink("a.ch5", f"/{at}")
    images = open_images(tmp_path)
    assert len(images) == 2 * 2 * 3
    assert len(images.counted.left_out) == 1


def test_file_with_only_links_is_refused(tmp_path):
    write(tmp_path / "a.ch5")
    with h5py.File(tmp_path / "b.ch5", "w") as file:
        file[position(0)] = h5py.ExternalLink("a.ch5", f"/{position(0)}")
    refused(tmp_path / "b.ch5", "1 linked position")


@pytest.mark.parametrize("soft", [True, False])
def test_position_linked_inside_a_file_is_read_once(tmp_path, soft):
    path = write(tmp_path / "a.ch5", sites=1)
    with h5py.File(path, "a") as file:
        link = h5py.SoftLink(f"/{position(0)}") if soft else file[position(0)]
        file[position(0, "00000")] = link
    images = open_images(path)
    assert len(images) == 2 * 3
    if soft:
        assert set(images.table["well"].to_pylist()) == {"1"}
    assert len(images.counted.left_out) == 1


def test_cyclic_links_are_left_out(tmp_path):
    path = write(tmp_path / "a.ch5", sites=1)
    with h5py.File(path, "a") as file:
        file[position(7)] = h5py.SoftLink(f"/{position(7)}")
        file[position(8)] = h5py.SoftLink("/sample")
    assert len(open_images(path)) == 6


def test_channels_have_names_or_else_numbers(tmp_path):
    path = write(tmp_path / "a.ch5", sites=1)
    assert {plane.place.channel for plane in planes_of(path, "")} == {"0", "1"}
    with h5py.File(path, "a") as file:
        file["definition/image/channel"] = np.array([(b"GFP",), (b"",)], [("channel_name", "S9")])
    assert {plane.place.channel for plane in planes_of(path, "")} == {"GFP", "1"}


@pytest.mark.parametrize(
    "table",
    [
        np.array([(b"\xff\xfe",)], [("channel_name", "S9")]),
        np.array([(7,)], [("channel_name", "i4")]),
        np.array([1, 2]),
        np.array(3),
    ],
)
def test_invalid_channel_names_are_ignored(tmp_path, table):
    path = write(tmp_path / "a.ch5", sites=1)
    with h5py.File(path, "a") as file:
        file["definition/image/channel"] = table
    assert len(open_images(path)) == 6


STACK = np.ones((1, 3, 1, 4, 6), np.uint8)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (STACK.astype([("a", "u1")]), "not integers or floats"),
        (STACK.astype("S3"), "not integers or floats"),
        (STACK.astype(bool), "bool"),
        (STACK.astype(complex), "complex"),
        (np.full(STACK.shape, "text", object), "not integers or floats"),
        (np.ones((3, 4, 6), np.uint8), "not (c, t, z, y, x)"),
        (np.uint8(1), "not (c, t, z, y, x)"),
        (h5py.Empty("u1"), "not (c, t, z, y, x)"),
        (np.ones((1, 3, 1, 0, 6), np.uint8), "without pixels"),
        (np.ones((1, 3, 1, 4, 0), np.uint8), "without pixels"),
        (np.ones((1, 0, 1, 4, 6), np.uint8), "no written image"),
    ],
)
def test_datasets_that_are_not_images_are_refused(tmp_path, data, word):
    refused(put(tmp_path / "a.ch5", data), word)


@pytest.mark.parametrize(
    "valid",
    [np.ones(9), np.ones(2), "text", np.array([b"1", b"x", b"1"]), np.zeros(3), h5py.Empty("f8")],
)
def test_invalid_attribute_valid_is_refused(tmp_path, valid):
    refused(put(tmp_path / "a.ch5", STACK, valid))


@pytest.mark.parametrize("valid", [None, np.ones(3)])
def test_claimed_size_is_checked_against_memory(tmp_path, valid):
    path = tmp_path / "a.ch5"
    side = int(memory_bytes() ** 0.5)
    with h5py.File(path, "w") as file:
        made = file.create_dataset(
            f"{position(1)}/image/channel", (1, 3, 1, side, side), "u1", chunks=(1, 1, 1, 64, 64)
        )
        made[0, 0, 0, :64, :64] = 1
        if valid is not None:
            made.attrs["valid"] = valid
    refused(path, "claims an image of")


def test_claimed_frames_are_checked_against_the_file_size(tmp_path):
    path = tmp_path / "a.ch5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            f"{position(1)}/image/channel", (1, 2**40, 1, 8, 8), "u1", chunks=(1, 1, 1, 8, 8)
        )
    refused(path, "claims")


def test_pixels_in_another_file_are_refused(tmp_path):
    (tmp_path / "raw").write_bytes(bytes(1000))
    path = tmp_path / "a.ch5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            f"{position(1)}/image/channel",
            STACK.shape,
            "u1",
            external=[(str(tmp_path / "raw"), 0, 1000)],
        )
    refused(path, "pixels in other files")


def test_name_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "a.ch5"
    with h5py.File(path, "w") as file:
        file[f"{PLATE}/00001/position".encode() + b"/\xe9/image/channel"] = STACK
    refused(path)


@pytest.mark.parametrize("name", ["sample", "sample/0", "sample/0/plate/P", PLATE])
def test_dataset_in_place_of_a_group_is_refused(tmp_path, name):
    with h5py.File(tmp_path / "a.ch5", "w") as file:
        file[name] = np.ones(3)
    refused(tmp_path / "a.ch5", "no written image")
