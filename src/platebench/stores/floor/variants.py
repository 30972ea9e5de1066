"""The ways to read and to write one bare file, side by side.

All writers make the same file, and every reader reads it. A reader fills the memory that it is
given, which holds at least one image in whole pages, and yields views of it. `choice` says which
of them the floor uses; `platebench calibrate floor` times them all.

O_DIRECT moves whole pages between the disk and page-aligned memory and bypasses the page cache.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

import numpy as np

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores.floor.places import PAGE, Places, padded, page_aligned

Reader: TypeAlias = Callable[[Places, int, Sequence[int], np.ndarray], Iterator[np.ndarray]]
"""Called with the images' places, the open file, the rows, and the memory to fill."""

Writer: TypeAlias = Callable[[ImageSet, Places, int], None]
"""Called with the images, their places, and a new file that is open for writing."""

_MIB = 2**20
_WRITE = 2  # SYNC_FILE_RANGE_WRITE
_POPULATE_READ = 22  # MADV_POPULATE_READ, not in Python's mmap
_libc = ctypes.CDLL(None, use_errno=True)

# Readers


def pread(
    places: Places, file: int, rows: Sequence[int], memory: np.ndarray
) -> Iterator[np.ndarray]:
    """Read each image to the same memory, which stays in the processor's cache."""
    for row in rows:
        _read(file, places, row, row, memory)
        yield places.view(row, memory)


def pread_runs(
    places: Places, file: int, rows: Sequence[int], memory: np.ndarray, most: int
) -> Iterator[np.ndarray]:
    """Read neighbouring images with one call, up to so many."""
    for first, last in _runs(places, rows, memory, most):
        _read(file, places, first, last, memory)
        for row in range(first, last + 1):
            yield places.view(row, memory[places.edges[row] - places.edges[first] :])


def pread_threads(
    places: Places, file: int, rows: Sequence[int], memory: np.ndarray, threads: int
) -> Iterator[np.ndarray]:
    """Read ahead in several threads, an image each."""
    slots = len(memory) // places.slot
    ahead: deque[Future[np.ndarray]] = deque()

    def read(number: int) -> np.ndarray:
        into = memory[number % slots * places.slot :]
        _read(file, places, rows[number], rows[number], into)
        return places.view(rows[number], into)

    pool = ThreadPoolExecutor(threads)
    try:
        for number in range(len(rows)):
            ahead.append(pool.submit(read, number))
            # One slot is left to the image that was yielded last.
            if len(ahead) >= max(1, slots - 1):
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def mapped(
    places: Places, file: int, rows: Sequence[int], memory: np.ndarray
) -> Iterator[np.ndarray]:
    """Copy each image out of a memory map of the file."""
    source = _map(file)
    pages = np.frombuffer(source, np.uint8)
    for row in rows:
        yield _copied(places, row, pages, memory)


def mapped_populated(
    places: Places, file: int, rows: Sequence[int], memory: np.ndarray
) -> Iterator[np.ndarray]:
    """Copy each image out of a memory map, after one call that maps all its pages."""
    source = _map(file)
    pages = np.frombuffer(source, np.uint8)
    for row in rows:
        start, end = places.edges[row], places.edges[row + 1]
        if start < end <= len(pages):
            _populate(source, start, end - start)
        yield _copied(places, row, pages, memory)


def sequential(
    places: Places, file: int, rows: Sequence[int], memory: np.ndarray
) -> Iterator[np.ndarray]:
    """Tell the kernel that the file is read in order, so that it reads twice as far ahead."""
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    yield from pread(places, file, rows, memory)


def will_need(
    places: Places, file: int, rows: Sequence[int], memory: np.ndarray, most: int | None
) -> Iterator[np.ndarray]:
    """Tell the kernel which images are needed next, up to so many, or all of them."""
    ahead = len(rows) if most is None else most
    for number, row in enumerate(rows):
        for needed in rows[:ahead] if number == 0 else rows[number + ahead - 1 : number + ahead]:
            start, end = places.edges[needed], places.edges[needed + 1]
            if end > start:  # 0 bytes would mean all
                os.posix_fadvise(file, start, end - start, os.POSIX_FADV_WILLNEED)
        _read(file, places, row, row, memory)
        yield places.view(row, memory)


def direct(
    places: Places, file: int, rows: Sequence[int], memory: np.ndarray, most: int = 1
) -> Iterator[np.ndarray]:
    """Read with O_DIRECT, neighbouring images with one call, up to so many."""
    with _direct_reading(file) as handle:
        yield from pread_runs(places, handle, rows, memory, most)


