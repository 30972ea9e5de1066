"""Crops, epochs and several readers: intact stores pass, broken ones and dead workers fail."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platebench.errors import Mismatch
from platebench.images.decoded_cache import decode_to_cache
from platebench.images.imageset import ImageSet
from platebench.stores import registry
from platebench.stores.contract import VersionedStore
from platebench.stores.part_list import with_versions
from platebench.timing import loader
from platebench.timing.cell import Cell
from platebench.timing.changes import Mirrored
from platebench.timing.loader import Loader, Slots, shuffled
from platebench.timing.pool import WorkerFailed
from platebench.timing.workspace import Workspace
from tests.conftest import noise
from tests.timing import broken_stores as broken
from tests.timing.broken_stores import BrokenStore, BrokenVersions
from tests.timing.conftest import SET, STORE

DETAILS = {
    "Crop": ("crop", ()),
    "ColdCrop": ("crop", ()),
    "Epoch": ("epoch", ("1 worker",)),
    "ColdEpoch": ("epoch", ("2 workers",)),
    "Readers": ("readers", ("1 process",)),
    "ReadersAndWriter": ("readers", ("2 readers and 1 writer",)),
}

Sample = Callable[..., Any]


@pytest.fixture
def sample(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sample]:
    """Run samples of a benchmark class in this process, as asv does, with crops of 8 x 8."""
    made: list[Any] = []

    def run(
        kind: str,
        *details: str,
        store: str = STORE,
        images: str = SET,
        samples: int = 1,
        before: Callable[[Any, int], None] = lambda cell, number: None,
    ) -> Any:
        module, usual = DETAILS[kind]
        cell_class = getattr(importlib.import_module(f"benchmarks.{module}"), kind)
        monkeypatch.setattr(cell_class, "workspace", workspace)
        monkeypatch.setattr(cell_class, "side", 8, raising=False)
        cell: Cell = cell_class()
        made.append(cell)
        params = (store, images, *(details or usual))
        method = next(getattr(cell, name) for name in dir(cell) if name.startswith("time_"))
        for number in range(samples):
            try:
                cell.setup(*params)
                before(cell, number)
                cell.timer()
                method(*params)
                cell.timer()
            finally:
                cell.teardown(*params)
        return cell

    yield run
    for cell in made:
        for pool in ("pool", "writer"):
            if hasattr(cell, pool):
                getattr(cell, pool).close()


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Have the store return other arrays, in this process and in workers."""
    find = registry.find

    def replace(arrays: Any) -> None:
        monkeypatch.setattr(registry, "find", lambda name: BrokenStore(find(name), arrays=arrays))

    return replace


@pytest.mark.parametrize("kind", DETAILS)
def test_intact_store_passes_and_records_its_figures(kind, sample, on_disk) -> None:
    cell = sample(kind, samples=2)
    assert len(cell.timer.wall_s) == len(cell.timer.cpu_s) == 2
    record = cell.record
    if kind in ("Crop", "ColdCrop"):
        assert (record["images"], record["pixel_bytes"]) == (16, 16 * 8 * 8)
        assert kind == "Crop" or record["fetched_bytes"] >= 16 * 8 * 8
    elif kind in ("Readers", "ReadersAndWriter"):
        readers = 1 if kind == "Readers" else 2
        assert record["images"] == readers * 64
        assert 0 < record["take_p50_s"] <= record["take_p99_s"]
        assert len(cell.takes) == 2 * readers * 64, "takes of set-up are in no figure"
    else:
        assert record["images"] == 21
        assert 0 < record["first_batch_s"] < record["start_s"]
        assert len(cell.first_batches) == 2


def test_floor_and_files_pass_too(sample) -> None:
    for kind in ("Crop", "Epoch"):
        sample(kind, store=str(registry.FLOOR))
    sample("Crop", store="tiff-files:tiff:fast")


