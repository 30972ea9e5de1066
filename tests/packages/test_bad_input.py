"""Every broken file is named, and a package is whole or not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from platebench.errors import UserError
from platebench.packages.check import check
from platebench.packages.pack import PackSettings, pack
from platebench.packages.source import find
from platebench.stores.name import StoreName
from tests.packages.made_up import plate_folder

ZARR = StoreName.parse("zarr:tensor:fast")
FIELD = Path("fields") / "B02_s1_DNA.tif"


def truncated(plate: Path) -> str:
    file = plate / FIELD
    file.write_bytes(file.read_bytes()[:-20])
    return FIELD.name


def no_tiff(plate: Path) -> str:
    (plate / "a.tif").write_bytes(b"GIF89a, not at all a TIFF file")
    return "a.tif"


def empty(plate: Path) -> str:
    (plate / "empty.tif").touch()
    return "empty.tif"


def undecodable(plate: Path) -> str:
    file = plate / "compressed.tif"
    tifffile.imwrite(file, np.arange(10_000, dtype=np.uint16).reshape(100, 100), compression="zlib")
    data = bytearray(file.read_bytes())
    data[-200:-100] = bytes(100)
    file.write_bytes(data)
    return "compressed.tif"


def movie_without_images(plate: Path) -> str:
    with h5py.File(plate / "empty.ch5", "w") as file:
        file.create_group("sample")
    return "empty.ch5"


def ragged(plate: Path) -> str:
    (plate / "ragged.csv").write_text("a,b\n1,2\n3\n")
    return "ragged.csv"


def broken_gzip(plate: Path) -> str:
    (plate / "wells.csv.gz").write_bytes(b"\x1f\x8b not gzip")
    return "wells.csv.gz"


def broken_link(plate: Path) -> str:
    (plate / "gone.tif").symlink_to(plate / "nowhere.tif")
    return "gone.tif"


def loop_of_links(plate: Path) -> str:
    (plate / "one.tif").symlink_to(plate / "two.tif")
    (plate / "two.tif").symlink_to(plate / "one.tif")
    return "one.tif"


def no_utf8(plate: Path) -> str:
    os.rename(plate / FIELD, os.fsencode(plate) + b"/fields/\xff.tif")  # noqa: PTH104
    return "\\xff.tif"


BROKEN = [
    truncated,
    no_tiff,
    empty,
    undecodable,
    movie_without_images,
    ragged,
    broken_gzip,
    broken_link,
    loop_of_links,
    no_utf8,
]


def snapshot(folder: Path) -> dict[bytes, bytes | None]:
    place = os.fsencode(folder)
    return {
        os.path.join(here, name): Path(os.fsdecode(os.path.join(here, name))).read_bytes()  # noqa: PTH118
        for here, _, names in os.walk(place)
        for name in names
        if os.path.isfile(os.path.join(here, name))  # noqa: PTH113, PTH118
    }


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_file_stops_with_its_name_and_nothing_is_left(
    broken: Callable[[Path], str], plate: Path, tmp_path: Path, platebench
) -> None:
    name = broken(plate)
    before = snapshot(plate)
    done = platebench("pack", str(plate), str(tmp_path / "package"))
    assert done.status == 2
    assert name in done.err
    assert "--on-error skip" in done.err or broken is undecodable
    assert len(done.err.splitlines()) == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["plate"]
    assert snapshot(plate) == before


@pytest.mark.parametrize("broken", BROKEN)
def test_skipped_file_is_listed_and_the_rest_is_packed(
    broken: Callable[[Path], str], plate: Path, tmp_path: Path, platebench
) -> None:
    name = broken(plate)
    done = platebench("pack", str(plate), str(tmp_path / "package"), "--on-error", "skip")
    assert done.status == 1
    assert name in done.err
    assert check(tmp_path / "package") == []


def test_table_that_cannot_be_read_is_kept_as_a_file(plate: Path, tmp_path: Path) -> None:
    ragged(plate)
    packed = pack([plate], tmp_path / "package", PackSettings(on_error="skip"))
    assert [table.name for table in packed.package.manifest.tables] == ["cells"]
    assert (tmp_path / "package" / "sources" / "ragged.csv").read_text() == "a,b\n1,2\n3\n"
    assert [each.path for each in packed.refused] == ["ragged.csv"]


def test_loop_of_folders_is_named_and_left_out(plate: Path, tmp_path: Path) -> None:
    (plate / "fields" / "round").symlink_to(plate)
    manifest = pack([plate], tmp_path / "package").package.manifest
    assert [str(each.path) for each in manifest.left_out] == ["fields/round"]
    assert manifest.images == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_is_named(plate: Path, tmp_path: Path) -> None:
    (plate / FIELD).chmod(0)
    with pytest.raises(UserError, match=FIELD.name):
        pack([plate], tmp_path / "package")


def test_unreadable_folder_is_an_error(plate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (plate / "closed").mkdir()
    iterdir = Path.iterdir

    def closed(path: Path):
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", closed)
    assert [each.path for each in find([plate]).refused] == ["closed"]


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    one, other = plate_folder(tmp_path / "a" / "plate"), plate_folder(tmp_path / "b" / "plate")
    with pytest.raises(UserError, match="same path"):
        pack([one, other], tmp_path / "package")


def test_paths_of_several_sources_begin_with_their_names(tmp_path: Path) -> None:
    one, other = plate_folder(tmp_path / "one"), plate_folder(tmp_path / "other")
    packed = pack([one, other], tmp_path / "package")
    paths = packed.package.images()["path"].to_pylist()
    assert paths[0] == "one/fields/B02_s1_DNA.tif"
    assert {table.name for table in packed.package.manifest.tables} == {"one-cells", "other-cells"}
    assert check(tmp_path / "package", [one, other]) == []


def test_two_files_whose_tables_have_one_name_are_refused(plate: Path, tmp_path: Path) -> None:
    (plate / "a").mkdir()
    for file in (plate / "a" / "b.csv", plate / "a-b.csv"):
        file.write_text("well,x\nB02,1\n")
    with pytest.raises(UserError, match=r"a-b\.csv: would be table"):
        pack([plate], tmp_path / "package")


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_what_is_at_the_destination_is_never_replaced(
    what: str, plate: Path, tmp_path: Path
) -> None:
    destination = tmp_path / "package"
    if what == "folder":
        destination.mkdir()
        (destination / "mine.txt").write_text("mine")
    elif what == "file":
        destination.write_text("mine")
    else:
        destination.symlink_to(plate)
    with pytest.raises(UserError, match="package"):
        pack([plate], destination)
    assert what != "folder" or (destination / "mine.txt").read_text() == "mine"


def test_package_is_no_source(package: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a package already"):
        pack([package], tmp_path / "again")


def test_package_inside_a_source_is_left_out(plate: Path) -> None:
    pack([plate], plate / "package")
    manifest = pack([plate], plate / "second").package.manifest
    assert manifest.images == 4
    assert [(each.path, each.reason) for each in manifest.left_out] == [
        ("package", "folder made by platebench")
    ]


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no TIFF or CH5 file"):
        pack([tmp_path / "empty"], tmp_path / "package")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--store", "parquet"], "FORMAT:LAYOUT:TUNING"),
        (["--store", "no:such:store"], "no such store"),
        (["--pattern", "("], "not a regular expression"),
    ],
)
def test_unusable_option_is_one_line(
    arguments: list[str], word: str, plate: Path, tmp_path: Path, platebench
) -> None:
    done = platebench("pack", str(plate), str(tmp_path / "package"), *arguments)
    assert done.status == 2
    assert word in done.err
    assert len(done.err.splitlines()) == 1


def test_store_that_cannot_hold_the_images_is_named(plate: Path, tmp_path: Path) -> None:
    tifffile.imwrite(plate / "large.tif", np.ones((20, 30), np.uint8))
    with pytest.raises(UserError, match=r"zarr:tensor:fast cannot hold these images.*--store"):
        pack([plate], tmp_path / "package", PackSettings(store=ZARR))
    assert not (tmp_path / "package").exists()


def test_format_whose_files_cannot_be_moved_is_refused(plate, tmp_path, platebench):
    said = platebench("pack", str(plate), str(tmp_path / "made"), "--store", "iceberg:pixels:fast")
    assert said.status == 2
    assert "no package can be made of it" in said.err
    assert not (tmp_path / "made").exists()
