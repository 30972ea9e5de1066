"""The files of a folder are counted, and those left out are reported."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from platebench.errors import UserError
from platebench.images.fixtures import make_fixtures
from platebench.images.folder import open_images
from platebench.images.walk import Counted, shown


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.ones((8, 9), np.uint8))
    return path


def test_folders_made_by_platebench_are_left_out(tmp_path):
    write(tmp_path / "a.tif")
    make_fixtures(tmp_path / "fixture", 1, tables=True)
    images = open_images(tmp_path)
    assert images.table["path"].to_pylist() == ["a.tif"]
    assert list(images.tables) == []
    assert images.counted.left_out == [("fixture", "folder made by platebench")]
    assert len(open_images(tmp_path / "fixture")) == 1


def test_links_to_files_are_followed_and_links_to_folders_are_not(tmp_path):
    write(tmp_path / "elsewhere" / "b.tif")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "plate2").symlink_to(tmp_path / "elsewhere")
    (folder / "round").symlink_to(folder)
    (folder / "a.tif").symlink_to(tmp_path / "elsewhere" / "b.tif")
    images = open_images(folder)
    assert images.table["path"].to_pylist() == ["a.tif"]
    assert images.counted.said() == "1 file, 1 image; left out: 2 linked folders (plate2, ...)"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_folder_is_left_out(tmp_path):
    write(tmp_path / "a.tif")
    (tmp_path / "closed").mkdir(mode=0)
    assert open_images(tmp_path).counted.left_out == [("closed", "unreadable folder")]


def test_folder_that_cannot_be_listed_is_left_out(tmp_path, monkeypatch):
    write(tmp_path / "a.tif")
    (tmp_path / "closed").mkdir()
    iterdir = Path.iterdir

    def closed(path):
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", closed)
    assert open_images(tmp_path).counted.left_out == [("closed", "unreadable folder")]


def test_folder_with_suffix_tif_is_walked(tmp_path):
    write(tmp_path / "x.tif" / "a.tif")
    assert open_images(tmp_path).table["path"].to_pylist() == ["x.tif/a.tif"]


def test_appledouble_files_and_pipes_are_left_out(tmp_path):
    write(tmp_path / "x.tif")
    (tmp_path / "._x.tif").write_bytes(b"\0\5\x16\7")
    os.mkfifo(tmp_path / "pipe.tif")
    os.mkfifo(tmp_path / "pipe.csv")
    images = open_images(tmp_path)
    assert len(images) == 1
    assert sorted(images.counted.left_out) == [
        ("._x.tif", "AppleDouble file"),
        ("pipe.csv", "special file"),
        ("pipe.tif", "special file"),
    ]


@pytest.mark.parametrize("name", ["pipe.tif", "pipe.ch5"])
def test_pipe_as_argument_is_refused(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match="neither a regular file nor a folder"):
        open_images(tmp_path / name)


def test_device_as_argument_is_refused():
    with pytest.raises(UserError, match="neither a regular file nor a folder"):
        open_images(Path("/dev/zero"))


def test_broken_link_is_refused(tmp_path):
    write(tmp_path / "a.tif")
    (tmp_path / "b.tif").symlink_to(tmp_path / "gone.tif")
    with pytest.raises(UserError, match=r"b\.tif: cannot be read"):
        open_images(tmp_path)


def test_link_to_itself_is_refused(tmp_path):
    (tmp_path / "b.tif").symlink_to(tmp_path / "b.tif")
    with pytest.raises(UserError, match=r"b\.tif: cannot be read"):
        open_images(tmp_path)


@pytest.mark.parametrize("name", [b"caf\xe9.tif", b"caf\xe9.csv", b"caf\xe9/a.tif"])
def test_name_that_is_not_utf8_is_refused_in_printable_text(tmp_path, name):
    write(tmp_path / "a.tif")
    path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    with open(path, "wb") as file:  # noqa: PTH123
        file.write((tmp_path / "a.tif").read_bytes())
    with pytest.raises(UserError, match=r"caf\\xe9.*not UTF-8; rename it") as raised:
        open_images(tmp_path)
    str(raised.value).encode()


@pytest.mark.parametrize("length", [250, 300, 5000])
def test_overlong_name_is_refused_in_one_line(tmp_path, length):
    with pytest.raises(UserError) as raised:
        open_images(tmp_path / ("n" * length))
    assert "\n" not in str(raised.value)


def test_folder_without_readable_images_lists_what_was_left_out(tmp_path):
    (tmp_path / "plate2").symlink_to(tmp_path)
    with pytest.raises(UserError, match=r"left out: 1 linked folder \(plate2\)"):
        open_images(tmp_path)


def test_counts_are_summarized_in_one_line():
    counted = Counted(12, 60, left_out=[("a", "pyramid level")] * 3 + [("plate2", "linked folder")])
    assert counted.said() == (
        "12 files, 60 images; left out: 3 pyramid levels (a, ...), 1 linked folder (plate2)"
    )
    assert Counted(1, 1).said() == "1 file, 1 image"
    assert Counted(1, 1, ["wells"]).said() == "1 file, 1 image, 1 table (wells)"
    assert Counted(2, 2, ["a", "b"]).said() == "2 files, 2 images, 2 tables (a, ...)"


def test_shown_paths_are_on_one_line():
    assert shown(Path("a\nb\x1b[2J")) == "a\\nb\\x1b[2J"


def test_ch5_and_tiff_files_are_counted_together(tmp_path):
    write(tmp_path / "a.tif")
    with h5py.File(tmp_path / "b.ch5", "w") as file:
        file["sample/0/plate/P/experiment/1/position/1/image/channel"] = np.ones((1, 3, 1, 4, 5))
    counted = open_images(tmp_path).counted
    assert (counted.files, counted.images, counted.left_out) == (2, 4, [])