def direct_threads(
    places: Places, file: int, rows: Sequence[int], memory: np.ndarray, threads: int
) -> Iterator[np.ndarray]:
    """Read ahead with O_DIRECT in several threads, an image each."""
    with _direct_reading(file) as handle:
        yield from pread_threads(places, handle, rows, memory, threads)


READERS: dict[str, Reader] = {
    "pread": pread,
    "pread-4": partial(pread_runs, most=4),
    "pread-16": partial(pread_runs, most=16),
    "pread-2-threads": partial(pread_threads, threads=2),
    "pread-4-threads": partial(pread_threads, threads=4),
    "map": mapped,
    "map-populated": mapped_populated,
    "sequential": sequential,
    "willneed-4": partial(will_need, most=4),
    "willneed-all": partial(will_need, most=None),
    "direct": direct,
    "direct-4": partial(direct, most=4),
    "direct-16": partial(direct, most=16),
    "direct-2-threads": partial(direct_threads, threads=2),
    "direct-4-threads": partial(direct_threads, threads=4),
}
"""Every way to read. The number is of images in one call, or of threads."""

# Writers


def plain(images: ImageSet, places: Places, file: int) -> None:
    """Write one image after another."""
    for row, image in enumerate(images):
        _write(file, _pages(image, places, row), places.edges[row])


def gathered(images: ImageSet, places: Places, file: int, most: int) -> None:
    """Write several images with one call, up to so many."""
    for first in range(0, len(images), most):
        rows = range(first, min(first + most, len(images)))
        pages = [page for row in rows for page in _pages(images.pixels(row), places, row)]
        _write(file, pages, places.edges[first])


def early(images: ImageSet, places: Places, file: int, every: int) -> None:
    """Start to send each so many bytes to the disk as soon as they are written."""
    started = 0
    for row, image in enumerate(images):
        _write(file, _pages(image, places, row), places.edges[row])
        written = places.edges[row + 1]
        if written - started >= every or row == len(images) - 1:
            _start_writeback(file, started, written)
            started = written


def direct_writes(images: ImageSet, places: Places, file: int) -> None:
    """Write with O_DIRECT, an image per call."""
    memory = page_aligned(places.slot)
    with _direct_writing(file):
        for row, image in enumerate(images):
            _write(file, _aligned_pages(image, places, row, memory), places.edges[row])


def direct_writes_threads(images: ImageSet, places: Places, file: int, threads: int) -> None:
    """Write with O_DIRECT in several threads, an image each."""
    slots = [page_aligned(places.slot) for _ in range(2 * threads)]
    ahead: deque[Future[None]] = deque()
    with _direct_writing(file), ThreadPoolExecutor(threads) as pool:
        for row, image in enumerate(images):
            if len(ahead) == len(slots):
                ahead.popleft().result()
            pages = _aligned_pages(image, places, row, slots[row % len(slots)])
            ahead.append(pool.submit(_write, file, pages, places.edges[row]))
        for written in ahead:
            written.result()


def allocated(images: ImageSet, places: Places, file: int, then: Writer) -> None:
    """Reserve the file's blocks at once, then write in another way."""
    if places.end:
        os.posix_fallocate(file, 0, places.end)
    then(images, places, file)


WRITERS: dict[str, Writer] = {
    "plain": plain,
    "gathered-8": partial(gathered, most=8),
    "early-1-image": partial(early, every=1),
    "early-4-MiB": partial(early, every=4 * _MIB),
    "early-16-MiB": partial(early, every=16 * _MIB),
    "direct": direct_writes,
    "direct-2-threads": partial(direct_writes_threads, threads=2),
    "allocated": partial(allocated, then=plain),
    "allocated-early-4-MiB": partial(allocated, then=partial(early, every=4 * _MIB)),
    "allocated-early-16-MiB": partial(allocated, then=partial(early, every=16 * _MIB)),
    "allocated-direct": partial(allocated, then=direct_writes),
    "allocated-direct-2-threads": partial(
        allocated, then=partial(direct_writes_threads, threads=2)
    ),
    "allocated-direct-4-threads": partial(
        allocated, then=partial(direct_writes_threads, threads=4)
    ),
}
"""Every way to write."""

# What they share


def says(way: Reader | Writer) -> str:
    """Return what a way does, the first line of its docstring, with its settings."""
    settings = ""
    docs = []
    while isinstance(way, partial):
        given = dict(way.keywords)
        docs.append(way.func.__doc__)
        inner = given.pop("then", None)
        settings += "".join(f" ({name} {value})" for name, value in given.items())
        way = inner if inner is not None else way.func
        if inner is None:
            docs.pop()
    docs.append(way.__doc__)
    return " ".join((doc or "").splitlines()[0] for doc in docs) + settings


