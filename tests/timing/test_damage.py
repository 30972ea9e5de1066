"""Damage to files, and what a program tells of it, with stores that notice it and that do not."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from platebench.stores.contract import OpenStore, Store
from platebench.timing.damage import (
    ENDS,
    IMAGES,
    Change,
    Corners,
    Deadly,
    Worker,
    cuts,
    flips_anywhere,
    flips_in_ends,
)
from tests.conftest import noise
from tests.stores.checksums import Careful, Careless

ALL = {"rows": list(range(IMAGES)), "table": True}


def worker(store: type[Store], path: Path) -> Worker:
    """Return a worker whose images are stored at `path`."""
    found = Worker(store("pixels", "fast"), noise(IMAGES))
    assert found.answer({"do": "write", "path": str(path)}) == {}
    return found


def changed(store: type[Store], change: Change, folder: Path) -> dict[str, object]:
    """Return the answer to a change, and make sure that the original stays as it was."""
    asked = worker(store, folder / "whole")
    before = (folder / "whole").read_bytes()
    command = {"do": "change", "path": str(folder / "whole"), "copy": str(folder / "copy")}
    answer = asked.answer({**command, "change": vars(change)})
    assert (folder / "whole").read_bytes() == before
    return answer


def test_whole_set_is_read_with_its_rows_and_table(tmp_path: Path) -> None:
    asked = worker(Careless, tmp_path / "store")
    assert asked.answer({"do": "read", "path": str(tmp_path / "store")}) == ALL
    assert asked.answer({"do": "scan_often", "path": str(tmp_path / "store")}) == ALL
    assert asked.answer({"do": "read", "path": str(tmp_path / "none")}) == {"absent": True}


def test_flipped_pixel_is_an_unknown_image_without_a_checksum(tmp_path: Path) -> None:
    answer = changed(Careless, Change("", "flip", 2 * 24 * 36), tmp_path)
    assert answer["rows"] == [0, 1, -1, *range(3, IMAGES)]


def test_set_without_any_known_image_is_read(tmp_path: Path) -> None:
    images = noise(IMAGES)
    Careless("pixels", "fast").write(noise(IMAGES + 1), tmp_path / "others")
    asked = Worker(Careless("pixels", "fast"), images)
    answer = asked.answer({"do": "read", "path": str(tmp_path / "others")})
    assert answer == {"rows": [-1] * (IMAGES + 1), "table": False}


def test_flipped_byte_of_the_table_is_another_table(tmp_path: Path) -> None:
    asked = worker(Careless, tmp_path / "store")
    place = (tmp_path / "store").read_bytes().index(b"LT0001_02_15_03")
    Change("", "flip", place).apply(tmp_path / "store")
    answer = asked.answer({"do": "read", "path": str(tmp_path / "store")})
    assert answer.get("table") is False or "error" in answer


def test_flipped_pixel_is_an_error_with_a_checksum(tmp_path: Path) -> None:
    answer = changed(Careful, Change("", "flip", 2 * 24 * 36), tmp_path)
    assert answer == {"error": "ValueError: the checksum does not match"}


@pytest.mark.parametrize("change", [Change("", "cut", 0), Change("", "cut", 5000)])
def test_cut_file_is_an_error(change: Change, tmp_path: Path) -> None:
    assert "error" in changed(Careful, change, tmp_path)


def test_removed_file_is_absent(tmp_path: Path) -> None:
    assert changed(Careful, Change("", "remove"), tmp_path) == {"absent": True}


def test_messages_do_not_name_the_folder_of_the_trial(tmp_path: Path) -> None:
    asked = worker(Careless, tmp_path / "store")
    (tmp_path / "other").mkdir()
    answer = asked.answer({"do": "read", "path": str(tmp_path / "other")})
    assert "other" in answer["error"]
    assert str(tmp_path) not in answer["error"]


def test_messages_do_not_name_the_folder_without_its_first_slash(tmp_path: Path) -> None:
    class Object(Careless):
        def open(self, path: Path) -> OpenStore:
            raise ValueError(f"Dataset at path {str(path).lstrip('/')}/images.lance was not found")

    answer = worker(Object, tmp_path / "store").answer(
        {"do": "read", "path": str(tmp_path / "store")}
    )
    assert answer["error"] == "ValueError: Dataset at path store/images.lance was not found"


def test_messages_do_not_name_where_a_library_was_built(tmp_path: Path) -> None:
    class Built(Careless):
        def open(self, path: Path) -> OpenStore:
            raise OSError(f"{path}: corrupt, /home/builder/lance/src/block.rs:303:27")

    answer = worker(Built, tmp_path / "store").answer(
        {"do": "read", "path": str(tmp_path / "store")}
    )
    assert answer["error"] == "OSError: store: corrupt, block.rs:303:27"


def test_flip_inverts_one_byte(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(10)))
    Change("file", "flip", 3).apply(tmp_path)
    assert (tmp_path / "file").read_bytes() == bytes([0, 1, 2, 252, 4, 5, 6, 7, 8, 9])


def test_flips_are_spread_over_all_files_and_their_ends(tmp_path: Path) -> None:
    for name, size in (("a", 1000), ("b", 3000), ("c", 0)):
        (tmp_path / name).write_bytes(bytes(size))
    places = [(flip.file, flip.at) for flip in flips_anywhere(tmp_path, 4)]
    assert places == [("a", 500), ("b", 500), ("b", 1500), ("b", 2500)]
    ends = flips_in_ends(tmp_path, 600)
    assert {flip.file for flip in ends} == {"a", "b"}
    for flip in ends:
        size = {"a": 1000, "b": 3000}[flip.file]
        assert flip.at < ENDS or size - ENDS <= flip.at < size
    assert len({(flip.file, flip.at) for flip in ends}) > 500


def test_cuts_are_of_the_largest_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(8))
    (tmp_path / "b").write_bytes(bytes(100))
    found = cuts(tmp_path)
    assert {change.file for change in found} == {"b"}
    assert [change.at for change in found if change.how == "cut"] == [0, 25, 50, 75, 99]
    assert [change.how for change in found].count("remove") == 1


def test_versions_are_told_by_their_rows(tmp_path: Path) -> None:
    asked = Worker(Careless("pixels", "fast"), noise(IMAGES))
    path = str(tmp_path / "store")
    asked.answer({"do": "start", "path": path, "rows": [0, 1]})
    assert asked.answer({"do": "append", "path": path, "rows": [5], "first": 2}) == {}
    newest = {"rows": [0, 1, 5], "table": True}
    assert asked.answer({"do": "read_newest", "path": path}) == newest
    watched = asked.answer({"do": "watch", "path": path, "until": 3})
    assert watched == {"seen": [newest]}


def test_watching_ends_in_time_if_nothing_is_added(tmp_path: Path) -> None:
    asked = Worker(Careless("pixels", "fast"), noise(IMAGES))
    path = str(tmp_path / "store")
    asked.answer({"do": "start", "path": path, "rows": [0]})
    watched = asked.answer({"do": "watch", "path": path, "until": 3, "seconds": 0.01})
    assert watched == {"seen": [{"rows": [0], "table": True}]}


def test_deadly_image_kills_the_process_that_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *what: killed.append(what))
    images = Deadly(noise(3), 1)
    images.pixels(0)
    images.file(2)
    assert killed == []
    images.pixels(1)
    images.file(1)
    assert killed == [(os.getpid(), signal.SIGKILL)] * 2


def test_corners_are_parts_of_the_images() -> None:
    images = noise(3)
    corners = Corners(images, 5, 7)
    assert corners.shapes == [(5, 7)] * 3
    assert (corners.pixels(2) == images.pixels(2)[:5, :7]).all()
    assert corners.table["filesize_bytes"].to_pylist() == [
        len(corners.file(row)) for row in range(3)
    ]
    assert corners.table.schema.equals(images.table.schema)
