"""A version adds images, rows and files; older versions stay as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from platebench.errors import UserError
from platebench.packages import versions
from platebench.packages.check import check
from platebench.packages.manifest import read_manifest
from platebench.packages.pack import PackSettings, pack
from platebench.packages.stored import open_package
from platebench.packages.unpack import unpack
from platebench.stores.name import StoreName
from tests.packages.made_up import CELLS, SHAPE, plate_folder

STORES = ["parquet:tiff:fast", "zarr:tensor:fast", "lancedb:tiff:fast", "sqlite:pixels:fast"]


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """Two more images, and more rows of the same table."""
    folder = tmp_path / "second"
    (folder / "fields").mkdir(parents=True)
    for site in (1, 2):
        image = np.full(SHAPE, site, np.uint8)
        tifffile.imwrite(folder / "fields" / f"C05_s{site}_DNA.tif", image)
    (folder / "cells.csv").write_text(CELLS.replace("B0", "C0"))
    (folder / "protocol.txt").write_text("The second plate.\n")
    return folder


@pytest.mark.parametrize("store", STORES)
def test_added_version_has_more_images_rows_and_files(
    store: str, plate: Path, second: Path, tmp_path: Path
) -> None:
    place = tmp_path / "package"
    pack([plate], place, PackSettings(store=StoreName.parse(store), part_bytes=400))
    made = versions.add(place, [second], most=1)
    assert (made.number, made.images, made.note) == (2, 6, "2 images added")
    assert check(place) == []
    package = open_package(place)
    with package.open() as opened:
        assert len(opened) == 6
        assert opened.table()["row"].to_pylist() == list(range(6))
        assert opened.read_table("cells").num_rows == 8
    with package.open(1) as opened:
        assert len(opened) == 4
        assert opened.read_table("cells").num_rows == 4
    unpack(place, tmp_path / "out")
    assert (tmp_path / "out" / "cells.csv").read_text() == CELLS
    added = tmp_path / "out" / "version-2" / "cells.csv"
    assert added.read_text() == (second / "cells.csv").read_text()
    assert (tmp_path / "out" / "protocol.txt").exists()
    assert tifffile.imread(tmp_path / "out" / "fields" / "C05_s2_DNA.tif")[0, 0] == 2
    unpack(place, tmp_path / "old", version=1)
    assert not (tmp_path / "old" / "protocol.txt").exists()


@pytest.mark.parametrize("store", STORES)
def test_restored_version_is_as_it_was_and_no_version_is_lost(
    store: str, plate: Path, second: Path, tmp_path: Path
) -> None:
    place = tmp_path / "package"
    pack([plate], place, PackSettings(store=StoreName.parse(store)))
    versions.add(place, [second])
    assert versions.restore(place, 1).number == 3
    assert check(place, [plate]) == []
    assert versions.restore(place, 2).images == 6
    assert check(place) == []
    notes = [each.note for each in read_manifest(place).versions]
    assert notes == [
        "packed",
        "2 images added",
        "restored from version 1",
        "restored from version 2",
    ]


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("at", ["platebench.packages.versions._commit", "versions.write_manifest"])
def test_version_that_was_not_committed_does_not_count(
    store: str,
    at: str,
    plate: Path,
    second: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = tmp_path / "package"
    pack([plate], place, PackSettings(store=StoreName.parse(store)))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"platebench.packages.{at.removeprefix('platebench.packages.')}", killed)
        with pytest.raises(KeyboardInterrupt):
            versions.add(place, [second])
    changed = [each.what for each in check(place, [plate]) if "not in the" not in each.how]
    # Lance replaces its hint of where to look for the newest version.
    assert all(each.endswith("latest_version_hint.json") for each in changed)
    with open_package(place).open() as opened:
        assert len(opened) == 4
        assert opened.read_table("cells").num_rows == 4
    assert versions.add(place, [second]).images == 6
    assert check(place) == []
    with open_package(place).open() as opened:
        assert opened.read_table("cells").num_rows == 8


def test_image_that_is_there_already_is_refused(package: Path, plate: Path) -> None:
    before = (package / "platebench-package.json").read_bytes()
    with pytest.raises(UserError, match="has an image of this path"):
        versions.add(package, [plate])
    assert (package / "platebench-package.json").read_bytes() == before
    assert check(package) == []


def test_table_with_other_columns_is_refused(package: Path, second: Path) -> None:
    (second / "cells.csv").write_text("well,other\nC05,1\n")
    with pytest.raises(UserError, match="table 'cells'"):
        versions.add(package, [second])
    assert check(package) == []
    assert sorted(each.name for each in package.parent.iterdir()) == ["package", "second"]


def test_unknown_version_is_refused(package: Path) -> None:
    with pytest.raises(UserError, match="has no version 7"):
        versions.restore(package, 7)


def test_commands_list_add_and_restore(package: Path, second: Path, platebench) -> None:
    assert platebench("versions", "add", str(package), str(second)).status == 0
    assert platebench("versions", "restore", str(package), "1").status == 0
    lines = platebench("versions", "list", str(package)).out.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert lines[1].endswith("6 images, 1 table, 2 images added")
    assert platebench("info", str(package)).out.count("version 3 of 3") == 1


def test_version_of_one_more_table_is_whole(package: Path, tmp_path: Path) -> None:
    other = plate_folder(tmp_path / "other")
    for file in sorted((other / "fields").iterdir()):
        file.rename(file.with_name(f"D{file.name[1:]}"))
    (other / "cells.csv").rename(other / "more.csv")
    versions.add(package, [other])
    assert check(package) == []
    assert [table.name for table in read_manifest(package).tables] == ["cells", "more"]