def has_direct(file: int) -> bool:
    """Say whether the file system of an open file can read it with O_DIRECT."""
    try:
        os.close(os.open(f"/proc/self/fd/{file}", os.O_RDONLY | os.O_DIRECT))
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise
    return True


def _read(file: int, places: Places, first: int, last: int, memory: np.ndarray) -> None:
    """Read neighbouring images, with their padding, to the beginning of `memory`."""
    start, end = places.edges[first], places.edges[last + 1]
    into = memory.data[: end - start]
    done = os.preadv(file, [into], start)
    while done < len(into):
        # Only the end of the file, or 2 GiB in one call, make a read short.
        more = os.preadv(file, [into[done:]], start + done) if done % PAGE == 0 else 0
        if more == 0:
            rows = range(first, last + 1)
            cut = next(row for row in rows if places.edges[row + 1] > start + done)
            raise EOFError(f"image {cut} is truncated")
        done += more


def _runs(
    places: Places, rows: Sequence[int], memory: np.ndarray, most: int
) -> Iterator[tuple[int, int]]:
    """Yield the first and last row of each run of neighbours that fits into `memory`."""
    number = 0
    while number < len(rows):
        first = last = rows[number]
        number += 1
        while (
            number < len(rows)
            and rows[number] == last + 1
            and last + 1 - first < most
            and places.edges[last + 2] - places.edges[first] <= len(memory)
        ):
            last += 1
            number += 1
        yield first, last


def _map(file: int) -> mmap.mmap:
    return mmap.mmap(file, os.fstat(file).st_size, mmap.MAP_SHARED, mmap.PROT_READ)


def _populate(source: mmap.mmap, start: int, size: int) -> None:
    """Map a range at once, instead of 16 pages for each page fault."""
    first = start // mmap.PAGESIZE * mmap.PAGESIZE
    try:
        source.madvise(_POPULATE_READ, first, start + size - first)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise Unsupported("this kernel has no MADV_POPULATE_READ (Linux 5.14)") from error
        raise


def _copied(places: Places, row: int, pages: np.ndarray, memory: np.ndarray) -> np.ndarray:
    start, size = places.edges[row], places.sizes[row]
    if start + size > len(pages):
        raise EOFError(f"image {row} is truncated")
    memory[:size] = pages[start : start + size]
    return places.view(row, memory)


def _write(file: int, pages: Sequence[memoryview], start: int) -> None:
    """Write all of these parts, one after another."""
    left = list(pages)
    while left:
        done = os.pwritev(file, left, start)
        start += done
        while left and done >= len(left[0]):
            done -= len(left.pop(0))
        if left and done:
            left[0] = left[0][done:]


def _pages(image: np.ndarray, places: Places, row: int) -> list[memoryview]:
    """Return an image's bytes, and the zeros that fill its last page."""
    fill = places.edges[row + 1] - places.edges[row] - places.sizes[row]
    parts = [image.reshape(-1).view(np.uint8).data, memoryview(bytes(fill))]
    return [part for part in parts if len(part)]


def _aligned_pages(
    image: np.ndarray, places: Places, row: int, memory: np.ndarray
) -> list[memoryview]:
    """Return an image in whole pages of memory: its own if it has them, else copied."""
    size, whole = places.sizes[row], padded(places.sizes[row])
    if size == whole and image.ctypes.data % PAGE == 0:
        return [image.reshape(-1).view(np.uint8).data] if size else []
    memory[:size] = image.reshape(-1).view(np.uint8)
    memory[size:whole] = 0
    return [memory.data[:whole]] if whole else []


def _start_writeback(file: int, start: int, end: int) -> None:
    """Make the kernel begin to write a range to the disk, and do not wait."""
    args = (ctypes.c_int64(start), ctypes.c_int64(end - start), ctypes.c_uint(_WRITE))
    if _libc.sync_file_range(file, *args) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def _direct_reading(file: int) -> Iterator[int]:
    """Open a file once more, with O_DIRECT."""
    handle = _with_direct(lambda: os.open(f"/proc/self/fd/{file}", os.O_RDONLY | os.O_DIRECT))
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _direct_writing(file: int) -> Iterator[None]:
    """Let writes to an open file be direct for a while."""
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    _with_direct(lambda: fcntl.fcntl(file, fcntl.F_SETFL, flags | os.O_DIRECT))
    try:
        yield
    finally:
        fcntl.fcntl(file, fcntl.F_SETFL, flags)


def _with_direct(action: Callable[[], int]) -> int:
    try:
        return action()
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise Unsupported(
                "this file system has no O_DIRECT; 'platebench calibrate floor' chooses another way"
            ) from error
        raise
