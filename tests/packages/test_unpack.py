"""Unpack writes the files again, and nothing outside of its folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.packages.manifest import StoredSource, read_manifest, write_manifest
from platebench.packages.unpack import unpack
from tests.packages.test_every_store import different

LEAVING = ["../outside.tif", "/outside.tif", "a/../../outside.tif", "a//b.tif"]


def test_files_come_back(package: Path, packed_plate: Path, tmp_path: Path, platebench) -> None:
    done = platebench("unpack", str(package), str(tmp_path / "out"))
    assert done.status == 0
    assert "4 images byte for byte, 2 other files byte for byte" in done.out
    assert different(packed_plate / "plate", tmp_path / "out") == []


@pytest.mark.parametrize("path", LEAVING)
def test_path_of_an_image_that_leaves_the_folder_is_refused(
    path: str, package: Path, tmp_path: Path
) -> None:
    file = package / "images.csv"
    file.write_text(file.read_text().replace("fields/B02_s1_DNA.tif", path))
    with pytest.raises(UserError, match="is not a path inside the package"):
        unpack(package, tmp_path / "deep" / "out")
    assert list(tmp_path.rglob("outside.tif")) == []
    assert list((tmp_path / "deep").iterdir()) == []


@pytest.mark.parametrize("path", LEAVING)
def test_path_of_a_file_that_leaves_the_folder_is_refused(
    path: str, package: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(package)
    version = replace(manifest.newest, sources=(StoredSource(path, "sources/README.txt"),))
    write_manifest(replace(manifest, versions=(version,)), package)
    with pytest.raises(UserError, match="is not a path inside the package"):
        unpack(package, tmp_path / "out")


def test_link_in_sources_is_not_followed(package: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("What was done, and by whom.\n")
    file = package / "sources" / "README.txt"
    file.unlink()
    file.symlink_to(tmp_path / "secret.txt")
    with pytest.raises(UserError, match="link that leaves"):
        unpack(package, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_changed_file_is_not_unpacked(package: Path, tmp_path: Path) -> None:
    (package / "sources" / "README.txt").write_text("changed")
    with pytest.raises(UserError, match="differs from its SHA-256"):
        unpack(package, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_files_of_one_path_are_refused(package: Path, tmp_path: Path) -> None:
    file = package / "images.csv"
    file.write_text(file.read_text().replace("B02_s1_DNA", "B02_s2_DNA"))
    with pytest.raises(UserError, match="two files at this path"):
        unpack(package, tmp_path / "out")


def test_existing_folder_is_not_touched(package: Path, plate: Path) -> None:
    with pytest.raises(UserError, match="not empty"):
        unpack(package, plate)
