"""Folders and packages that tests of packages share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from platebench.packages.pack import pack
from tests.packages.made_up import mixed_folder, plate_folder


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """A folder of four TIFF files, a table and a text file."""
    return plate_folder(tmp_path / "plate")


@pytest.fixture(scope="session")
def packed_plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `plate` and its package. Tests must not change them."""
    place = tmp_path_factory.mktemp("packed")
    pack([plate_folder(place / "plate")], place / "package")
    return place


@pytest.fixture
def package(packed_plate: Path, tmp_path: Path) -> Path:
    """A copy of the package of `plate`, which a test may change."""
    return Path(shutil.copytree(packed_plate / "package", tmp_path / "package"))


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of TIFF files, a stack, a CH5 movie and tables. Tests must not change it."""
    return mixed_folder(tmp_path_factory.mktemp("mixed") / "mixed")
