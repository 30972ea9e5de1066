"""Write a stored image set in parts: bounded in size, in several processes, one after a kill.

A draft is a folder of `drafts.Lent`:

    task.json           what is packed: sources, destination, store
    package/            the package under construction
    package/data/parts  the parts: 00000-<random> has the first rows
    done/00000.json     a part that is whole and on the disk: name, digests, state of its sources

A process that takes up a draft counts the parts in `done` whose sources are as they were, and
removes all others. A part that was written twice has one entry in `done`, so it counts once.

In a Dask cluster a worker writes a part aside, in a folder of its own (`apart/`), and the process
that commits moves it to its place when it is done and then notes it. What a dead or a lost worker
leaves is never in the package.

A store with versions of its own writes all images itself, in one process; it starts again after a
kill.

A part has at most `PART_BYTES` of pixels, or one image. Memory does not grow with the number of
parts or images, apart from the table of images.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import itertools
import json
import multiprocessing
import os
import shutil
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures import ThreadPoolExecutor as Threads
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from platebench import interrupts
from platebench.atomic_files import sync, write_whole
from platebench.errors import Unsupported, UserError
from platebench.images.folder import FolderImages, Source
from platebench.images.imageset import ImageSet
from platebench.images.walk import Counted
from platebench.packages.hashing import HashedImages, files_below, settled
from platebench.packages.manifest import DATA, StoredFile
from platebench.pool_workers import belong_to_parent
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.part_list import PARTS
from platebench.workers import Unseen, WorkerDied, Workers, aside, require_seen, unseen

PART_BYTES = 256 * 2**20
"""Pixel bytes of a part: 20,000 parts in 5 TB. While a part is written, the one before goes to the
disk, and only for the last one nothing else is left to do."""

PART_IMAGES = 4096
"""The most images of a part. Metadata of some formats grows with the images and is read whole."""

MUCH = 4 * 2**30
"""Pixel bytes for which several processes are worth their start (0.7 s of CPU time each)."""

_FILES_AHEAD = 8
"""Files that the disk may read while one is stored: 11 MB of the images that are measured here."""

_SYNC_FILE_RANGE_WRITE = 2

_WRITTEN_BACK_S = 0.1
"""Seconds between two times that the disk gets what was written of a part so far."""

PACKAGE = "package"
DONE = "done"
APART = "apart"
"""Where Dask workers write."""

Show = Callable[[str, int, int], None]
"""Shows a step, and how many of how many images are done."""


class PartSource(Protocol):
    """Where the images of a part come from. It can be sent to another process."""

    def opened(self) -> AbstractContextManager[ImageSet]:
        """Open the images, with the row numbers that they have in the package."""

    def state(self) -> str:
        """Describe the files that are read. The text is another one after they have changed."""

    def __len__(self) -> int:
        """Return the number of images."""


@dataclass(frozen=True)
class FilesPart:
    """Images in TIFF and CH5 files, the first of which has row `first` in the package."""

    name: str
    first: int
    sources: tuple[Source, ...]

    @contextmanager
    def opened(self) -> Iterator[ImageSet]:
        """Open the images."""
        images = _ReadAhead(Path(), self.name, self.sources, Counted())
        yield images.select(range(len(images)), self.first)

    def state(self) -> str:
        """Return a digest of the paths, sizes and times of the files, and of the rows."""
        told = hashlib.sha256(f"{self.first}\0".encode())
        told.update("\0".join(each.path for each in self.sources).encode())
        told.update(files_state(sorted({each.changes_with for each in self.sources})).encode())
        return told.hexdigest()

    def __len__(self) -> int:
        return len(self.sources)


class _ReadAhead(FolderImages):
    """Images whose files the kernel is asked for before they are read."""

    def file(self, row: int) -> bytes:
        """Return image `row` as a TIFF file."""
        self._ask(row)
        return super().file(row)

    def pixels(self, row: int) -> np.ndarray:
        """Return image `row`."""
        self._ask(row)
        return super().pixels(row)

    def _ask(self, row: int) -> None:
        ahead = row + _FILES_AHEAD
        if ahead < len(self) and self.origin(ahead).is_one_image:
            with suppress(OSError):  # whoever reads it says so
                opened = os.open(self.origin(ahead).path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_WILLNEED)
                finally:
                    os.close(opened)


def files_state(files: Sequence[Path]) -> str:
    """Return a digest of the paths, sizes and times of change of files, and of those in folders."""
    told = hashlib.sha256()
    for file in itertools.chain.from_iterable(map(files_below, files)):
        try:
            found = file.stat()
        except OSError as error:
            raise UserError(f"{file}: cannot be read ({error.strerror})") from error
        told.update(f"{file}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return told.hexdigest()


@dataclass(frozen=True)
class PartTask:
    """A part to write: its number, its store, and the draft's folder.

    `whole`: it is the whole of a store with versions of its own.
    """

    number: int
    store: StoreName
    draft: Path
    source: PartSource
    whole: bool = False


@dataclass(frozen=True)
class PartDone:
    """A part that is on the disk: its name, the SHA-256 of its images, its files, its sources."""

    number: int
    name: str
    digests: tuple[str, ...]
    files: tuple[StoredFile, ...]
    state: str


def ranges(sizes: Sequence[int], most: int = PART_BYTES, images: int = sys.maxsize) -> list[range]:
    """Divide rows into ranges of at most `most` bytes, or of one row, and of at most `images` rows.

    Sizes are in bytes.
    """
    found, first, total = [], 0, 0
    for row, size in enumerate(sizes):
        if row > first and (total + size > most or row - first == images):
            found.append(range(first, row))
            first, total = row, 0
        total += size
    if first < len(sizes):
        found.append(range(first, len(sizes)))
    return found


def write_parts(
    tasks: Sequence[PartTask], jobs: int, show: Show, workers: Workers | None = None
) -> list[PartDone]:
    """Write the parts that are not done yet, and return all, in order.

    With `workers`, they write the parts, except for a store with versions of its own. With `jobs`
    above 1, that many processes are started (spawned: a fork would copy the threads'
    locks of Arrow and Lance). Raises UserError for an image that cannot be read or stored, and if
    a process has died; the other parts are then kept in the draft.
    """
    total = sum(len(task.source) for task in tasks)
    done = {task.number: found for task in tasks if (found := _done(task)) is not None}
    _remove_others(tasks, done)
    rest = [task for task in tasks if task.number not in done]
    kept = sum(len(each.digests) for each in done.values())

    def show_more(images: int) -> None:
        show("packing", kept + images, total)

    show_more(0)
    if workers is not None and not any(task.whole for task in tasks):
        written = _in_workers(rest, workers, show_more)
    elif len(rest) > 1 and jobs > 1:
        written = _in_processes(rest, min(jobs, len(rest)), show_more)
    else:
        written = _here(rest, show_more)
    done |= {each.number: each for each in written}
    return [done[task.number] for task in tasks]


def _here(tasks: Sequence[PartTask], show: Callable[[int], None]) -> list[PartDone]:
    """Write parts in this process. While one is written, the one before goes to the disk."""
    images = 0

    def count(more: int) -> None:
        nonlocal images
        interrupts.check()
        images += more
        show(images)

    settling: list[Future[PartDone]] = []
    with Threads(1) as thread:
        for task in tasks:
            written = _write(task, count)
            if settling:
                settling[-1].result()
            settling.append(thread.submit(_settle, written))
        return [each.result() for each in settling]


@dataclass(frozen=True)
class _Written:
    """A part that may still be in the page cache."""

    task: PartTask
    name: str
    digests: tuple[str, ...]
    state: str


def run_part(
    task: PartTask,
    count: Callable[[int], None],
    settling: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> PartDone:
    """Write a part to the disk and note that it is done. `count` is called for each image.

    It waits for the disk in the context `settling`.
    """
    written = _write(task, count)
    with settling():
        return _settle(written)


def _write(task: PartTask, count: Callable[[int], None]) -> _Written:
    with storing(task.store):
        return _write_images(task, count)


@contextmanager
def storing(name: StoreName) -> Iterator[None]:
    """Turn what a store cannot hold, and a full disk, into a UserError."""
    try:
        yield
    except Unsupported as reason:
        raise UserError(
            f"{name} cannot hold these images: {reason}; choose another store with --store"
        ) from reason
    except UserError:
        raise
    except Exception as error:  # each library has errors of its own
        if is_full(error):
            raise UserError("the disk is full; make room, or name another destination") from error
        raise


def is_full(error: Exception) -> bool:
    """True if an error of any library says that the disk, or a limit of files, is full."""
    full = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    if isinstance(error, OSError) and error.errno in full:
        return True
    text = str(error).lower()
    return any(os.strerror(number).lower() in text for number in full) or "disk is full" in text


def _write_images(task: PartTask, count: Callable[[int], None]) -> _Written:
    store = registry.find(task.store)
    state = task.source.state()
    name = "" if task.whole else f"{task.number:05d}-{uuid.uuid4().hex[:8]}"
    place = _place(task, name)
    place.parent.mkdir(parents=True, exist_ok=True)
    with task.source.opened() as images:
        hashed = HashedImages(images, "file" if store.keeps_files else "pixels", count)
        try:
            with _written_back(place):
                store.write(hashed, place)
            digests = hashed.finish()
        except Exception as error:
            if hashed.failure is not None:
                raise hashed.failure from error
            raise
        finally:
            hashed.close()
    if task.source.state() != state:
        raise UserError("the source has changed while it was packed; run again")
    return _Written(task, name, tuple(digests), state)


@contextmanager
def _written_back(place: Path) -> Iterator[None]:
    """Have the disk write what there is of the file `place`, again and again, during the block.

    Otherwise it begins only when the part is complete, and the last one is waited for (pack of
    1,024 images: 2.9 s, 2.75 with it). It is sync_file_range, which waits for nothing: with
    fdatasync, the journal's commits hold up the writer (3.1 s). A folder of files is left alone.
    """
    over = threading.Event()
    try:
        start_writing = ctypes.CDLL(None).sync_file_range
    except AttributeError:  # not in every C library
        yield
        return
    start_writing.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]

    def write_back() -> None:
        while not over.wait(_WRITTEN_BACK_S):
            with suppress(OSError):  # it is not there yet; a failure is seen by the last fsync
                if not place.is_dir():
                    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
                    try:
                        start_writing(descriptor, 0, 0, _SYNC_FILE_RANGE_WRITE)
                    finally:
                        os.close(descriptor)

    thread = threading.Thread(target=write_back, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _settle(written: _Written) -> PartDone:
    task = written.task
    package = task.draft / PACKAGE
    # The files of a whole store are not all there yet: tables follow.
    files = [] if task.whole else settled(_place(task, written.name), package)
    done = PartDone(task.number, written.name, written.digests, tuple(files), written.state)
    _note(task, done)
    return done


def _note(task: PartTask, done: PartDone) -> None:
    folder = task.draft / DONE
    folder.mkdir(exist_ok=True)
    write_whole(folder / _entry(task.number), json.dumps(asdict(done)))


def _place(task: PartTask, name: str) -> Path:
    data = task.draft / PACKAGE / DATA
    return data if task.whole else data / PARTS / name


def _entry(number: int) -> str:
    return f"{number:05d}.json"


def _done(task: PartTask) -> PartDone | None:
    """Return a part that is done and whose sources are as they were, or None."""
    if task.whole:
        return None
    try:
        read = json.loads((task.draft / DONE / _entry(task.number)).read_text())
        done = PartDone(
            read["number"],
            read["name"],
            tuple(read["digests"]),
            tuple(StoredFile(**each) for each in read["files"]),
            read["state"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    package = task.draft / PACKAGE
    there = all(
        (package / each.path).is_file() and (package / each.path).stat().st_size == each.size
        for each in done.files
    )
    current = len(done.digests) == len(task.source) and done.state == task.source.state()
    return done if there and current and _place(task, done.name).exists() else None


def _remove_others(tasks: Sequence[PartTask], done: dict[int, PartDone]) -> None:
    """Remove parts of a draft that are not done, and entries that do not count."""
    if not tasks:
        return
    draft = tasks[0].draft
    remove(draft / APART)
    names = {each.name for each in done.values()}
    for entry in list((draft / DONE).glob("[0-9]*.json")):
        if int(entry.stem) not in done:
            entry.unlink()
    for place in list((draft / PACKAGE / DATA / PARTS).glob("[0-9]*")):
        if place.name not in names:
            remove(place)


def remove(place: Path) -> None:
    """Remove a file or folder, if it is there."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


