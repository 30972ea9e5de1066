"""Before a cold read, files leave the page cache, and this is checked."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from platebench.errors import Unsupported
from platebench.timing import page_cache

PAGE = mmap.PAGESIZE
CACHESTAT = 451
"""The number of the system call, the same on every architecture."""
MEMORY_DISK = Path("/dev/shm")


@pytest.fixture
def on_disk(tmp_path: Path) -> Path:
    """A folder of three files: whole pages, a part of a page, empty."""
    folder = tmp_path / "store"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a" * 10 * PAGE)
    (folder / "deep" / "b.bin").write_bytes(b"b" * (PAGE + 1))
    (folder / "empty.bin").touch()
    page_cache.sync_tree(folder)
    try:
        page_cache.empty(folder)
    except Unsupported as reason:
        pytest.skip(f"pytest's temporary folder is not on a disk: {reason}")
    return folder


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder on a file system in memory."""
    if not MEMORY_DISK.is_dir() or not os.access(MEMORY_DISK, os.W_OK):
        pytest.skip("needs a writable /dev/shm")
    folder = Path(tempfile.mkdtemp(dir=MEMORY_DISK))
    yield folder
    shutil.rmtree(folder)


def resident(folder: Path) -> int:
    return sum(page_cache.resident_bytes(file) for file in page_cache.files_of(folder))


def test_emptied_files_are_not_in_memory(on_disk: Path) -> None:
    assert resident(on_disk) == 0


def test_reading_fills_the_cache_and_empty_clears_it(on_disk: Path) -> None:
    for file in page_cache.files_of(on_disk):
        file.read_bytes()
    assert resident(on_disk) == 12 * PAGE
    page_cache.empty(on_disk)
    assert resident(on_disk) == 0


def test_renewed_files_are_in_memory(on_disk: Path) -> None:
    page_cache.renew(on_disk)
    assert resident(on_disk) == 12 * PAGE


@pytest.fixture
def emptied(on_disk: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The resident bytes before and after each call of `empty`."""
    seen: list[tuple[int, int]] = []
    empty = page_cache.empty

    def watched(path: Path) -> None:
        before = resident(path)
        empty(path)
        seen.append((before, resident(path)))

    monkeypatch.setattr(page_cache, "empty", watched)
    return seen


def test_renewed_files_were_read_from_the_disk_although_they_were_in_memory(
    on_disk: Path, emptied: list[tuple[int, int]]
) -> None:
    page_cache.renew(on_disk)
    emptied.clear()
    page_cache.renew(on_disk)
    assert [left for _, left in emptied] == [0]
    assert resident(on_disk) == 12 * PAGE


def test_files_made_cold_were_in_memory_just_before(
    on_disk: Path, emptied: list[tuple[int, int]]
) -> None:
    page_cache.empty(on_disk)
    emptied.clear()
    page_cache.make_cold(on_disk)
    assert [there for there, _ in emptied] == [12 * PAGE]
    assert resident(on_disk) == 0


def test_files_that_cannot_leave_memory_stay_there(in_memory: Path) -> None:
    (in_memory / "a.bin").write_bytes(b"a" * PAGE)
    page_cache.renew(in_memory)
    assert resident(in_memory) == PAGE


def test_new_files_are_emptied(on_disk: Path) -> None:
    (on_disk / "new.bin").write_bytes(b"n" * 5 * PAGE)
    assert resident(on_disk) >= 5 * PAGE
    page_cache.empty(on_disk)
    assert resident(on_disk) == 0


def test_single_file_is_emptied(on_disk: Path) -> None:
    file = on_disk / "a.bin"
    file.read_bytes()
    page_cache.empty(file)
    assert page_cache.resident_bytes(file) == 0


def test_files_on_a_memory_disk_are_unsupported(in_memory: Path) -> None:
    (in_memory / "stays.bin").write_bytes(b"s" * 3 * PAGE)
    with pytest.raises(Unsupported, match=f"{3 * PAGE} bytes of {in_memory.name} stay in the page"):
        page_cache.empty(in_memory)


def test_locked_file_is_unsupported(on_disk: Path) -> None:
    file = on_disk / "a.bin"
    libc = ctypes.CDLL(None, use_errno=True)
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
        start = ctypes.c_char.from_buffer(mapped)
        address = ctypes.c_void_p(ctypes.addressof(start))
        del start
        if libc.mlock(address, ctypes.c_size_t(len(mapped))) != 0:
            pytest.skip("this user may not lock memory")
        with pytest.raises(Unsupported, match="stay in the page cache"):
            page_cache.empty(on_disk)


def test_hard_links_count_once(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"12345")
    (folder / "b.bin").write_bytes(b"123")
    os.link(folder / "a.bin", folder / "again.bin")
    assert page_cache.stored_size(folder) == (8, 2)


def test_size_of_a_single_file(tmp_path: Path) -> None:
    file = tmp_path / "a.ch5"
    file.write_bytes(b"12345")
    assert page_cache.stored_size(file) == (5, 1)


def test_synced_files_have_no_unwritten_pages(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    (folder / "deep").mkdir(parents=True)
    files = [folder / "a.bin", folder / "deep" / "b.bin"]
    for file in files:
        file.write_bytes(b"a" * 64 * PAGE)
    if any(not unwritten_pages(file) for file in files):
        pytest.skip("the kernel has written the files by itself, or does not count pages")
    page_cache.sync_tree(folder)
    assert [unwritten_pages(file) for file in files] == [0, 0]


def test_sync_of_a_single_file(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"a" * 64 * PAGE)
    page_cache.sync_tree(file)
    assert unwritten_pages(file) in (0, None)


def test_sync_of_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        page_cache.sync_tree(tmp_path / "store")


def test_refused_sync_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_cache._libc, "syncfs", lambda descriptor: -1)
    with pytest.raises(OSError, match=str(tmp_path)):
        page_cache.sync_tree(tmp_path)


def unwritten_pages(file: Path) -> int | None:
    """Return the pages that are dirty or being written, by cachestat(2) of Linux 6.5 and later."""
    everything = (ctypes.c_uint64 * 2)(0, 0)
    counted = (ctypes.c_uint64 * 5)()
    with file.open("rb") as opened:
        status = ctypes.CDLL(None).syscall(CACHESTAT, opened.fileno(), everything, counted, 0)
    return counted[1] + counted[2] if status == 0 else None
