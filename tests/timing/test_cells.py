"""A cell fails if its store is broken in any one way, and names the wrong image."""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest

from platebench.errors import Mismatch, Unsupported
from platebench.images.decoded_cache import DecodedImages, decode_to_cache
from platebench.images.imageset import ImageSet
from platebench.stores import registry
from platebench.stores.contract import Store
from platebench.stores.part_list import with_versions
from platebench.timing import cell as cell_module
from platebench.timing import page_cache
from platebench.timing.cell import Cell
from platebench.timing.copying import copy_by_links
from platebench.timing.protocol import RECORD, SLOWER
from platebench.timing.workspace import PixelKind, Workspace, tenth
from tests.conftest import ArrayImages, noise
from tests.stores.one_file import OneFile
from tests.timing import broken_stores as broken
from tests.timing.broken_stores import BrokenStore, BrokenVersions
from tests.timing.conftest import SET, STORE

VERSIONED = ["Append", "Grow", "ListVersions", "OpenVersion", "Restore", "Prune"]
CLASSES = {
    name: f"benchmarks.{module}"
    for module, names in {
        "full_scan": ["FullScan", "ColdFullScan"],
        "random_rows": ["RandomRows", "ColdRandomRows"],
        "opening": ["Open", "ColdOpen"],
        "plate": ["OpenPlate", "ColdOpenPlate"],
        "read_table": ["ReadTable", "ColdReadTable"],
        "write": ["Write"],
        "update": ["Update"],
        "convert": ["Convert"],
        "versions": VERSIONED,
    }.items()
    for name in names
}
DETAILS = {
    "RandomRows": ("16 scattered", "kept"),
    "ColdRandomRows": ("16 scattered",),
    "Update": ("replace 1%",),
}

WITHOUT_WHOLE = {"arrays", "table", "length"}
OF_VERSIONS = {"append", "versions", "restore", "prune"}

Sample = Callable[..., Cell]


def _class(kind: str) -> type[Cell]:
    found: type[Cell] = getattr(importlib.import_module(CLASSES[kind]), kind)
    return found


@pytest.fixture
def sample(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """Run samples of a benchmark class in this process, as asv does."""

    def run(kind: str, *details: str, store: str = STORE, samples: int = 1) -> Cell:
        cell_class = _class(kind)
        monkeypatch.setattr(cell_class, "workspace", workspace)
        cell = cell_class()
        params = (store, SET, *(details or DETAILS.get(kind, ())))
        method = next(getattr(cell, name) for name in dir(cell) if name.startswith("time_"))
        for _ in range(samples):
            try:
                cell.setup(*params)
                cell.timer()
                method(*params)
                cell.timer()
            finally:
                cell.teardown(*params)
        return cell

    return run


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the intact store by one that is broken in the given ways."""
    find = registry.find

    def replace(**replaced: Any) -> None:
        def bound(whole: Store, keys: set[str]) -> dict[str, Any]:
            return {
                key: value if key in WITHOUT_WHOLE else value(whole)
                for key, value in replaced.items()
                if key in keys
            }

        def find_broken(name: str) -> BrokenStore:
            whole = find(name)
            mine = {*WITHOUT_WHOLE, "write", "replace", "delete", "open_files"}
            return BrokenStore(whole, **bound(whole, mine))

        def broken_versions(store: Store) -> BrokenVersions:
            whole = with_versions(store)
            return BrokenVersions(whole, **bound(whole, OF_VERSIONS))

        monkeypatch.setattr(registry, "find", find_broken)
        monkeypatch.setattr(cell_module, "with_versions", broken_versions)

    return replace


@pytest.fixture
def one_file(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a versioned store of one file in the place of a registered one and return its name."""
    store = type("MadeUp", (OneFile,), {"format": "arrow-ipc"})("pixels", "small")
    for kind in get_args(PixelKind):
        assert workspace.stored(store, workspace.images(SET), kind).is_file()
    monkeypatch.setattr(registry, "find", lambda name: store)
    return str(store.name)


def nothing_in_scratch(workspace: Workspace) -> bool:
    return not any((workspace.root / "scratch").glob("*"))


@pytest.mark.parametrize("kind", CLASSES)
def test_intact_store_passes_every_cell(kind, sample, workspace, on_disk) -> None:
    cell = sample(kind, samples=3)
    assert len(cell.timer.wall_s) == len(cell.timer.cpu_s) == 3
    assert nothing_in_scratch(workspace)


# Convert reads a TIFF folder, which that store would take the place of.
@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind != "Convert"])
def test_store_of_one_file_passes_every_cell(kind, sample, one_file, workspace, on_disk) -> None:
    cell = sample(kind, store=one_file, samples=2)
    assert len(cell.timer.wall_s) == 2
    assert cell.record["stored_files"] == 1
    assert nothing_in_scratch(workspace)


