"""A package holds what its sources hold, and check finds it whole."""

from __future__ import annotations

from pathlib import Path

from platebench.packages.check import check
from platebench.packages.pack import pack
from tests.packages.made_up import plate_folder


def test_package_of_a_folder_is_whole(tmp_path: Path) -> None:
    source = plate_folder(tmp_path / "plate")
    packed = pack([source], tmp_path / "package")
    assert packed.package.manifest.images == 4
    assert check(tmp_path / "package", [source]) == []
