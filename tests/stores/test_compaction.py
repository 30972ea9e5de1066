"""Compaction merges what many versions left, and changes no image and no older version."""

from __future__ import annotations

from pathlib import Path

import pytest

from platebench.errors import Unsupported
from platebench.stores import registry
from platebench.stores.part_list import with_versions
from platebench.timing.drain import check_stored
from platebench.timing.page_cache import stored_size
from tests.conftest import noise
from tests.stores.one_file import OneFile
from tests.stores.test_contract import digests, find

IMAGES = noise(6)


@pytest.mark.parametrize(
    "name",
    [
        "tiff-files:tiff:default",
        "tiff-files:tiff:balanced",
        "arrow-ipc:tensor:fast",
        "lance:pixels:fast",
        "lance:tiff:default",
        "lancedb:pixels:fast",
        "lancedb:pixels:default",
        "delta:pixels:fast",
        "delta:pixels:default",
        "icechunk:tensor:fast",
    ],
)
def test_images_and_versions_stay_and_old_files_can_be_removed(name: str, tmp_path: Path) -> None:
    store, path = with_versions(find(name)), tmp_path / "store"
    store.write(IMAGES.select([0]), path)
    first = store.versions(path)[-1].number
    for row in range(1, len(IMAGES)):
        store.append(IMAGES.select([row], first_row=row), path)
    store.compact(path)
    check_stored(store, path, IMAGES)
    check_stored(store, path, IMAGES.select([0]), first)
    with store.open(path) as opened:
        assert digests(opened) == IMAGES.digests()
        taken = [image.tobytes() for image in opened.take([4, 0, 4])]
        assert taken == [IMAGES.pixels(row).tobytes() for row in (4, 0, 4)]
    if store.keeps_files:
        with store.open_files(path) as opened:
            assert [image.tobytes() for image in opened.scan()] == [
                bytes(IMAGES.file(row)) for row in range(len(IMAGES))
            ]
    _, files = stored_size(path)
    store.prune(path, keep=1)
    check_stored(store, path, IMAGES)
    assert stored_size(path)[1] < files


def test_compaction_of_one_part_adds_no_version(tmp_path: Path) -> None:
    store = with_versions(registry.find(registry.FLOOR))
    store.write(IMAGES, tmp_path / "store")
    store.compact(tmp_path / "store")
    assert len(store.versions(tmp_path / "store")) == 1


def test_format_without_compaction_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="one-file has no call that merges small files"):
        OneFile("pixels", "fast").compact(tmp_path / "store")
