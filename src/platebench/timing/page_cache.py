"""The operating system's page cache: emptied for cold reads and filled for warm ones."""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from contextlib import suppress
from pathlib import Path

from platebench.errors import Unsupported

_FILL = 4 * 2**20
"""Bytes read at once to fill the page cache."""

_WAITS_S = (0.001, 0.004, 0.016, 0.064)
"""Pages that the kernel is reading ahead cannot be dropped until they have arrived."""

_libc = ctypes.CDLL(None, use_errno=True)


def files_of(path: Path) -> list[Path]:
    """Return every file at or below `path`, which is a file or a folder."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file())


def empty(path: Path) -> None:
    """Remove the files at `path` from the page cache, and see with mincore that they are gone.

    Raises Unsupported when pages stay, as they do on tmpfs, whose files are nowhere else, or
    when another process keeps them mapped: a read after this would not be cold.
    """
    files = files_of(path)
    for wait_s in (0.0, *_WAITS_S):
        time.sleep(wait_s)
        for file in files:
            _drop(file)
        staying = sum(resident_bytes(file) for file in files)
        if not staying:
            return
    raise Unsupported(f"{staying} bytes of {path.name} stay in the page cache")


def _drop(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def renew(path: Path) -> None:
    """Read the files at `path` from the disk into the page cache, before warm reads.

    How pages came into the cache decides how fast they are copied out of it. Written pages lie in
    larger folios than pages that were read: a scan of 44 MB took 2.4 ms after the files were
    written, and 4.6 to 6.5 ms after they were dropped and read again (Linux 6.18, ext4). Without
    this, a store read after a cold cell would seem half as fast as one that was just written.
    Where pages cannot be dropped, as on tmpfs, they stay as they are.
    """
    with suppress(Unsupported):
        empty(path)
    _fill(path)


def make_cold(path: Path) -> None:
    """Read the files at `path` into the page cache, and remove them from it, before a cold read.

    So the read finds free memory that was just in use. A virtual machine may give memory that was
    free for some seconds back to its host (Linux's free page reporting, beside a reclaim of pages
    that nobody reads). A read of 705 MB then took 340 ms into memory of its own, and 0.6 to 1.4 s
    into memory that the host had to provide first, with up to 1.3 s of CPU time. On other machines
    it makes no difference. Raises Unsupported as `empty` does.
    """
    _fill(path)
    empty(path)


def _fill(path: Path) -> None:
    memory = bytearray(_FILL)
    for file in files_of(path):
        with file.open("rb", buffering=0) as opened:
            while opened.readinto(memory):
                pass


def resident_bytes(file: Path) -> int:
    """Return how many bytes of the file are in the page cache, in whole pages, by mincore(2)."""
    size = file.stat().st_size
    if size == 0:
        return 0
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), size, mmap.MAP_PRIVATE) as mapped:
        pages = -(-size // mmap.PAGESIZE)
        present = (ctypes.c_ubyte * pages)()
        start = ctypes.c_char.from_buffer(mapped)
        try:
            address = ctypes.c_void_p(ctypes.addressof(start))
            if _libc.mincore(address, ctypes.c_size_t(size), present) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(file))
        finally:
            del start
    return sum(page & 1 for page in present) * mmap.PAGESIZE


def sync_tree(path: Path) -> None:
    """Return when every file and folder at or below `path` is on the disk.

    One syncfs(2) writes all unwritten data of the file system. With 176 MB in 128 files it
    took 130 ms, an fsync of each file and folder 166 ms; with one file, 91 and 94 ms. It also
    writes what other processes left unwritten. So whoever times it calls it before the timer too.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if _libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    finally:
        os.close(descriptor)


def stored_size(path: Path) -> tuple[int, int]:
    """Return the bytes and the number of files at or below `path`; a shared file counts once."""
    found = {(stat.st_dev, stat.st_ino): stat.st_size for stat in map(Path.stat, files_of(path))}
    return sum(found.values()), len(found)
