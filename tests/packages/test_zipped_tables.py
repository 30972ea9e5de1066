"""Tables in ZIP archives are tables of the package, and an archive that lies is refused."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.packages.check import check
from platebench.packages.pack import PackSettings, pack
from platebench.packages.source import find
from platebench.packages.unpack import unpack
from tests.packages.made_up import CELLS
from tests.packages.test_every_store import different

WELLS = "well\tgene\nB02\tPLK1\nB03\tscrambled\n"


def zipped(file: Path, **members: str) -> Path:
    """Write an archive. A member's name has its last underscore in place of the dot."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(".".join(name.rsplit("_", 1)), text)
    return file


def test_tables_of_archives_are_typed_joined_and_come_back(plate: Path, tmp_path: Path) -> None:
    zipped(plate / "more.csv.zip", cells_csv=CELLS)
    zipped(plate / "screen.zip", wells_tsv=WELLS, notes_txt="no table\n", doses_txt=WELLS)
    packed = pack([plate], tmp_path / "package")
    tables = {table.name: table for table in packed.package.manifest.tables}
    assert {name: (table.rows, table.keys, table.source) for name, table in tables.items()} == {
        "cells": (4, ("Metadata_Well", "Metadata_Site", "FileName_DNA"), "cells.csv"),
        "more": (4, ("Metadata_Well", "Metadata_Site", "FileName_DNA"), "more.csv.zip"),
        "screen-wells": (2, ("well",), "screen.zip/wells.tsv"),
        "screen-doses": (2, ("well",), "screen.zip/doses.txt"),
    }
    assert tables["more"].digest == tables["cells"].digest
    assert check(tmp_path / "package", [plate]) == []
    unpack(tmp_path / "package", tmp_path / "out")
    assert different(plate, tmp_path / "out") == []


def test_archive_beside_its_files_has_tables_of_other_names(plate: Path) -> None:
    zipped(plate / "cells.csv.zip", cells_csv=CELLS)
    zipped(plate / "fields.zip", a_csv=CELLS, b_csv=CELLS)
    (plate / "fields" / "a.csv").write_text(CELLS)
    assert sorted(table.name for table in find([plate]).tables) == [
        "cells.csv",
        "cells.csv.zip",
        "fields-a.csv",
        "fields-b",
        "fields.zip-a.csv",
    ]


def test_images_in_an_archive_are_named_and_the_archive_is_kept(
    plate: Path, tmp_path: Path, platebench
) -> None:
    file = zipped(plate / "raw.zip", a_tif="II*", b_ch5="HDF")
    done = platebench("pack", str(plate), str(tmp_path / "package"))
    assert done.status == 0
    assert "raw.zip: 2 images in a ZIP archive, kept as a file only" in done.out
    assert (tmp_path / "package" / "sources" / "raw.zip").read_bytes() == file.read_bytes()


def claim(file: Path, size: int) -> None:
    """Change the size that an archive's directory claims for its first member."""
    data = bytearray(file.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, size)
    file.write_bytes(data)


def large(plate: Path) -> Path:
    """An archive whose table claims 4 GB, more than its bytes can hold."""
    file = zipped(plate / "bomb.zip", bomb_csv="a,b\n1,2\n")
    claim(file, 2**32 - 2)
    return file


def larger_than_it_claims(plate: Path) -> Path:
    """An archive whose table has more bytes than it claims."""
    file = zipped(plate / "bomb.zip", bomb_csv="a,b\n" + "1,2\n" * 100_000)
    claim(file, 8)
    return file


def no_archive(plate: Path) -> Path:
    (plate / "cells.zip").write_bytes(b"PK\x03\x04 and nothing more")
    return plate / "cells.zip"


def damaged(plate: Path) -> Path:
    file = zipped(plate / "more.zip", cells_csv="".join(f"{n},{n * n}\n" for n in range(999)))
    data = bytearray(file.read_bytes())
    data[300:400] = bytes(100)
    file.write_bytes(data)
    return file


def encrypted(plate: Path) -> Path:
    file = zipped(plate / "more.zip", cells_csv=CELLS)
    data = bytearray(file.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    file.write_bytes(data)
    return file


def leaving(plate: Path) -> Path:
    file = plate / "cells.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../../outside.csv", CELLS)
    return file


@pytest.mark.parametrize(
    "make", [large, larger_than_it_claims, no_archive, damaged, encrypted, leaving]
)
def test_archive_that_cannot_be_used_is_named(make, plate: Path, tmp_path: Path) -> None:
    file = make(plate)
    with pytest.raises(UserError, match=rf"{file.name}.*--on-error skip") as raised:
        pack([plate], tmp_path / "package")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "package").exists()
    packed = pack([plate], tmp_path / "package", PackSettings(on_error="skip"))
    assert [table.name for table in packed.package.manifest.tables] == ["cells"]
    assert len(packed.refused) == 1
    assert (tmp_path / "package" / "sources" / file.name).read_bytes() == file.read_bytes()


def test_table_that_claims_more_than_memory_is_refused_unread(
    plate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zipped(plate / "cells.zip", cells_csv=CELLS)
    monkeypatch.setattr("platebench.images.zipped.memory_bytes", lambda: 4 * len(CELLS) - 4)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    (refused,) = find([plate]).refused
    assert "cells.csv claims" in refused.reason