@pytest.mark.parametrize(
    "kind", ["FullScan", "ColdFullScan", "ColdRandomRows", "ReadTable", "Write"]
)
@pytest.mark.parametrize("tuning", ["default", "fast"])
def test_sqlite_passes_every_cell(kind, tuning, sample, workspace, on_disk) -> None:
    cell = sample(kind, store=f"sqlite:pixels:{tuning}", samples=2)
    assert cell.record["stored_files"] == 1
    assert nothing_in_scratch(workspace)


def test_unmodified_wrapper_passes(sample, breaks) -> None:
    breaks()
    for kind in ("FullScan", "RandomRows", "Write", "Append", "Restore", "Prune"):
        sample(kind)


READS = ("FullScan", "ColdFullScan", "RandomRows", "ColdRandomRows", "OpenVersion", "Write")
WRITTEN = ("Append", "Restore", "Prune")


@pytest.mark.parametrize("kind", [*READS, *WRITTEN])
@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (broken.one_flipped_byte, "image 5 came back with 1 of 864 values changed"),
        (broken.two_rows_swapped, "image [56] came back in place of image [56]"),
        (broken.widened, r"(image|read) \d+ (came back as|gave) int64"),
        (broken.widened_one_by_one, r"(image 5 came back as|read \d+ gave) int64"),
        (broken.flattened, r"image \d+ came back with shape \(864,\), not \(24, 36\)"),
        (broken.lazy, r"(image|read) \d+ (came back as|gave) a memoryview, not an array of pixels"),
        (
            broken.never_decoded,
            r"(image|read) \d+ (came back as|gave) a function, not an array of pixels",
        ),
        (broken.last_image_lost, r"image \d+ did not|image 0 came back in place of image 20"),
        (broken.an_image_more, r"more than the \d+ images|image 20 came back in place of image 21"),
        (broken.from_a_reused_buffer, r"image \d+ came back in place of image \d+"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_wrong_images_fail(kind, arrays, message, sample, breaks, on_disk) -> None:
    breaks(arrays=arrays)
    with pytest.raises(Mismatch, match=message):
        sample(kind)


def test_set_too_small_for_an_operation_is_skipped_with_the_reason(
    workspace, sample, monkeypatch
) -> None:
    decode_to_cache(noise(4), workspace.root / "images" / "noise-4")
    monkeypatch.setattr("tests.timing.test_cells.SET", "noise-4")
    with pytest.raises(NotImplementedError, match="reads 16 scattered, and the image set has 4"):
        sample("RandomRows")
    assert sample("RandomRows", "1", "kept").timer.wall_s


@pytest.mark.parametrize("kind", ["ReadTable", "ColdReadTable", "Write", *WRITTEN])
def test_changed_table_fails(kind, sample, breaks, on_disk) -> None:
    breaks(table=broken.well_changed)
    with pytest.raises(Mismatch, match=r"the table row of image \d+ differs"):
        sample(kind)


@pytest.mark.parametrize("kind", ["OpenPlate", "ColdOpenPlate"])
def test_other_well_in_the_table_fails(kind, sample, breaks, on_disk) -> None:
    breaks(table=broken.wells_swapped)
    with pytest.raises(Mismatch, match=r"image \d+ came back in place of image \d+"):
        sample(kind)


@pytest.mark.parametrize("kind", ["OpenPlate", "ColdOpenPlate"])
def test_row_too_many_of_a_site_fails_in_the_sample_too(
    kind, sample, breaks, monkeypatch, on_disk
) -> None:
    monkeypatch.setattr(_class(kind), "verify", lambda self: None)
    breaks(table=broken.without_frames)
    with pytest.raises(
        Mismatch, match=r"^well 0000\d of .* has rows \[\d+\], and \[.*\] were found"
    ):
        sample(kind)


def test_set_without_wells_opens_no_plate(workspace, sample, monkeypatch) -> None:
    images = noise(3)
    place = images.table.schema.get_field_index("well")
    nothing = pa.nulls(3, pa.string())
    images.table = images.table.set_column(place, images.table.schema.field(place), nothing)
    images.name = "no-wells"
    decode_to_cache(images, workspace.root / "images" / "no-wells")
    monkeypatch.setattr("tests.timing.test_cells.SET", "no-wells")
    with pytest.raises(NotImplementedError, match="no image of the set has one"):
        sample("OpenPlate")


@pytest.mark.parametrize("kind", ["Open", "ColdOpen"])
def test_wrong_number_of_images_fails(kind, sample, breaks, on_disk) -> None:
    breaks(length=lambda given: given - 1)
    with pytest.raises(Mismatch, match="20 images were counted, not 21"):
        sample(kind)


def test_number_of_images_that_are_not_there_fails(sample, breaks) -> None:
    breaks(arrays=lambda rows, given: iter(()) if 20 in rows else given)
    with pytest.raises(Mismatch, match="image 20 did not"):
        sample("Open")


def test_write_that_drops_an_image_fails(sample, breaks, workspace) -> None:
    def write(whole):
        return lambda images, path: whole.write(images.select(range(min(20, len(images)))), path)

    breaks(write=write)
    with pytest.raises(Mismatch, match="20 of the 21 images asked for came back, image 20 did"):
        sample("Write")
    assert nothing_in_scratch(workspace)


def test_append_that_overwrites_fails(sample, breaks) -> None:
    def append(whole):
        def overwrite(images: ImageSet, path: Path) -> int:
            number = whole.append(images, path)
            first = whole.versions(path)[0].number
            return whole.restore(path, first) or number

        return overwrite

    breaks(append=append)
    with pytest.raises(Mismatch, match="21 of the 23 images asked for came back, image 21 did not"):
        sample("Append")


def test_append_that_changes_the_older_version_fails(sample, breaks) -> None:
    def append(whole):
        def twice(images: ImageSet, path: Path) -> int:
            whole.append(images.select([0], first_row=21), path)
            return whole.append(images.select([len(images) - 1], first_row=22), path)

        return twice

    breaks(append=append)
    with pytest.raises(Mismatch, match="more than the 21 images asked for came back"):
        sample("Append")


def test_restore_that_does_nothing_fails(sample, breaks) -> None:
    breaks(restore=lambda whole: lambda path, version: version)
    with pytest.raises(Mismatch, match="more than the 21 images asked for came back"):
        sample("Restore")


def test_prune_that_keeps_another_version_fails(sample, breaks) -> None:
    def prune(whole):
        def keep_other(path: Path, keep: int) -> None:
            whole.restore(path, whole.versions(path)[1].number)
            whole.prune(path, keep)

        return keep_other

    breaks(prune=prune)
    with pytest.raises(Mismatch, match="more than the 21 images asked for came back"):
        sample("Prune")


def test_prune_that_keeps_everything_fails(sample, breaks) -> None:
    breaks(prune=lambda whole: lambda path, keep: None)
    with pytest.raises(Mismatch, match=r"versions \[1, 2, 3\] are left, not one"):
        sample("Prune")


def test_list_without_the_first_version_fails(sample, breaks) -> None:
    breaks(versions=lambda whole: lambda path: whole.versions(path)[1:])
    with pytest.raises(Mismatch, match=r"versions \[2\] do not show 1 as an old one"):
        sample("ListVersions")


def _replaced_at_another_row(whole):
    return lambda path, rows, images: whole.replace(path, [row + 1 for row in rows], images)


def _replaced_in_disorder(whole):
    def replace(path, rows, images):
        whole.replace(path, rows, images)
        whole.replace(path, [0], images.select([0]))

    return replace


def test_lance_that_moves_another_image_fails(sample, breaks) -> None:
    breaks(replace=_replaced_in_disorder)
    with pytest.raises(Mismatch, match=r"are not those of before with \[10\] at the end"):
        sample("Update", store="lance:pixels:fast")


def _replaced_and_neighbour_changed(whole):
    def replace(path, rows, images):
        whole.replace(path, rows, images)
        whole.replace(path, [rows[0] - 1], images)

    return replace


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        (lambda whole: lambda path, rows, images: None, "864 of 864|8.. of 864 values changed"),
        (_replaced_at_another_row, "image 10 came back with"),
        (_replaced_and_neighbour_changed, "image 10 came back in place of image 9"),
    ],
    ids=["nothing replaced", "another row replaced", "one more replaced"],
)
def test_replace_that_does_anything_else_fails(replace, message, sample, breaks) -> None:
    breaks(replace=replace)
    with pytest.raises(Mismatch, match=message):
        sample("Update")