_counter: Any = None
"""In a worker: the shared number of images that are written."""


def _in_processes(
    tasks: Sequence[PartTask], jobs: int, show: Callable[[int], None]
) -> list[PartDone]:
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    pool = ProcessPoolExecutor(jobs, context, initializer=_start_worker, initargs=(counter,))
    waiting: set[Future[PartDone]] = set()
    found: list[PartDone] = []
    try:
        waiting = {pool.submit(_run_in_worker, task) for task in tasks}
        while waiting:
            over, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            interrupts.check()
            show(counter.value)
            found += [each.result() for each in over]
    except BrokenProcessPool as error:
        raise WorkerDied(
            "a process that packed images has died, perhaps for lack of memory; what is done is"
            " kept: run again with --resume, and fewer --jobs"
        ) from error
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return found


def default_jobs(pixel_bytes: int) -> int:
    """Return the number of processes: one for a small set, otherwise one per processor.

    Even one process uses two processors, since threads compute the digests.
    """
    return 1 if pixel_bytes < MUCH else len(os.sched_getaffinity(0))


def _start_worker(counter: Any) -> None:
    global _counter  # noqa: PLW0603 - the initializer has no other way to leave it
    _counter = counter
    belong_to_parent()


def _run_in_worker(task: PartTask) -> PartDone:
    def count(more: int) -> None:
        with _counter.get_lock():
            _counter.value += more

    return run_part(task, count)


