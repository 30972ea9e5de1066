"""platebench's part list publishes a version whole, or not at all, and loses no update."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
from pathlib import Path

import pytest

from platebench.errors import Conflict, UserError
from platebench.stores import part_list as part_lists
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.part_list import PartList, with_versions
from tests.conftest import noise
from tests.stores.one_file import OneFile

STORE = "floor:pixels:fast"


def part_list() -> PartList:
    found = with_versions(registry.find(StoreName.parse(STORE)))
    assert isinstance(found, PartList)
    return found


def parts(path: Path) -> set[str]:
    return {part.name for part in (path / "parts").iterdir()}


@pytest.mark.parametrize(
    ("limits", "asked"),
    [((1024, 4096), [(1064, 4096)]), ((256, -1), [(1064, -1)]), ((5000, 5000), []), ((-1, -1), [])],
)
def test_process_may_open_all_parts_of_a_version(
    limits: tuple[int, int], asked: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda kind, given: told.append(given))
    part_lists._allow_files(Path("store"), 500)
    assert told == asked


def test_version_with_more_parts_than_files_may_be_open_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_lists, "FEW_PARTS", 1)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (3, 3))
    store = with_versions(registry.find(registry.FLOOR))
    for row in range(3):
        images = noise(3).select([row], first_row=row)
        store.append(images, tmp_path / "s") if row else store.write(images, tmp_path / "s")
    with pytest.raises(
        UserError, match=r"has 3 parts, and this system lets a process open 3 files"
    ):
        store.open(tmp_path / "s")


def test_store_with_native_versions_keeps_them():
    store = OneFile("pixels", "fast")
    assert with_versions(store) is store


def test_name_is_that_of_the_store_that_writes_the_parts():
    assert str(part_list().name) == STORE


def test_second_of_two_writers_is_refused_and_loses_nothing(images, tmp_path, monkeypatch):
    path, store = tmp_path / "store", part_list()
    store.write(images, path)
    write_part = PartList.write_part

    def overtaken(self, more, path):
        part = write_part(self, more, path)
        monkeypatch.setattr(PartList, "write_part", write_part)
        store.append(images.select([1, 2]), path)
        return part

    monkeypatch.setattr(PartList, "write_part", overtaken)
    with pytest.raises(Conflict, match="version 2 was added by another writer"):
        store.append(images.select([0]), path)
    assert [version.number for version in store.versions(path)] == [1, 2]
    with store.open(path) as opened:
        assert len(opened) == 23
    assert len(parts(path)) == 2, "the refused part is removed"


def _append(path: str, number: int) -> None:
    store = part_list()
    while True:
        try:
            store.append(noise(number), Path(path))
        except Conflict:
            continue
        return


def test_no_update_of_four_processes_is_lost(tmp_path):
    path, store = tmp_path / "store", part_list()
    store.write(noise(1), path)
    spawning = multiprocessing.get_context("spawn")
    writers = [spawning.Process(target=_append, args=(str(path), number)) for number in (1, 2, 4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert [version.number for version in store.versions(path)] == [1, 2, 3, 4]
    with store.open(path) as opened:
        assert len(opened) == 1 + 1 + 2 + 4


def test_part_and_list_are_on_the_disk_before_the_version_has_its_name(
    images, tmp_path, monkeypatch
):
    path, store, done = tmp_path / "store", part_list(), []
    fsync, link = os.fsync, os.link

    def noted_fsync(descriptor):
        done.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def noted_link(source, target):
        done.append("published")
        link(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "link", noted_link)
    store.write(images, path)
    at = done.index("published")
    (part,) = parts(path)
    assert {str(path / "parts" / part), str(path / "parts")} <= set(done[:at])
    assert any(each.endswith(".draft") for each in done[:at])
    assert str(path) in done[at:]


@pytest.mark.parametrize("step", ["link", "unlink"])
def test_killed_append_leaves_the_version_before_or_the_one_after(
    step, images, tmp_path, monkeypatch
):
    path, store = tmp_path / "store", part_list()
    store.write(images, path)

    def crash(*given, **named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(*((os, "link") if step == "link" else (Path, "unlink")), crash)
        with pytest.raises(KeyboardInterrupt):
            store.append(images.select([0]), path)
    with store.open(path) as opened:
        assert len(opened) == (21 if step == "link" else 22)
    assert store.append(images.select([0]), path) == (2 if step == "link" else 3)


def test_prune_keeps_a_part_that_a_writer_has_not_published_yet(images, tmp_path):
    path, store = tmp_path / "store", part_list()
    store.write(images, path)
    store.append(images.select([0]), path)
    unpublished = store.write_part(images.select([1]), path)
    store.prune(path, keep=1)
    assert unpublished in parts(path)


def test_failed_write_leaves_nothing(images, tmp_path, monkeypatch):
    path, store = tmp_path / "store", part_list()

    def crash(*given, **named):
        raise OSError("disk full")

    monkeypatch.setattr(os, "link", crash)
    with pytest.raises(OSError, match="disk full"):
        store.write(images, path)
    assert not path.exists()


@pytest.mark.parametrize("name", ["..", "../other", "/etc", "a/b", "", "."])
def test_list_that_names_a_part_elsewhere_is_refused(name, images, tmp_path):
    path, store = tmp_path / "store", part_list()
    store.write(images, path)
    (path / "000002.json").write_text(json.dumps({"made": "2026-01-01T00:00:00", "parts": [name]}))
    with pytest.raises(UserError, match="names a part outside this folder"):
        store.open(path)
