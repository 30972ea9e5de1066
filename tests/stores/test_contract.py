"""The contract suite: every registered store, and two made-up ones, keep the contract."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet, digest
from platebench.stores import registry
from platebench.stores.contract import (
    PAGE,
    OpenByRow,
    OpenInBlocks,
    OpenStore,
    Store,
    VersionedStore,
)
from platebench.stores.crops import Crop
from platebench.stores.name import StoreName
from platebench.stores.part_list import with_versions
from platebench.timing.copying import copy_by_links
from platebench.timing.drain import Drain
from platebench.timing.page_cache import files_of, stored_size
from platebench.timing.pool import SharedMemory
from tests.conftest import ArrayImages, noise
from tests.stores.one_file import OneFile

ONE_FILE = "one-file:pixels:fast"
"""A made-up store with versions in one file, which no registered format has."""

SLOW = ("delta", "duckdb", "icechunk", "lance")
"""Formats of which `make test` tests one store, and `make test-nightly` the others."""

SLOWEST = ("iceberg",)
"""Formats whose one store is for `make test-long`: a commit of Iceberg takes 0.1 s."""


def stores(names: list[StoreName]) -> list[object]:
    """Return the names of stores as parameters, with the marks of those that take long."""
    quick = {
        next((name for name in each.stores if name.tuning == "fast"), each.stores[0])
        for each in registry.FORMATS
    }

    def marks(name: StoreName) -> list[pytest.MarkDecorator]:
        if name.format in (*SLOW, *SLOWEST) and name not in quick:
            return [pytest.mark.nightly]
        return [pytest.mark.long] if name.format in SLOWEST else []

    return [pytest.param(str(name), marks=marks(name)) for name in names]


every_store = pytest.mark.parametrize("name", [*stores(registry.names()), ONE_FILE])
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
    """Return a store, or skip the test without its library."""
    if name == ONE_FILE:
        return OneFile("pixels", "fast")
    try:
        return registry.find(StoreName.parse(name))
    except Unsupported as reason:
        pytest.skip(str(reason))


def written(name: str, images: ImageSet, path: Path) -> Store:
    """Write `images`, or skip the test if the format refuses them with a reason."""
    return _write(find(name), images, path)


def first_version(name: str, images: ImageSet, path: Path) -> VersionedStore:
    """Write `images` as the first of several versions; skip the test as `written` does."""
    store = with_versions(find(name))
    _write(store, images, path)
    return store


def _write(store: Store, images: ImageSet, path: Path) -> Store:
    try:
        store.write(images, path)
    except Unsupported as reason:
        assert not path.exists(), "a refused write must leave nothing"
        pytest.skip(str(reason))
    return store


def digests(store: OpenStore) -> list[str]:
    return [digest(image) for image in store.scan()]


@every_store
def test_scan_returns_all_images_in_row_order(name, images, tmp_path):
    store = written(name, images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        assert len(opened) == len(images)
        assert digests(opened) == images.digests()
        assert digests(opened) == images.digests(), "a second scan must start at row 0"


def reads_otherwise_into_memory(kind: type[OpenStore], method: str) -> bool:
    """Return True if a class reads in its own way, and into memory in that of a base class.

    Benchmarks read into memory. So the way that a format's author chose would never be timed.
    """
    order = kind.__mro__
    own = next(each for each in order if method in vars(each))
    into = next(each for each in order if f"{method}_into" in vars(each))
    return order.index(own) < order.index(into) and into not in (OpenStore, OpenInBlocks)


@every_store
def test_images_are_read_into_memory_as_they_are_read_without(name, images, tmp_path):
    store = written(name, images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        for method in ("scan", "take"):
            assert not reads_otherwise_into_memory(type(opened), method)


def test_a_scan_of_blocks_that_no_benchmark_would_time_is_noticed():
    class Overlooked(OpenByRow):
        def scan(self):
            yield from ()

    class Timed(OpenInBlocks):
        def scan(self):
            yield from ()

    assert reads_otherwise_into_memory(Overlooked, "scan")
    assert not reads_otherwise_into_memory(Overlooked, "take")
    assert not reads_otherwise_into_memory(Timed, "scan")


@every_store
@pytest.mark.parametrize(("shape", "dtype"), KINDS)
def test_dtype_and_shape_are_kept(name, shape, dtype, tmp_path):
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
def test_mixed_shapes_and_dtypes_are_kept_or_refused(name, tmp_path):
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
def test_take_returns_rows_in_requested_order_with_duplicates(name, rows, images, tmp_path):
    store = written(name, images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        taken = [digest(image) for image in opened.take(rows)]
    assert taken == [images.digests()[row] for row in rows]


@every_store
@pytest.mark.parametrize("rows", [[21], [-1], [0, 400]])
def test_take_raises_index_error_before_the_first_image(name, rows, images, tmp_path):
    store = written(name, images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened, pytest.raises(IndexError):
        next(iter(opened.take(rows)))


@every_store
def test_table_is_kept(name, images, tmp_path):
    store = written(name, images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        table = opened.table()
    assert table.schema.equals(images.table.schema, check_metadata=True)
    assert table.equals(images.table)


@every_store
def test_set_of_one_image(name, tmp_path):
    images = noise(1)
    store = written(name, images, tmp_path / "store")
    with store.open(tmp_path / "store") as opened:
        assert digests(opened) == images.digests()


@every_store
def test_two_concurrent_readers(name, images, tmp_path):
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
def test_name_is_that_of_the_registry(name):
    assert find(name).name == StoreName.parse(name)


# Paths


def entries_below(folder: Path) -> set[str]:
    """Return the first level of what is in a folder."""
    return {path.name for path in folder.iterdir()}


@every_store
def test_write_creates_missing_parents_and_leaves_only_its_path(name, images, tmp_path):
    path = tmp_path / "missing" / "also missing" / "store"
    store = written(name, images, path)
    assert entries_below(tmp_path) == {"missing"}
    assert entries_below(path.parent) == {"store"}
    with store.open(path) as opened:
        assert digests(opened) == images.digests()


@every_store
def test_reading_leaves_the_files_as_they_are(name, images, tmp_path):
    path = tmp_path / "parent" / "store"
    store = written(name, images, path)
    before = contents(path)
    with store.open(path) as opened:
        assert len(list(opened.scan())) == len(list(opened.take(range(21)))) == 21
        assert opened.table().num_rows == 21
    assert contents(path) == before
    assert entries_below(path.parent) == {"store"}


@every_store
def test_path_with_spaces_and_special_characters(name, images, tmp_path):
    path = tmp_path / "50% of #1, raw?" / "data"
    store = written(name, images, path)
    with store.open(path) as opened:
        assert digests(opened) == images.digests()


def test_suite_has_one_file_stores_and_folder_stores(images, tmp_path):
    made = {}
    for name in ("floor:pixels:fast", "tiff-files:tiff:default", ONE_FILE):
        written(name, images, tmp_path / name)
        made[name] = (tmp_path / name).is_dir()
    assert list(made.values()) == [False, True, False]


def contents(path: Path) -> dict[Path, bytes]:
    """Return the bytes of every file of a store, which is a file or a folder."""
    return {file: file.read_bytes() for file in files_of(path)}


# Reading into memory


def digests_in(memory: np.ndarray, images: Iterator[np.ndarray]) -> list[str]:
    """Return the digests of images, each of which must be a view of `memory`."""
    found = []
    for image in images:
        assert image.size == 0 or np.shares_memory(image, memory)
        found.append(digest(image))
    return found


def check_parts(opened: OpenStore, images: ImageSet, rows: list[int]) -> None:
    """Check crops, and batches: one test for all reads, since writing a store takes the longest."""
    memory = Drain(images).memory
    lines, columns = images.shapes[0][-2:]
    crops = [
        Crop(row, lines // 3, columns // 4, lines // 2 or 1, columns // 2 or 1) for row in rows
    ]
    expected = [digest(crop.of(images.pixels(crop.row))) for crop in crops]
    assert digests_in(memory, opened.crops_into(crops, memory)) == expected
    for beyond in (Crop(rows[0], 1, 0, lines, columns), Crop(len(images), 0, 0, 1, 1)):
        with pytest.raises(IndexError):
            list(opened.crops_into([beyond], memory))
    room = SharedMemory(sum(-(-images.image_bytes(row) // PAGE) * PAGE for row in rows)).array
    batch = opened.batch_into(rows, room)
    assert digests_in(room, iter(batch)) == [images.digests()[row] for row in rows]
    assert all((image.ctypes.data - room.ctypes.data) % PAGE == 0 for image in batch)


@every_store
@pytest.mark.parametrize(("shape", "dtype"), KINDS)
def test_reads_into_memory_equal_other_reads(name, shape, dtype, tmp_path):
    images = noise(19, shape, dtype)
    store = written(name, images, tmp_path / "store")
    memory = Drain(images).memory
    rows = [18, 3, 3, 0, 17]
    with store.open(tmp_path / "store") as opened:
        assert digests_in(memory, opened.scan_into(memory)) == images.digests()
        taken = digests_in(memory, opened.take_into(rows, memory))
        assert taken == [images.digests()[row] for row in rows]
        assert digests_in(memory, opened.take_into([], memory)) == []
        check_parts(opened, images, rows)


@every_store
def test_mixed_images_are_read_into_memory_for_the_largest_alone(name, tmp_path):
    images = ArrayImages([noise(1, *kind).pixels(0) for kind in KINDS])
    store = written(name, images, tmp_path / "store")
    memory = Drain(images).memory[: max(map(images.image_bytes, range(len(images))))]
    with store.open(tmp_path / "store") as opened:
        assert digests_in(memory, opened.scan_into(memory)) == images.digests()
        taken = digests_in(memory, opened.take_into([9, 0, 5], memory))
        assert taken == [images.digests()[row] for row in (9, 0, 5)]


@every_store
@pytest.mark.parametrize("rows", [[21], [-1], [0, 400]])
def test_take_into_raises_index_error_before_the_first_image(name, rows, images, tmp_path):
    store = written(name, images, tmp_path / "store")
    memory = Drain(images).memory
    with store.open(tmp_path / "store") as opened, pytest.raises(IndexError):
        next(iter(opened.take_into(rows, memory)))


# Versions


@every_store
def test_append_list_restore_prune(name, images, tmp_path):
    path = tmp_path / "store"
    store = first_version(name, images, path)
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
        memory = Drain(images).memory
        assert [digest(image) for image in newest.take_into([21, 0, 22], memory)] == [
            both[21],
            both[0],
            both[22],
        ]
        assert [digest(image) for image in newest.scan_into(memory)] == both
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


@every_store
def test_unknown_version_raises_key_error(name, images, tmp_path):
    store = first_version(name, images, tmp_path / "store")
    with pytest.raises(KeyError):
        store.open(tmp_path / "store", 99)


@every_store
def test_prune_frees_the_bytes_of_old_versions(name, tmp_path):
    path = tmp_path / "store"
    images = noise(4, (200, 300))
    store = first_version(name, images, path)
    first = store.versions(path)[-1].number
    store.append(images.select([0, 1, 2, 3], first_row=4), path)
    store.restore(path, first)
    before, _ = stored_size(path)
    store.prune(path, keep=1)
    assert stored_size(path)[0] < before - images.pixel_bytes // 4
    with store.open(path) as newest:
        assert digests(newest) == images.digests()


@every_store
def test_versions_of_a_hard_linked_copy_leave_the_original_unchanged(name, images, tmp_path):
    original, copy = tmp_path / "original", tmp_path / "copy"
    store = first_version(name, images, original)
    first = store.versions(original)[-1].number
    before = contents(original)
    copy_by_links(original, copy)
    store.append(images.select([0], first_row=len(images)), copy)
    store.restore(copy, first)
    store.prune(copy, keep=1)
    assert contents(original) == before


# The suite itself, and one format


def test_digest_detects_a_flipped_bit_another_dtype_and_another_shape():
    """The tests above compare digests, so they can fail."""
    images = noise(2)
    changed = images.pixels(0).copy()
    changed[0, 0] ^= 1
    assert digest(changed) != images.digests()[0]
    assert digest(images.pixels(0).astype(np.int64)) != images.digests()[0]
    assert digest(images.pixels(0).reshape(36, 24)) != images.digests()[0]


@pytest.mark.parametrize("tuning", ["default", "fast"])
def test_ch5_files_have_the_object_group_that_bioformats_requires(tmp_path, tuning):
    h5py = pytest.importorskip("h5py")
    written(f"ch5:tensor:{tuning}", noise(3), tmp_path / "store")
    files = list((tmp_path / "store").glob("*.ch5"))
    assert files
    for path in files:
        with h5py.File(path) as file:
            assert isinstance(file["definition/object"], h5py.Group)
