"""Every store keeps the one contract."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet, digest
from platebench.stores import registry
from platebench.stores.contract import OpenStore, Store, VersionedStore
from tests.conftest import ArrayImages, noise

every_store = pytest.mark.parametrize("name", registry.names())
versioned = pytest.mark.parametrize(
    "name", [name for format_ in registry.FORMATS if format_.versioned for name in format_.names]
)

KINDS = [
    ((24, 36), "|u1"),
    ((24, 36), "<u2"),
    ((9, 7), "<i4"),
    ((9, 7), "<f4"),
    ((9, 7), "<f8"),
    ((3, 9, 7), "|u1"),
    ((9, 7), "|i1"),
    ((9, 7), "<u4"),
    ((1, 1), "|u1"),
    ((200, 210), "|u1"),
]


def find(name: str) -> Store:
    try:
        return registry.find(name)
    except Unsupported as reason:
        pytest.skip(str(reason))


def written(name: str, images: ImageSet, path: Path) -> Store:
    """Write `images`, or skip where the format cannot hold them and says so."""
    store = find(name)
    try:
        store.write(images, path)
    except Unsupported as reason:
        assert not path.exists(), "a refusal leaves nothing behind"
        pytest.skip(str(reason))
    return store


def digests(store: OpenStore) -> list[str]:
    return [digest(image) for image in store.scan()]


@every_store
def test_a_scan_gives_every_image_back_in_row_order(name, images, tmp_path):
    store = written(name, images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        assert len(opened) == len(images)
        assert digests(opened) == images.digests()
        assert digests(opened) == images.digests(), "a second scan begins anew"


@every_store
@pytest.mark.parametrize(("shape", "dtype"), KINDS)
def test_any_dtype_and_shape_comes_back_as_it_was(name, shape, dtype, tmp_path):
    images = noise(3, shape, dtype)
    store = written(name, images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        assert digests(opened) == images.digests()
        assert [digest(image) for image in opened.take([2, 0])] == [
            images.digests()[2],
            images.digests()[0],
        ]
        assert opened.table().equals(images.table)


@every_store
def test_images_that_differ_in_shape_and_dtype_come_back_or_are_refused(name, tmp_path):
    images = ArrayImages([noise(1, *kind).pixels(0) for kind in KINDS])
    store = written(name, images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        assert digests(opened) == images.digests()
        assert [digest(image) for image in opened.take([5, 1])] == [
            images.digests()[5],
            images.digests()[1],
        ]


@every_store
@pytest.mark.parametrize("rows", [[0], [20], [3, 17, 5, 0], [4, 4, 20, 4], list(range(16)), []])
def test_rows_come_in_the_order_asked_for_with_duplicates(name, rows, images, tmp_path):
    store = written(name, images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        taken = [digest(image) for image in opened.take(rows)]
    assert taken == [images.digests()[row] for row in rows]


@every_store
@pytest.mark.parametrize("rows", [[21], [-1], [0, 400]])
def test_a_row_that_is_not_there_is_an_index_error(name, rows, images, tmp_path):
    store = written(name, images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened, pytest.raises(IndexError):
        list(opened.take(rows))


@every_store
def test_the_table_comes_back_without_the_pixels(name, images, tmp_path):
    store = written(name, images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        table = opened.table()
    assert table.schema.equals(images.table.schema, check_metadata=True)
    assert table.equals(images.table)


@every_store
def test_one_image_is_enough(name, tmp_path):
    images = noise(1)
    store = written(name, images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        assert digests(opened) == images.digests()


@every_store
def test_a_store_can_be_read_by_two_readers_at_once(name, images, tmp_path):
    store = written(name, images, tmp_path / "store")
    found: list[list[str]] = []

    def read() -> None:
        with store.open(tmp_path / "store") as opened:
            found.append(digests(opened))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert found == [images.digests()] * 2


@every_store
def test_the_name_says_format_layout_and_tuning(name):
    assert find(name).name == name


@versioned
def test_versions_are_kept_listed_restored_and_pruned(name, images, tmp_path):
    path = tmp_path / "store"
    store = written(name, images, path)
    assert isinstance(store, VersionedStore)
    first = store.versions(path)[-1].number
    more = images.select([7, 3], first_row=len(images))

    second = store.append(more, path)
    both = [*images.digests(), *more.digests()]
    assert [version.number for version in store.versions(path)][-2:] == [first, second]
    with store.open(path) as newest, store.open(path, first) as old:
        assert digests(newest) == both
        assert digests(old) == images.digests()
        assert [digest(image) for image in newest.take([21, 0, 22, 21])] == [
            both[21],
            both[0],
            both[22],
            both[21],
        ]
        assert newest.table()["row"].to_pylist() == list(range(23))
        assert newest.table().num_rows == 23
        with pytest.raises(IndexError):
            list(old.take([21]))

    third = store.restore(path, first)
    with store.open(path) as newest, store.open(path, second) as old:
        assert digests(newest) == images.digests()
        assert digests(old) == both
    assert store.versions(path)[-1].number == third

    made = [version.made for version in store.versions(path)]
    assert made == sorted(made)
    store.prune(path, keep=1)
    assert [version.number for version in store.versions(path)] == [third]
    with store.open(path) as newest:
        assert digests(newest) == images.digests()


@versioned
def test_a_version_that_is_not_there_is_a_key_error(name, images, tmp_path):
    store = written(name, images, tmp_path / "store")
    assert isinstance(store, VersionedStore)
    with pytest.raises(KeyError):
        store.open(tmp_path / "store", 99)


@versioned
def test_pruning_gives_the_bytes_back_that_only_old_versions_needed(name, tmp_path):
    path = tmp_path / "store"
    images = noise(4, (200, 300))
    store = written(name, images, path)
    assert isinstance(store, VersionedStore)
    first = store.versions(path)[-1].number
    store.append(images.select([0, 1, 2, 3], first_row=4), path)
    store.restore(path, first)
    before = stored_bytes(path)
    store.prune(path, keep=1)
    assert stored_bytes(path) < before - images.pixel_bytes // 4
    with store.open(path) as newest:
        assert digests(newest) == images.digests()


@versioned
def test_files_are_replaced_never_changed_so_a_hard_linked_copy_is_safe(name, images, tmp_path):
    original, copy = tmp_path / "original", tmp_path / "copy"
    store = written(name, images, original)
    assert isinstance(store, VersionedStore)
    first = store.versions(original)[-1].number
    contents = {file: file.read_bytes() for file in original.rglob("*") if file.is_file()}
    shutil.copytree(original, copy, copy_function=os.link)
    store.append(images.select([0], first_row=len(images)), copy)
    store.restore(copy, first)
    store.prune(copy, keep=1)
    assert {file: file.read_bytes() for file in original.rglob("*") if file.is_file()} == contents


def stored_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def test_an_image_changed_after_it_was_stored_is_noticed(tmp_path):
    """The digests tell one flipped bit, so the tests above can fail."""
    images = noise(2)
    changed = images.pixels(0).copy()
    changed[0, 0] ^= 1
    assert digest(changed) != images.digests()[0]
    assert digest(images.pixels(0).astype(np.int64)) != images.digests()[0]
    assert digest(images.pixels(0).reshape(36, 24)) != images.digests()[0]


@pytest.mark.parametrize("tuning", ["default", "fast"])
def test_every_ch5_file_has_the_group_that_bioformats_asks_for(tmp_path, tuning):
    h5py = pytest.importorskip("h5py")
    written(f"ch5:tensor:{tuning}", noise(3), tmp_path / "store")
    files = list((tmp_path / "store").glob("*.ch5"))
    assert files
    for path in files:
        with h5py.File(path) as file:
            assert isinstance(file["definition/object"], h5py.Group)