BROKEN_CROPS = [
    (broken.two_rows_swapped, r"a crop of image [56] came back with \d+ of 64 values changed"),
    (broken.widened, r"int64"),
    (broken.flattened, r"a crop of 8 x 8 pixels at .* is not inside image \d+ of shape \(864,\)"),
    (broken.lazy, "gave a memoryview, not an array of pixels"),
    (broken.last_image_lost, "20 of the 21 crops asked for came back"),
    (broken.an_image_more, "more than the 21 crops asked for came back"),
    (broken.from_a_reused_buffer, r"a crop of image \d+ came back with"),
]


@pytest.mark.parametrize(("arrays", "message"), BROKEN_CROPS)
def test_wrong_crops_fail(arrays, message, sample, breaks) -> None:
    breaks(arrays)
    with pytest.raises((Mismatch, IndexError), match=message):
        sample("Crop")


BROKEN_BATCHES = [
    (broken.one_flipped_byte, "image 5 came back with 1 of 864 values changed"),
    (broken.two_rows_swapped, "image [56] came back in place of image [56]"),
    (broken.last_image_lost, "20 images came back for the 21 of a batch"),
]


@pytest.mark.parametrize(("arrays", "message"), BROKEN_BATCHES)
def test_wrong_batches_fail(arrays, message, sample, breaks) -> None:
    breaks(arrays)
    with pytest.raises(Mismatch, match=message):
        sample("Epoch")


BROKEN_ROWS = [
    (broken.one_flipped_byte, "image 5 came back changed"),
    (broken.an_image_more, r"\d+ of \d+ bytes were copied out"),
]


@pytest.mark.parametrize(("arrays", "message"), BROKEN_ROWS)
def test_wrong_rows_of_a_reader_fail(arrays, message, sample, breaks) -> None:
    breaks(arrays)
    with pytest.raises(Mismatch, match=message):
        sample("Readers")


def loses_the_image(store: VersionedStore, images: ImageSet, path: Path) -> int:
    return store.versions(path)[-1].number


def appends_another_image(store: VersionedStore, images: ImageSet, path: Path) -> int:
    return store.append(Mirrored(images, [0]), path)


def changes_an_image_that_was_there(store: VersionedStore, images: ImageSet, path: Path) -> int:
    pixels = images.pixels(0).tobytes()  # an image that the store has already
    for file in path.rglob("*"):
        if file.is_file() and (place := file.read_bytes().find(pixels)) >= 0:
            with file.open("r+b") as opened:
                opened.seek(place)
                opened.write(bytes([pixels[0] ^ 1]))
    return store.append(images, path)


BROKEN_APPENDS = [
    (loses_the_image, r"21 of the \d+ images asked for came back"),
    (appends_another_image, "image 21 came back with"),
    (changes_an_image_that_was_there, r"image \d+ came back"),
]


class BrokenAppend(BrokenVersions):
    """Appends in another way."""

    way: Any

    def append(self, images: ImageSet, path: Path) -> int:
        return self.way(self.whole, images, path)


@pytest.mark.parametrize(("way", "message"), BROKEN_APPENDS)
def test_wrong_appends_beside_readers_fail(way, message, sample, monkeypatch) -> None:
    find = registry.find
    broken_store = lambda name: BrokenAppend(with_versions(find(name)), way=way)  # noqa: E731
    monkeypatch.setattr(registry, "find", broken_store)
    with pytest.raises(Mismatch, match=message):
        sample("ReadersAndWriter")


def test_writer_that_is_killed_fails_the_cell_with_its_reason(sample) -> None:
    def kill(cell: Any, number: int) -> None:
        os.kill(cell.writer.pids()[0], signal.SIGKILL)

    with pytest.raises(WorkerFailed, match=r"^worker 0: the process ended by SIGKILL without a me"):
        sample("ReadersAndWriter", before=kill)