@pytest.mark.parametrize(
    ("delete", "message"),
    [
        (lambda whole: lambda path, rows: None, "image 10 came back|more than the 20 images"),
        (lambda whole: lambda path, rows: whole.delete(path, [0]), "came back"),
        (lambda whole: lambda path, rows: whole.delete(path, [*rows, 20]), "image 19 did not"),
    ],
    ids=["nothing deleted", "another deleted", "one more deleted"],
)
def test_delete_that_does_anything_else_fails(delete, message, sample, breaks) -> None:
    breaks(delete=delete)
    with pytest.raises(Mismatch, match=message):
        sample("Update", "delete 1%")


@pytest.mark.parametrize("change", ["replace 1%", "delete 1%"])
@pytest.mark.parametrize("store", ["floor:pixels:fast", "lance:pixels:fast"])
def test_update_passes_in_place_and_where_replaced_images_come_last(store, change, sample) -> None:
    record = sample("Update", change, store=store).record
    assert record["images"] == 1
    assert record["bytes_after"] > 0
    assert record["bytes_before"] > 0


def test_image_that_is_its_own_mirror_image_cannot_be_replaced_unseen(
    workspace, sample, monkeypatch
) -> None:
    flat = ArrayImages([np.full((4, 4), row, np.uint8) for row in range(3)], "flat-3")
    decode_to_cache(flat, workspace.root / "images" / "flat-3")
    monkeypatch.setattr("tests.timing.test_cells.SET", "flat-3")
    with pytest.raises(NotImplementedError, match="is its own mirror image"):
        sample("Update")


