"""The bytes that one row costs are counted with an empty page cache; reading all is detected."""

from __future__ import annotations

from pathlib import Path

import pytest

from platebench.errors import Mismatch, Unsupported
from platebench.images.imageset import digest
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing import access
from platebench.timing.access import Counted, SmallImages

IMAGES = SmallImages(32, side=256)
ONE = 256 * 256


def counted(name: str, path: Path) -> Counted:
    store = registry.find(StoreName.parse(name))
    try:
        return access.count(store, IMAGES, path / "store")
    except Unsupported as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("name", ["floor:pixels:fast", "sqlite:pixels:fast", "hdf5:tensor:fast"])
def test_one_image_is_fetched_with_little_else(name: str, tmp_path: Path) -> None:
    """Read by O_DIRECT, through a memory map, and by read calls."""
    found = counted(name, tmp_path)
    assert found.image_bytes == ONE
    assert ONE <= found.first.asked <= 10 * ONE  # SQLite has pages of 64 KiB, as large as an image
    assert found.first.fetched >= ONE
    assert found.stored_bytes >= 32 * ONE


def test_store_that_reads_all_images_for_one_is_told_apart(tmp_path: Path) -> None:
    found = counted("parquet:pixels:default", tmp_path)
    assert found.first.asked >= found.stored_bytes * 0.9


def test_another_image_from_the_open_store_is_counted_on_its_own(tmp_path: Path) -> None:
    found = counted("tiff-files:tiff:default", tmp_path)
    assert found.files == 33
    assert ONE <= found.another.asked <= 2 * ONE
    assert found.another.calls < found.first.calls + 10


def test_another_image_than_was_written_is_a_mismatch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SmallImages, "digest_of", lambda self, row: digest(self.pixels(row + 1)))
    with pytest.raises(Mismatch, match="row 9 is another image than was written"):
        counted("sqlite:pixels:fast", tmp_path)


def test_images_are_the_same_each_time_and_differ() -> None:
    assert SmallImages(4, side=64).digests() == SmallImages(4, side=64).digests()
    assert len(set(SmallImages(4, side=64).digests())) == 4