@dataclass(frozen=True)
class _Apart:
    """A part that a Dask worker writes in a folder of its own, below the draft's `APART`."""

    task: PartTask

    def __len__(self) -> int:
        return len(self.task.source)

    def run(self, count: Callable[[int], None]) -> tuple[str, PartDone]:
        """Write the part. Returns the name of the folder, and the part with its paths there."""
        require_seen(self.task.draft / APART)
        try:
            self.task.source.state()
        except UserError as error:
            raise _unseen_source(error) from error
        name = uuid.uuid4().hex
        folder = self.task.draft / APART / name
        folder.mkdir()  # fails if the draft is gone
        try:
            return name, run_part(replace(self.task, draft=folder), count, aside)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _unseen_source(error: UserError) -> Unseen:
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.filename:
        return unseen(Path(os.fsdecode(cause.filename)), cause.strerror)
    return Unseen(f"{error}, says a Dask worker; every worker must see the source")


def _in_workers(
    tasks: Sequence[PartTask], workers: Workers, show: Callable[[int], None]
) -> list[PartDone]:
    if not tasks:
        return []
    found: list[PartDone] = []
    apart = tasks[0].draft / APART
    apart.mkdir()
    for number, (name, done) in workers.run([_Apart(task) for task in tasks], show):
        task = tasks[number]
        place = _place(task, done.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        _place(replace(task, draft=apart / name), done.name).rename(place)
        sync(place.parent)
        _note(task, done)
        remove(apart / name)
        found.append(done)
    remove(apart)
    return found