def test_converted_files_are_those_of_the_folder_byte_for_byte(sample, breaks) -> None:
    assert sample("Convert", store="tiff-files:tiff:default").record["converted_bytes"]

    class Changed:
        def __init__(self, opened):
            self._opened = opened

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self._opened.close()

        def scan(self):
            for row, file in enumerate(self._opened.scan()):
                yield file if row != 3 else np.append(file, np.uint8(0))

        def take(self, rows):
            return self._opened.take(rows)

    breaks(open_files=lambda whole: lambda path: Changed(whole.open_files(path)))
    with pytest.raises(Mismatch, match="the TIFF file of image 3 differs from the one in the"):
        sample("Convert", store="parquet:tiff:fast")


def test_store_that_breaks_after_verification_fails(sample, breaks) -> None:
    calls = 0

    def later_wrong(rows, given):
        nonlocal calls
        calls += 1
        for array in given:
            yield array if calls < 4 else array ^ 1

    breaks(arrays=later_wrong)
    with pytest.raises(Mismatch, match="image 20 came back with 864 of 864 values changed"):
        sample("FullScan", samples=4)


@pytest.mark.parametrize("kind", VERSIONED)
@pytest.mark.parametrize("store", ["lancedb:pixels:fast", "tiff-files:tiff:default"])
def test_versions_are_native_or_of_the_part_list(store, kind, sample) -> None:
    assert sample(kind, store=store).timer.wall_s


def test_prune_that_frees_nothing_fails(sample, breaks) -> None:
    def keep_bytes(whole):
        def prune(path: Path, keep: int) -> None:
            kept = {file: file.read_bytes() for file in (path / "parts").iterdir()}
            whole.prune(path, keep)
            for file, content in kept.items():
                file.write_bytes(content)
            (path / "padding").write_bytes(bytes(10_000))

        return prune

    breaks(prune=keep_bytes)
    with pytest.raises(Mismatch, match=r"^no bytes were freed$"):
        sample("Prune")


def test_prune_records_the_bytes_that_it_freed(sample, workspace) -> None:
    freed = sample("Prune").record["freed_bytes"]
    added = tenth(workspace.images(SET)).pixel_bytes
    assert added <= freed < added + 20_000


def test_images_that_a_format_cannot_hold_skip_the_cell(sample, breaks) -> None:
    def write(whole):
        def refuse(images: ImageSet, path: Path) -> None:
            raise Unsupported("16 bits are too many")

        return refuse

    breaks(write=write)
    with pytest.raises(NotImplementedError, match=r"^16 bits are too many$"):
        sample("Write")


