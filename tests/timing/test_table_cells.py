"""A cell about tables fails if its store is broken in any one way, and says how."""

from __future__ import annotations

import importlib
import json
import mmap
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from platebench.errors import Mismatch
from platebench.images.decoded_cache import DecodedImages, decode_to_cache
from platebench.images.objects import OBJECTS
from platebench.results.operations import OPERATIONS
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing.cell import Cell
from platebench.timing.protocol import RECORD
from platebench.timing.workspace import Workspace
from tests.conftest import noise
from tests.timing import broken_stores as broken
from tests.timing.broken_stores import BrokenStore
from tests.timing.conftest import STORE

SET = "keyed-24"
FEW = "10,000 objects"
CLASSES = [name for name, operation in OPERATIONS.items() if operation.on_objects]
TABLE_READS = ["ReadColumns", "ColdReadColumns", "FilterRows", "ColdFilterRows", "Join"]
FILTERING = ["FilterRows", "ImagesWhere"]
FORMATS = [
    "floor:pixels:fast",
    "parquet:pixels:fast",
    "lancedb:pixels:fast",
    "zarr:tensor:fast",
    "tiff-files:tiff:default",
]

Sample = Callable[..., Cell]


@pytest.fixture(scope="session")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with 24 small images whose keys differ, and a store with their objects."""
    made = Workspace(tmp_path_factory.mktemp("keyed")).own()
    images = noise(24)
    frame = images.table.schema.get_field_index("frame")
    images.table = images.table.set_column(
        frame, images.table.schema.field(frame), pa.array(range(24), pa.int32())
    ).drop_columns("plate")
    plate = pa.array(["LT0001_02"] * 24)
    images.table = images.table.add_column(3, "plate", plate)
    images.name = SET
    held = decode_to_cache(images, made.root / "images" / SET)
    made.stored(registry.find(StoreName.parse(STORE)), held, "objects-10000")
    return made.root


@pytest.fixture
def workspace(keyed: Path, tmp_path: Path) -> Workspace:
    """A copy of the prepared work folder for one test."""
    return Workspace(Path(shutil.copytree(keyed, tmp_path / "work")))


@pytest.fixture
def held(workspace: Workspace) -> DecodedImages:
    return workspace.images(SET)


@pytest.fixture
def sample(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """Run samples of a benchmark class in this process, as asv does."""

    def run(kind: str, store: str = STORE, images: str = SET, samples: int = 1) -> Cell:
        cell_class = getattr(importlib.import_module("benchmarks.tables"), kind)
        monkeypatch.setattr(cell_class, "workspace", workspace)
        cell = cell_class()
        params = (store, images, FEW)
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
    """Replace the intact store by one with these methods."""
    find = registry.find

    def replace(**replaced: Any) -> None:
        monkeypatch.setattr(registry, "find", lambda name: BrokenStore(find(name), **replaced))

    return replace


@pytest.fixture(autouse=True)
def cold_on_disk(request: pytest.FixtureRequest) -> None:
    if "Cold" in request.node.name:
        request.getfixturevalue("on_disk")


@pytest.mark.parametrize("kind", CLASSES)
def test_intact_store_passes_every_cell(kind, sample, workspace) -> None:
    cell = sample(kind, samples=3)
    assert len(cell.timer.wall_s) == 3
    assert cell.path.name == "objects-10000"
    assert not any((workspace.root / "scratch").glob("*"))


@pytest.mark.parametrize("kind", ["ReadColumns", "FilterRows", "ImagesWhere", "Join", "AppendRows"])
@pytest.mark.parametrize("store", FORMATS)
def test_formats_pass_every_operation(kind, store, sample) -> None:
    assert len(sample(kind, store, samples=2).timer.wall_s) == 2


def test_unmodified_wrapper_passes(sample, breaks) -> None:
    breaks()
    for kind in CLASSES:
        if not kind.startswith("Cold"):
            sample(kind)


@pytest.mark.parametrize("kind", TABLE_READS)
@pytest.mark.parametrize(
    ("read_table", "message"),
    [
        (broken.stale_value, r"column '\w+', row \d+: [\d.e+-]+, not [\d.e+-]+$"),
        (broken.reversed_rows, r"column '\w+', row 0: .+, not .+$"),
        (broken.last_row_lost, r"objects: \d+ rows, not \d+$"),
        (broken.first_row_twice, r"objects: \d+ rows, not \d+$"),
        (broken.narrowed, r"column '\w+' has type float, not double"),
        (broken.never_read, r"a RecordBatchReader came back, not a table of Arrow"),
        (broken.zeros_not_read_yet, r"column '\w+', row 0: 0\.0, not "),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_wrong_tables_fail(kind, read_table, message, sample, breaks) -> None:
    if kind == "Join" and read_table in (broken.never_read, broken.reversed_rows):
        pytest.skip("the join itself sorts, and needs a table")
    breaks(read_table=read_table)
    with pytest.raises(Mismatch, match=message):
        sample(kind)


def test_columns_in_another_order_fail(sample, breaks) -> None:
    breaks(read_table=broken.other_column_order)
    with pytest.raises(
        Mismatch, match=r"columns \['mean_dna', 'area'\], not \['area', 'mean_dna'\]"
    ):
        sample("ReadColumns")


@pytest.mark.parametrize("read_table", [broken.filter_dropped, broken.half_of_the_filter])
def test_dropped_filter_fails(read_table, sample, breaks) -> None:
    breaks(read_table=read_table)
    with pytest.raises(Mismatch, match=r"rows( came back)?, not \d+"):
        sample("FilterRows")
    with pytest.raises(Mismatch, match=r"came back in place of image|more than the \d+ images"):
        sample("ImagesWhere")


@pytest.mark.parametrize(
    ("rows_where", "message"),
    [
        (lambda given: given[:-1], r"\d of the \d images asked for came back"),
        (lambda given: [*given[:-1], given[-1] - 1], "came back in place of image"),
        (lambda given: given[::-1], "came back in place of image"),
        (lambda given: [*given, given[-1]], r"more than the \d images asked for"),
        (lambda given: list(range(24)), "came back in place of image|more than the"),
    ],
)
def test_images_of_other_objects_fail(rows_where, message, sample, breaks) -> None:
    breaks(rows_where=rows_where)
    with pytest.raises(Mismatch, match=message):
        sample("ImagesWhere")


def test_join_with_a_changed_pixel_or_other_images_fails(sample, breaks) -> None:
    for arrays in (broken.one_flipped_byte, broken.two_rows_swapped, broken.last_image_lost):
        breaks(arrays=arrays)
        with pytest.raises(Mismatch, match=r"image \d+"):
            sample("Join")


def test_join_of_objects_with_other_images_fails(sample, breaks) -> None:
    def moved(whole, name, columns, where):
        """Give one object the key of the next image."""
        table = whole.read_table(name, columns, where)
        if columns is None or "frame" not in columns:
            return table
        frames = table["frame"].to_numpy()
        rows = np.arange(table.num_rows)
        last = np.flatnonzero(frames == 0)[-1]
        rows[last] = last + 1
        for key in ("well", "frame"):
            place = table.column_names.index(key)
            moved = table[key].take(pa.array(rows))
            table = table.set_column(place, table.schema.field(place), moved)
        return table

    breaks(read_table=moved)
    with pytest.raises(Mismatch, match="some objects came with another image than their own"):
        sample("Join")


def backwards(rows):
    return rows.take(list(range(rows.num_rows))[::-1])


def append_nothing(name, rows, path):
    """Forget the rows."""


@pytest.mark.parametrize(
    ("append_rows", "message"),
    [
        (lambda append: append_nothing, "objects: 10000 rows, not 11000"),
        (
            lambda append: lambda name, rows, path: append(name, rows.slice(1), path),
            "objects: 10999 rows, not 11000",
        ),
        (
            lambda append: lambda name, rows, path: append(name, backwards(rows), path),
            r"column '\w+', row 10000: ",
        ),
        (
            lambda append: lambda name, rows, path: [append(name, rows, path) for _ in range(2)],
            "objects: 12000 rows, not 11000",
        ),
        (
            lambda append: lambda name, rows, path: append("more", rows, path),
            "objects: 10000 rows, not 11000",
        ),
    ],
)
def test_rows_appended_wrongly_fail(append_rows, message, sample, breaks) -> None:
    whole = registry.find(StoreName.parse(STORE))
    breaks(append_rows=append_rows(whole.append_rows))
    with pytest.raises(Mismatch, match=message):
        sample("AppendRows")


def test_append_that_changes_an_image_fails(sample, breaks) -> None:
    whole = registry.find(StoreName.parse(STORE))

    def append(name, rows, path):
        whole.append_rows(name, rows, path)
        (file,) = path.glob("images*")
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)

    breaks(append_rows=append)
    with pytest.raises(Mismatch, match=r"image \d+ came back"):
        sample("AppendRows")


def test_store_that_breaks_after_verification_fails(sample, breaks) -> None:
    calls = 0

    def later_stale(whole, name, columns, where):
        nonlocal calls
        calls += 1
        if calls > 4:
            return broken.stale_value(whole, name, columns, where)
        return whole.read_table(name, columns, where)

    breaks(read_table=later_stale)
    with pytest.raises(Mismatch, match=r"column .mean_dna., row 5000: "):
        sample("ReadColumns", samples=5)


def test_mapped_memory_is_read_before_the_operation_ends(sample, monkeypatch, tmp_path) -> None:
    """A view of a map costs nothing until it is read; after `close` it would be another value."""
    maps: list[mmap.mmap] = []

    def mapped(whole, name, columns, where):
        table = whole.read_table(name, columns, where)
        file = tmp_path / f"map-{len(maps)}"
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        with file.open("r+b") as opened:
            maps.append(mmap.mmap(opened.fileno(), 0))
        return pa.ipc.open_file(pa.py_buffer(maps[-1])).read_all()

    class Overwritten(BrokenStore):
        def open(self, path):
            opened = super().open(path)
            close = opened.close

            def overwrite() -> None:
                for each in maps:
                    each[:] = bytes(len(each))
                close()

            opened.close = overwrite
            return opened

    whole = registry.find(StoreName.parse(STORE))
    monkeypatch.setattr(registry, "find", lambda name: Overwritten(whole, read_table=mapped))
    cell = sample("ReadColumns", samples=3)
    assert len(cell.timer.wall_s) == 3


def test_record_tells_the_size_of_the_table_and_of_what_was_read(
    sample, tmp_path, monkeypatch
) -> None:
    monkeypatch.setitem(os.environ, RECORD, str(tmp_path / "record.json"))
    objects = sample("FilterRows").whole.tables[OBJECTS]
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["kind"] == "objects-10000"
    assert record["set_table_bytes"] == objects.nbytes
    assert 100 < record["table_rows"] < 400
    assert record["table_bytes"] < objects.nbytes / 100
    assert (record["images"], record["pixel_bytes"]) == (0, 0)
    sample("ImagesWhere")
    record = json.loads((tmp_path / "record.json").read_text())
    assert 24 / 10 <= record["images"] <= 24 / 4
    assert record["peak_bytes"] is None or record["peak_bytes"] >= 0


def test_images_with_equal_keys_are_skipped_with_the_reason(workspace, sample) -> None:
    images = noise(4)
    decode_to_cache(images, workspace.root / "images" / "noise-4")
    with pytest.raises(
        NotImplementedError, match=r"identify the images of noise-4 \(some have no plate"
    ):
        sample("ReadColumns", images="noise-4")
    images.table = images.table.drop_columns(["plate", "frame"])
    for place, name, kind in ((3, "plate", pa.string()), (6, "frame", pa.int32())):
        images.table = images.table.add_column(place, name, pa.nulls(4, kind))
    images.name = "equal-4"
    decode_to_cache(images, workspace.root / "images" / "equal-4")
    with pytest.raises(
        NotImplementedError, match=r"identify the images of equal-4 \(some are equal"
    ):
        sample("ReadColumns", images="equal-4")


def test_table_is_generated_once_and_stored_files_follow_its_version(
    workspace, held, monkeypatch
) -> None:
    one = workspace.with_objects(held, 10_000).tables[OBJECTS]
    (file,) = (workspace.root / "images" / SET).glob("objects-*")
    made = file.stat().st_mtime_ns
    assert workspace.with_objects(held, 10_000).tables[OBJECTS].equals(one)
    assert file.stat().st_mtime_ns == made
    store = registry.find(StoreName.parse(STORE))
    assert workspace.is_fresh(store, held, "objects-10000")
    monkeypatch.setattr("platebench.timing.workspace.OBJECTS_VERSION", 0)
    assert not workspace.is_fresh(store, held, "objects-10000")