class WrongLater:
    """Images are right until they were asked for so often; then one of them is another row's."""

    def __init__(self, calls: int) -> None:
        self._left = calls

    def __call__(self, rows: Sequence[int], given: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        self._left -= 1
        for array in given:
            yield array if self._left else array ^ 1


@pytest.mark.parametrize(("kind", "calls"), [("Crop", 6), ("Epoch", 4), ("Readers", 160)])
def test_store_that_breaks_after_verification_fails(kind, calls, sample, breaks) -> None:
    breaks(WrongLater(calls))
    with pytest.raises(Mismatch, match="came back"):
        sample(kind, samples=4)


def test_batches_that_do_not_reach_the_memory_fail(sample, monkeypatch) -> None:
    def not_written(cell: Any, number: int) -> None:
        monkeypatch.setattr(cell.loader, "_pool", _Idle(cell.loader, cell.expected_bytes))

    with pytest.raises(Mismatch, match=r"image \d+ came back with \d+ of 864 values changed"):
        sample("Epoch", before=not_written)


class _Idle:
    """Workers that say that they have read all bytes, and have not."""

    def __init__(self, loader: Loader, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return 1

    def send(self, *request: Any) -> None:
        pass

    def receive(self) -> tuple[int, int]:
        return 0, self._size


@pytest.mark.parametrize(("kind", "samples"), [("Epoch", 2), ("Readers", 1)])
def test_killed_worker_fails_the_cell_with_its_reason(kind, samples, sample) -> None:
    def kill(cell: Any, number: int) -> None:
        if number == samples - 1:
            os.kill(cell.pool.pids()[0], signal.SIGKILL)

    with pytest.raises(WorkerFailed, match=r"^worker 0: the process ended by SIGKILL without a me"):
        sample(kind, samples=samples, before=kill)


def test_crops_larger_than_an_image_are_skipped_with_the_reason(sample, monkeypatch) -> None:
    module = importlib.import_module("benchmarks.crop")
    assert module.Crop.side == 224
    reason = r"reads crops of 25 x 25 pixels, and .*00\.tif has the shape \(24, 36\)"

    def larger(cell: Any, images: Any) -> None:
        module.check_room(cell.images, 25)

    monkeypatch.setattr(module.Crop, "prepare_cell", lambda cell: larger(cell, None))
    with pytest.raises(NotImplementedError, match=reason):
        sample("Crop")


def test_set_too_small_for_crops_is_skipped_with_the_reason(workspace, sample) -> None:
    decode_to_cache(noise(4), workspace.root / "images" / "noise-4")
    with pytest.raises(NotImplementedError, match="reads 16 images, and the image set has 4"):
        sample("Crop", images="noise-4")


def test_batches_that_need_too_much_memory_are_skipped_with_the_reason(sample, monkeypatch) -> None:
    monkeypatch.setattr(loader, "MOST_BYTES", 1000)
    with pytest.raises(
        NotImplementedError, match=r"^2 batches of 32 images take 0\.0 GB of memory"
    ):
        sample("Epoch")


class _Scripted:
    """Two workers, of which the second answers first."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Any, int]] = []

    def __len__(self) -> int:
        return 2

    def send(self, worker: int, method: str, rows: Any, slot: int) -> None:
        self.asked.append((worker, rows, slot))

    def receive(self) -> tuple[int, Any]:
        worker = max(worker for worker, _, _ in self.asked)
        place = next(n for n, (asked, _, _) in enumerate(self.asked) if asked == worker)
        return worker, self.asked.pop(place)


def test_batches_arrive_in_order_each_in_a_slot_of_its_worker() -> None:
    batches = [[number] for number in range(7)]
    found = list(Loader(_Scripted()).epoch(batches))  # type: ignore[arg-type]
    assert [batch.number for batch in found] == list(range(7))
    for batch in found:
        worker, rows, slot = batch.returned
        assert rows == batches[batch.number]
        assert worker == batch.number % 2 == slot % 2
        assert slot == batch.slot == batch.number % 4


def test_epoch_has_every_image_once_and_another_order_each_time() -> None:
    first, again, second = shuffled(70, 1), shuffled(70, 1), shuffled(70, 2)
    assert first == again != second
    assert [len(batch) for batch in first] == [32, 32, 6]
    assert sorted(row for batch in first for row in batch) == list(range(70))


def test_spoiled_slots_are_not_taken_for_read(held) -> None:
    slots = Slots(held, 1)
    before = slots.memory.array[::4096].copy()
    slots.spoil()
    assert (slots.memory.array[::4096] != before).all()
