"""Whatever is changed in a package, check names it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.packages.build import with_files
from platebench.packages.check import check
from platebench.packages.hashing import stored_file
from platebench.packages.manifest import MANIFEST, read_manifest, write_manifest
from platebench.packages.pack import PackSettings, pack
from platebench.packages.stored import versioned
from platebench.stores.name import StoreName


def named(package: Path, *sources: Path) -> list[str]:
    return [each.what for each in check(package, sources)]


def images_part(package: Path) -> Path:
    return next((package / "data" / "parts").glob("00000-*"))


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def accept_files(package: Path) -> None:
    """Have the manifest list the files as they are now, as a forger would."""
    manifest = read_manifest(package)
    files = [stored_file(package / file.path, package) for file in manifest.files]
    write_manifest(with_files(manifest, files), package)


def test_whole_package_has_no_difference(package: Path) -> None:
    assert check(package) == []


def test_flipped_byte_names_the_file_and_the_image(package: Path, packed_plate: Path) -> None:
    part = images_part(package)
    image = (packed_plate / "plate" / "fields" / "B02_s2_DNA.tif").read_bytes()
    flip(part, part.read_bytes().index(image) + len(image) - 3)
    assert named(package) == [
        part.relative_to(package).as_posix(),
        "image 1 (fields/B02_s2_DNA.tif)",
    ]


def test_flipped_byte_is_found_by_the_image_alone(package: Path, packed_plate: Path) -> None:
    part = images_part(package)
    image = (packed_plate / "plate" / "fields" / "B02_s2_DNA.tif").read_bytes()
    flip(part, part.read_bytes().index(image) + len(image) - 3)
    accept_files(package)
    assert named(package) == ["image 1 (fields/B02_s2_DNA.tif)"]


@pytest.mark.parametrize("damage", [b"", b"no Parquet file at all"])
def test_part_that_cannot_be_read_is_named(package: Path, damage: bytes) -> None:
    part = images_part(package)
    part.write_bytes(damage)
    assert named(package)[:2] == [part.relative_to(package).as_posix(), "data"]


def test_missing_file_is_named(package: Path) -> None:
    (package / "sources" / "README.txt").unlink()
    assert [str(each) for each in check(package)] == ["sources/README.txt: is missing"]


def test_missing_part_is_named(package: Path) -> None:
    part = images_part(package)
    part.unlink()
    assert part.relative_to(package).as_posix() in named(package)


def test_additional_file_is_named(package: Path) -> None:
    (package / "data" / "notes.txt").write_text("mine")
    assert [str(each) for each in check(package)] == ["data/notes.txt: is not in the manifest"]


def test_link_that_leaves_the_package_is_named(package: Path) -> None:
    file = package / "sources" / "README.txt"
    outside = package.parent / "outside.txt"
    file.rename(outside)
    file.symlink_to(outside)
    assert [str(each) for each in check(package)] == [
        "sources/README.txt: is a link that leaves the package"
    ]


def test_changed_table_is_named(package: Path) -> None:
    store = versioned(read_manifest(package).store)
    with store.open(package / "data") as opened:
        table = opened.read_table("cells")
    changed = table.take([1, 0, 2, 3])
    base = store.base  # type: ignore[attr-defined]
    place = package / "data" / "parts" / "tables"
    shutil.rmtree(place)
    base.tables_at(place).create("cells", changed)
    accept_files(package)
    assert [str(each) for each in check(package)] == ["table 'cells': differs from its digest"]


def test_exchanged_rows_of_the_list_are_named(package: Path) -> None:
    file = package / "images.csv"
    head, first, second, *rest = file.read_text().splitlines(keepends=True)
    file.write_text("".join([head, second, first, *rest]))
    accept_files(package)
    found = named(package)
    assert found.count("image 0 (fields/B02_s2_DNA.tif)") == 2
    assert found.count("image 1 (fields/B02_s1_DNA.tif)") == 2


def test_exchanged_parts_are_named(plate: Path, tmp_path: Path) -> None:
    package = tmp_path / "package"
    pack([plate], package, PackSettings(part_bytes=1))
    file = package / "data" / "000001.json"
    listed = json.loads(file.read_text())
    listed["parts"][:2] = reversed(listed["parts"][:2])
    file.write_text(json.dumps(listed))
    accept_files(package)
    assert {"image 0 (fields/B02_s1_DNA.tif)", "image 1 (fields/B02_s2_DNA.tif)"} <= set(
        named(package)
    )


def test_changed_source_is_named(packed_plate: Path, plate: Path) -> None:
    (plate / "README.txt").write_text("another")
    (plate / "new.txt").write_text("new")
    flip(plate / "fields" / "B03_s1_DNA.tif", -1)
    (plate / "fields" / "B02_s1_DNA.tif").unlink()
    assert {str(each) for each in check(packed_plate / "package", [plate])} == {
        "README.txt: differs from the source",
        "new.txt: is in the source, not in the package",
        "fields/B03_s1_DNA.tif: differs from the source",
        "fields/B02_s1_DNA.tif: is in the package, not in the source",
    }


def test_changed_pixels_of_the_source_are_named(plate: Path, tmp_path: Path) -> None:
    store = StoreName.parse("zarr:tensor:fast")
    pack([plate], tmp_path / "package", PackSettings(store=store))
    flip(plate / "fields" / "B03_s1_DNA.tif", -1)
    assert named(tmp_path / "package", plate) == ["fields/B03_s1_DNA.tif"]


@pytest.mark.parametrize(
    "store", ["arrow-ipc:tiff:fast", "zarr:tensor:fast", "lancedb:pixels:fast"]
)
def test_flipped_bytes_anywhere_are_found(store: str, plate: Path, tmp_path: Path) -> None:
    package = tmp_path / "package"
    pack([plate], package, PackSettings(store=StoreName.parse(store)))
    files = [file for file in (package / "data").rglob("*") if file.is_file()]
    file = max(files, key=lambda file: file.stat().st_size)
    for place in (0, file.stat().st_size // 3):
        flip(file, place)
        assert file.relative_to(package).as_posix() in named(package)
        flip(file, place)
    assert check(package) == []


def test_command_tells_by_its_exit_status(package: Path, platebench) -> None:
    assert platebench("check", str(package)).status == 0
    (package / "sources" / "README.txt").write_text("changed")
    done = platebench("check", str(package))
    assert done.status == 1
    assert "sources/README.txt" in done.err
    (package / MANIFEST).write_text("{}")
    done = platebench("check", str(package))
    assert done.status == 2
    assert len(done.err.splitlines()) == 1
    assert platebench("check", str(package.parent / "none")).status == 2


def test_claim_of_more_than_memory_is_refused_before_it_is_taken(package: Path) -> None:
    file = package / "images.csv"
    file.write_text(file.read_text().replace("12x16", "99999999x99999999"))
    accept_files(package)
    found = [str(each) for each in check(package)]
    assert len(found) == 1
    assert "claims an image of" in found[0]


def test_folder_that_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a package"):
        check(tmp_path)
