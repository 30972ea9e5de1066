"""A package holds what its sources hold, and check finds it whole."""

from __future__ import annotations

from pathlib import Path

from platebench.packages.build import part_images
from platebench.packages.check import check
from platebench.packages.pack import pack
from platebench.packages.parts import PART_IMAGES, ranges
from platebench.stores.name import StoreName
from tests.packages.made_up import plate_folder


def test_package_of_a_folder_is_whole(tmp_path: Path) -> None:
    source = plate_folder(tmp_path / "plate")
    packed = pack([source], tmp_path / "package")
    assert packed.package.manifest.images == 4
    assert check(tmp_path / "package", [source]) == []


def test_part_has_a_most_of_bytes_and_of_images() -> None:
    assert ranges([1] * 10, most=100, images=4) == [range(4), range(4, 8), range(8, 10)]
    assert ranges([60, 60, 1, 1, 1, 1], most=100, images=3) == [range(1), range(1, 4), range(4, 6)]
    assert ranges([500, 1], most=100) == [range(1), range(1, 2)]
    assert part_images(StoreName.parse("parquet:pixels:balanced")) == PART_IMAGES
    assert part_images(StoreName.parse("lancedb:pixels:fast")) > 10**12, "it writes all itself"
