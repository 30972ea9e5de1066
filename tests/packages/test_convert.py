"""A package in another store has the same images, tables and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.packages import versions
from platebench.packages.check import check
from platebench.packages.convert import convert
from platebench.packages.manifest import read_manifest
from platebench.packages.pack import PackSettings, pack
from platebench.packages.unpack import unpack
from platebench.stores.name import StoreName
from tests.packages.test_every_store import different


@pytest.mark.parametrize(
    "path",
    [
        ("parquet:tiff:fast", "arrow-ipc:tiff:fast"),
        ("parquet:tiff:fast", "lancedb:tiff:default"),
        ("arrow-ipc:tiff:default", "zarr:tensor:balanced", "sqlite:tiff:fast"),
        ("hdf5:tensor:small", "parquet:tiff:small", "lancedb:pixels:fast"),
    ],
)
def test_converted_package_equals_the_source(
    path: tuple[str, ...], plate: Path, tmp_path: Path
) -> None:
    first, *others = path
    folder = tmp_path / "0"
    pack([plate], folder, PackSettings(store=StoreName.parse(first)))
    for number, store in enumerate(others, 1):
        new = tmp_path / str(number)
        convert(folder, new, StoreName.parse(store), most=400)
        assert check(new) == []
        folder = new
    if all(":tiff:" in store for store in path):
        assert check(folder, [plate]) == []
        unpack(folder, tmp_path / "out")
        assert different(plate, tmp_path / "out") == []
    assert read_manifest(folder).newest.note.startswith("converted from version 1")


def test_pixels_of_a_converted_package_equal_the_source(plate: Path, tmp_path: Path) -> None:
    pack([plate], tmp_path / "one")
    convert(
        tmp_path / "one", tmp_path / "other", StoreName.parse("zarr:tensor:fast"), jobs=2, most=1
    )
    assert check(tmp_path / "other", [plate]) == []


def test_older_version_is_converted(package: Path, tmp_path: Path) -> None:
    versions.restore(package, 1)
    made = convert(package, tmp_path / "new", StoreName.parse("zarr:tensor:fast"), version=1)
    assert made.images == 4


def test_changed_image_is_not_converted(package: Path, tmp_path: Path) -> None:
    file = package / "images.csv"
    text = file.read_text()
    digest = text.splitlines()[2].rsplit(",", 1)[1].strip('"')
    file.write_text(text.replace(digest, "0" * 64))
    with pytest.raises(UserError, match=r"image 1 .* differs from its SHA-256"):
        convert(package, tmp_path / "new", StoreName.parse("arrow-ipc:tiff:fast"))
    assert not (tmp_path / "new").exists()


def test_command_converts(package: Path, tmp_path: Path, platebench) -> None:
    new = str(tmp_path / "new")
    done = platebench("convert", str(package), new, "--store", "zarr:tensor:balanced")
    assert done.status == 0, done.err
    assert platebench("check", new).status == 0
    assert len(platebench("info", new).out.splitlines()) <= 20