def test_cold_cell_is_skipped_if_files_stay_in_the_page_cache(sample, monkeypatch) -> None:
    monkeypatch.setattr(page_cache, "resident_bytes", lambda file: 4096)
    with pytest.raises(NotImplementedError, match="bytes of data stay in the page cache"):
        sample("ColdFullScan")


def late_import(function):
    """Return the function; its first call allocates 80 MB that stay."""
    imported = []

    def importing(*arguments, **named):
        if not imported:
            imported.append(np.ones(80_000_000, np.uint8))
        return function(*arguments, **named)

    return importing


@pytest.mark.parametrize("kind", ["Write", "Append", "Restore", "Prune", "FullScan", "ReadTable"])
def test_peak_memory_excludes_late_imports(kind, sample, breaks) -> None:
    names = ("write", "append", "restore", "prune")
    breaks(
        arrays=late_import(lambda rows, given: given),
        table=late_import(lambda given: given),
        **{name: lambda whole, name=name: late_import(getattr(whole, name)) for name in names},
    )
    peak = sample(kind).record["peak_bytes"]
    assert peak is None or peak < 40_000_000


def test_cell_writes_its_record(sample, tmp_path, monkeypatch, held: DecodedImages) -> None:
    monkeypatch.setitem(os.environ, RECORD, str(tmp_path / "record.json"))
    sample("FullScan", samples=2)
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["images"] == record["set_images"] == 21
    assert record["pixel_bytes"] == record["set_pixel_bytes"] == held.pixel_bytes
    assert record["stored_bytes"] > held.pixel_bytes
    assert record["stored_files"] == 1
    assert len(record["wall_s"]) == len(record["cpu_s"]) == 2
    assert record["peak_bytes"] >= 0


def test_environment_slows_every_sample(sample, breaks, monkeypatch) -> None:
    def slow(rows, given):
        time.sleep(0.05)
        yield from given

    breaks(arrays=slow)
    monkeypatch.setenv(SLOWER, "3.0")
    cell = sample("FullScan", samples=2)
    assert min(cell.timer.wall_s) >= 0.2
    assert cell.record["set_images"] == 21


@pytest.mark.parametrize(("kind", "flushes"), [("Write", 2), ("Append", 2), ("FullScan", 0)])
def test_older_data_is_flushed_before_each_sample_that_writes(
    kind, flushes, sample, monkeypatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(cell_module.page_cache, "sync_tree", synced.append)
    sample(kind, samples=2)
    assert len([path for path in synced if path.parent.name == "scratch"]) == flushes


def test_files_of_a_warm_cell_are_in_the_page_cache(sample, workspace, on_disk) -> None:
    store = registry.find(registry.FLOOR)
    page_cache.empty(workspace.stored(store, workspace.images(SET)))
    path = sample("FullScan", store=str(registry.FLOOR)).path
    assert page_cache.resident_bytes(path) >= path.stat().st_size


def test_copy_by_links_copies_a_file_and_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.bin").write_bytes(b"a")
    copy_by_links(folder, tmp_path / "copy")
    copy_by_links(folder / "deep" / "a.bin", tmp_path / "b.bin")
    for copied in (tmp_path / "copy" / "deep" / "a.bin", tmp_path / "b.bin"):
        assert copied.samefile(folder / "deep" / "a.bin")


@pytest.mark.parametrize(
    ("kind", "method", "details"),
    [
        ("Size", "track_bytes", ()),
        ("Size", "track_files", ()),
        ("PeakMemoryOfScan", "track_peak", ()),
        ("PeakMemoryOfTake", "track_peak", ("1", "kept")),
        ("PeakMemoryOfWrite", "track_peak", ()),
    ],
)
def test_tracked_figures_are_those_of_the_record(
    kind, method, details, workspace, monkeypatch
) -> None:
    benchmark = getattr(importlib.import_module("benchmarks.size"), kind)()
    monkeypatch.setattr(benchmark.timed, "workspace", workspace)
    params = (STORE, SET, *details)
    benchmark.setup(*params)
    record = benchmark.cell.record
    expected = {
        "track_bytes": record["stored_bytes"],
        "track_files": 1,
        "track_peak": record["peak_bytes"],
    }[method]
    if expected is None:
        with pytest.raises(NotImplementedError, match="peak_bytes cannot be measured on this"):
            getattr(benchmark, method)(*params)
    else:
        assert getattr(benchmark, method)(*params) == expected
    benchmark.teardown(*params)
    assert nothing_in_scratch(workspace)
