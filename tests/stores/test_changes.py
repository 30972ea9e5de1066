"""Stores replace and delete images; all others stay as they are and in their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores import registry
from platebench.stores.contract import Store, VersionedStore
from platebench.stores.part_list import with_versions
from platebench.timing.changes import after_deleting, after_replacing, replacements
from platebench.timing.drain import check, check_files, check_stored
from platebench.timing.page_cache import files_of
from tests.conftest import ArrayImages, noise
from tests.stores.test_contract import find

IMAGES = noise(7)
ROWS = [4, 1]

OWN_WAY = (
    "floor:pixels:fast",
    "npy:tensor:default",
    "hdf5:tensor:default",
    "hdf5:tensor:fast",
    "hdf5:tensor:balanced",
    "zarr:tensor:default",
    "zarr:tensor:small",
    "tiff-files:tiff:default",
    "tiff-files:tiff:fast",
    "sqlite:pixels:default",
    "sqlite:tiff:balanced",
    "sqlite:pixels:fast",
    "duckdb:pixels:fast",
    "lmdb:pixels:default",
    "tensorstore:tensor:fast",
    "blosc2:tensor:default",
    "tiledb:tensor:default",
    "tiledb:tensor:fast",
    "lance:pixels:fast",
    "lancedb:pixels:default",
    "lancedb:pixels:fast",
    "delta:pixels:default",
    "delta:pixels:fast",
    "icechunk:tensor:default",
    "icechunk:tensor:fast",
)
WRITTEN_AGAIN = ("parquet:pixels:default", "arrow-ipc:tensor:fast", "webdataset:tiff:default")
TESTED = (*OWN_WAY, *WRITTEN_AGAIN)

every_way = pytest.mark.parametrize(
    "name",
    [
        *TESTED,
        pytest.param("iceberg:pixels:fast", marks=pytest.mark.long),
        pytest.param("iceberg:pixels:default", marks=pytest.mark.nightly),
        *(
            pytest.param(str(name), marks=pytest.mark.nightly)
            for name in registry.names()
            if str(name) not in (*TESTED, "iceberg:pixels:fast", "iceberg:pixels:default")
        ),
    ],
)


def written(name: str, path: Path, images: ImageSet = IMAGES) -> Store:
    store = find(name)
    try:
        store.write(images, path)
    except Unsupported as reason:
        pytest.skip(str(reason))
    return store


def check_whole(store: Store, path: Path, images: ImageSet) -> None:
    """Compare a scan, the table, and rows read one by one in another order."""
    check_stored(store, path, images)
    rows = [len(images) - 1, 0, 1, 4 % len(images)]
    with store.open(path) as opened:
        assert len(opened) == len(images)
        check(opened.take(rows), images, rows)


@every_way
def test_replaced_images_are_new_and_others_unchanged(name: str, tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = written(name, path)
    others = replacements(IMAGES, ROWS)
    store.replace(path, ROWS, others)
    after = after_replacing(store, path, IMAGES, ROWS, others)
    check_whole(store, path, after)
    assert [each.name for each in tmp_path.iterdir()] == ["store"]
    if store.keeps_files:
        check_files(store, path, after)
    if isinstance(store, VersionedStore):
        check_stored(store, path, IMAGES, store.versions(path)[0].number)


@every_way
def test_images_after_a_deleted_one_move_up(name: str, tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = written(name, path)
    try:
        store.delete(path, ROWS)
    except Unsupported as reason:
        assert "finds images by the column row" in str(reason)
        check_whole(store, path, IMAGES)
        return
    left = after_deleting(IMAGES, ROWS)
    check_whole(store, path, left)
    store.delete(path, [0])
    check_whole(store, path, after_deleting(left, [0]))
    assert [each.name for each in tmp_path.iterdir()] == ["store"]
    if isinstance(store, VersionedStore):
        check_stored(store, path, IMAGES, store.versions(path)[0].number)


@pytest.mark.parametrize(
    "name", [name for name in TESTED if "fast" in name or name.startswith(("npy", "lmdb"))]
)
def test_row_that_is_not_there_changes_nothing(name: str, tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = written(name, path)
    for change in (
        lambda: store.replace(path, [7], replacements(IMAGES, [0])),
        lambda: store.delete(path, [3, 7]),
    ):
        with pytest.raises((IndexError, Unsupported)):
            change()
    check_whole(store, path, IMAGES)
    assert [each.name for each in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize(
    "name", ["floor:pixels:fast", "npy:tensor:default", "zarr:tensor:fast", "duckdb:pixels:fast"]
)
def test_image_of_another_shape_is_refused_before_anything_changes(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "store"
    store = written(name, path)
    with pytest.raises(Unsupported, match=r"same shape and dtype, not uint8 \(36, 24\)"):
        store.replace(path, [2], noise(1, (36, 24)))
    check_whole(store, path, IMAGES)


@pytest.mark.parametrize("name", ["sqlite:pixels:fast", "lmdb:pixels:default"])
def test_image_of_another_shape_is_stored_where_images_may_differ(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "store"
    store = written(name, path)
    other = noise(1, (36, 20))
    store.replace(path, [2], other)
    check_whole(store, path, after_replacing(store, path, IMAGES, [2], other))


def test_images_of_different_shapes_are_cut_out_of_the_floor(tmp_path: Path) -> None:
    mixed = ArrayImages([*noise(3), *noise(4, (300, 70))])
    store = written("floor:pixels:fast", tmp_path / "store", mixed)
    store.delete(tmp_path / "store", [1, 5])
    check_whole(store, tmp_path / "store", after_deleting(mixed, [1, 5]))


def test_floor_is_written_again_where_pages_cannot_be_cut_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platebench.stores.bare_file._cut", lambda file, ranges: False)
    store = written("floor:pixels:fast", tmp_path / "store")
    store.delete(tmp_path / "store", ROWS)
    check_whole(store, tmp_path / "store", after_deleting(IMAGES, ROWS))


def test_part_list_adds_a_version_and_keeps_the_older_ones(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = with_versions(find("tiff-files:tiff:default"))
    store.write(IMAGES.select(range(5)), path)
    store.append(IMAGES.select([5, 6], first_row=5), path)
    others = replacements(IMAGES, ROWS)
    store.replace(path, ROWS, others)
    replaced = after_replacing(store, path, IMAGES, ROWS, others)
    store.delete(path, [0])
    assert [each.number for each in store.versions(path)] == [1, 2, 3, 4]
    for version, images in ((2, IMAGES), (3, replaced), (4, after_deleting(replaced, [0]))):
        check_stored(store, path, images, version)


def test_file_takes_the_place_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parquet keeps many images in a folder of files, and fewer in one file."""
    monkeypatch.setattr("platebench.stores.parquet.MOST_ROW_GROUPS", 6)
    path = tmp_path / "store"
    store = written("parquet:pixels:fast", path)
    assert path.is_dir()
    store.delete(path, [5, 0])
    assert path.is_file()
    check_whole(store, path, after_deleting(IMAGES, [5, 0]))
    assert [each.name for each in tmp_path.iterdir()] == ["store"]


def test_write_that_fails_leaves_the_stored_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store"
    store = written("arrow-ipc:tensor:fast", path)
    others = replacements(IMAGES, ROWS)
    monkeypatch.setattr(others, "pixels", lambda row: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.replace(path, ROWS, others)
    monkeypatch.undo()
    check_whole(store, path, IMAGES)
    assert files_of(tmp_path) == files_of(path)
