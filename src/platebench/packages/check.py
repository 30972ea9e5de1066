"""Check a package: every file, image and table against its digest, and against the source."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from platebench import interrupts
from platebench.errors import UserError
from platebench.images.folder import Source
from platebench.images.imageset import IMAGE_SCHEMA
from platebench.images.table_digest import table_digest
from platebench.packages.hashing import file_digest, files_below, pixel_digest
from platebench.packages.image_list import SHA256
from platebench.packages.manifest import DATA, MANIFEST, DigestOf, StoredFile
from platebench.packages.parts import PART_BYTES, Show, ranges
from platebench.packages.source import Found, find, stop_at
from platebench.packages.stored import Package, open_package, pixel_sizes, require_memory
from platebench.packages.stored_rows import StoredRows, require_package_seen
from platebench.workers import Workers, WorkerTask, require_seen


@dataclass(frozen=True)
class Difference:
    """Something that is not as it was: what, and in which way."""

    what: str
    how: str

    def __str__(self) -> str:
        return f"{self.what}: {self.how}"


def check(
    folder: Path,
    sources: Sequence[Path] = (),
    show: Show = lambda what, done, total: None,
    workers: Workers | None = None,
) -> list[Difference]:
    """Return all differences of a package from its manifest, and from the sources if given.

    Every file is compared by its SHA-256, every image of the newest version is read through the
    store and compared with its line in the list of images, and every table with its digest. `show`
    is called with a step and how much of it is done. With `workers` of a Dask cluster, they compare
    files and images; on a damaged package one process of this machine reads the images. Raises
    UserError if the folder is no package, or if a source cannot be read.
    """
    package = open_package(folder.absolute() if workers else folder)
    found = _files(package, show, workers)
    found += _contents(package, found, show, workers)
    if sources:
        found += _source(package, sources, show, workers)
    return found


def _files(package: Package, show: Show, workers: Workers | None) -> list[Difference]:
    listed = {file.path: file for file in package.manifest.files}
    total = len(listed)
    there = {
        file.relative_to(package.folder).as_posix(): file for file in files_below(package.folder)
    }
    there.pop(MANIFEST, None)
    found = []
    if workers is not None:
        found = _in_workers("checking files", _file_tasks(package), workers, show)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            compared = threads.map(lambda file: _compared(package.folder, file), listed.values())
            for done, how in enumerate(compared, 1):
                interrupts.check()
                show("checking files", done, total)
                if how is not None:
                    found.append(how)
    extra = sorted(there.keys() - listed.keys())
    return found + [Difference(path, "is not in the manifest") for path in extra]


def _compared(folder: Path, listed: StoredFile) -> Difference | None:
    file = folder / listed.path
    try:
        if not file.resolve().is_relative_to(folder.resolve()):
            return Difference(listed.path, "is a link that leaves the package")
        size = file.stat().st_size
        if size != listed.size:
            return Difference(listed.path, f"has {size} bytes, not {listed.size}")
        if file_digest(file) != listed.sha256:
            return Difference(listed.path, "differs from its SHA-256 in the manifest")
    except FileNotFoundError:
        return Difference(listed.path, "is missing")
    except OSError as error:
        return Difference(listed.path, f"cannot be read ({error.strerror})")
    return None


def _contents(
    package: Package, before: Sequence[Difference], show: Show, workers: Workers | None
) -> list[Difference]:
    """Compare what the store returns.

    If a file of the data has changed, another process reads it: libraries may crash on damaged
    bytes.
    """
    if not any(each.what.startswith(f"{DATA}/") for each in before):
        return list(_read(package, show, workers))
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    try:
        return pool.submit(_read_apart, package).result()
    except BrokenProcessPool:
        return [Difference(DATA, "the library that reads it has crashed")]
    finally:
        pool.shutdown(cancel_futures=True)


def _read_apart(package: Package) -> list[Difference]:
    return list(_read(package, lambda what, done, total: None))


def _read(package: Package, show: Show, workers: Workers | None = None) -> Iterator[Difference]:
    try:
        images = package.images()
        require_memory(images)
    except UserError as error:
        yield Difference(package.manifest.newest.image_list, str(error))
        return
    if images.num_rows != package.manifest.images:
        yield Difference(
            package.manifest.newest.image_list,
            f"has {images.num_rows} images, not {package.manifest.images}",
        )
    try:
        yield from _images(package, images, show, workers)
    except UserError:
        raise
    except Exception as error:  # on damaged bytes a library may raise any exception
        yield Difference(DATA, f"cannot be read ({_line(error)})")
    yield from _tables(package, show)


def _images(
    package: Package, images: pa.Table, show: Show, workers: Workers | None
) -> Iterator[Difference]:
    paths, digests = images["path"].to_pylist(), images[SHA256].to_pylist()
    columns = [name for name in IMAGE_SCHEMA.names if name != "filesize_bytes"]
    with package.open() as opened:
        stored = opened.table().select(columns)
    for row in _different_rows(stored, images.select(columns)):
        named = paths[row] if row < len(paths) else "not in the list"
        yield Difference(f"image {row} ({named})", "its row in the store differs from the list")
    if workers is not None:
        with package.open_digested() as opened:
            stored_images = len(opened)
        if stored_images != len(paths):
            yield Difference(DATA, f"returns {stored_images} images, not {len(paths)}")
            return
        tasks = _image_tasks(package, images)
        yield from _in_workers("checking images", tasks, workers, show)
        return
    read = 0
    with package.open_digested() as opened:
        for row, array in enumerate(opened.scan()):
            interrupts.check()
            if row >= len(paths):
                break
            if pixel_digest(array) != digests[row]:
                yield Difference(f"image {row} ({paths[row]})", "differs from its SHA-256")
            read = row + 1
            show("checking images", read, len(paths))
        if len(opened) != len(paths) or read != len(paths):
            yield Difference(DATA, f"returns {max(read, len(opened))} images, not {len(paths)}")


def _different_rows(one: pa.Table, other: pa.Table) -> Iterator[int]:
    if one.equals(other):
        return
    here, there = one.to_pylist(), other.to_pylist()
    for row in range(max(len(here), len(there))):
        if row >= len(here) or row >= len(there) or here[row] != there[row]:
            yield row


def _tables(package: Package, show: Show) -> Iterator[Difference]:
    listed = {table.name: table for table in package.manifest.tables}
    try:
        with package.open() as opened:
            stored = set(opened.tables())
            for done, name in enumerate(sorted(listed.keys() & stored), 1):
                show("checking tables", done, len(listed))
                table = opened.read_table(name)
                if table.num_rows != listed[name].rows:
                    yield Difference(
                        f"table {name!r}", f"has {table.num_rows} rows, not {listed[name].rows}"
                    )
                elif table_digest(table) != listed[name].digest:
                    yield Difference(f"table {name!r}", "differs from its digest")
            for name in sorted(listed.keys() - stored):
                yield Difference(f"table {name!r}", "is missing")
            for name in sorted(stored - listed.keys()):
                yield Difference(f"table {name!r}", "is not in the manifest")
    except UserError:
        raise
    except Exception as error:  # on damaged bytes a library may raise any exception
        yield Difference("tables", f"cannot be read ({_line(error)})")


def _source(
    package: Package, sources: Sequence[Path], show: Show, workers: Workers | None
) -> list[Difference]:
    found = find([source.absolute() for source in sources] if workers else sources)
    stop_at(found)
    if workers is None:
        compared = list(_source_images(package, found, show))
    else:
        compared = _source_images_in_workers(package, found, show, workers)
    return [*compared, *_source_files(package, found)]


def _source_images(package: Package, found: Found, show: Show) -> Iterator[Difference]:
    images = package.images()
    digests = dict(zip(images["path"].to_pylist(), images[SHA256].to_pylist(), strict=True))
    for done, source in enumerate(found.images, 1):
        interrupts.check()
        show("comparing with the source", done, len(found.images))
        digest = digests.pop(source.path, None)
        if digest is None:
            yield Difference(source.path, "is in the source, not in the package")
            continue
        if not _is_same(source, digest, package.manifest.digest_of):
            yield Difference(source.path, "differs from the source")
    for path in digests:
        yield Difference(path, "is in the package, not in the source")


def _is_same(source: Source, digest: str, digest_of: DigestOf) -> bool:
    if digest_of == "file":
        return hashlib.sha256(source.file()).hexdigest() == digest
    return pixel_digest(source.pixels()) == digest


def _source_files(package: Package, found: Found) -> Iterator[Difference]:
    digests = {file.path: file.sha256 for file in package.manifest.files}
    kept = {each.path: digests[each.stored] for each in package.manifest.newest.sources}
    originals = {
        original.path: original.file
        for each in found.image_files
        for original in each.originals
        if original.path in kept
    }
    for path, file in [*((each.path, each.file) for each in found.files), *originals.items()]:
        digest = kept.pop(path, None)
        if digest is None:
            yield Difference(path, "is in the source, not in the package")
        elif file_digest(file) != digest:
            yield Difference(path, "differs from the source")
    for path in kept:
        yield Difference(path, "is in the package, not in the source")


def _in_workers(
    what: str,
    tasks: Sequence[WorkerTask[list[Difference]]],
    workers: Workers,
    show: Show,
) -> list[Difference]:
    """Return what the tasks find, in their order."""
    total = sum(len(task) for task in tasks)
    found = dict(workers.run(tasks, lambda done: show(what, done, total)))
    return [each for number in sorted(found) for each in found[number]]


@dataclass(frozen=True)
class _FilesTask:
    """Files of a package to compare with their SHA-256."""

    folder: Path
    files: tuple[StoredFile, ...]

    def __len__(self) -> int:
        return len(self.files)

    def run(self, count: Callable[[int], None]) -> list[Difference]:
        require_package_seen(self.folder)
        found = []
        for file in self.files:
            found.append(_compared(self.folder, file))
            count(1)
        return [each for each in found if each is not None]


def _file_tasks(package: Package) -> list[_FilesTask]:
    files = package.manifest.files
    rows = ranges([file.size for file in files], PART_BYTES)
    return [_FilesTask(package.folder, files[each.start : each.stop]) for each in rows]


@dataclass(frozen=True)
class _ImagesTask:
    """Images of a package to read through the store and to compare with the list."""

    rows: StoredRows
    paths: tuple[str, ...]
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def run(self, count: Callable[[int], None]) -> list[Difference]:
        require_package_seen(self.rows.folder)
        found = []
        listed = zip(self.rows.read(), self.paths, self.digests, strict=True)
        for (row, array), path, digest in listed:
            if pixel_digest(array) != digest:
                found.append(Difference(f"image {row} ({path})", "differs from its SHA-256"))
            count(1)
        return found


def _image_tasks(package: Package, images: pa.Table) -> list[_ImagesTask]:
    paths, digests = images["path"].to_pylist(), images[SHA256].to_pylist()
    return [
        _ImagesTask(
            StoredRows.of(package, None, rows),
            tuple(paths[rows.start : rows.stop]),
            tuple(digests[rows.start : rows.stop]),
        )
        for rows in ranges(pixel_sizes(images))
    ]


@dataclass(frozen=True)
class _SourcesTask:
    """Images of a source to compare with the SHA-256 of the package's."""

    sources: tuple[Source, ...]
    digests: tuple[str, ...]
    digest_of: DigestOf

    def __len__(self) -> int:
        return len(self.sources)

    def run(self, count: Callable[[int], None]) -> list[Difference]:
        found = []
        for source, digest in zip(self.sources, self.digests, strict=True):
            require_seen(source.file_path)
            if not _is_same(source, digest, self.digest_of):
                found.append(Difference(source.path, "differs from the source"))
            count(1)
        return found


def _source_images_in_workers(
    package: Package, found: Found, show: Show, workers: Workers
) -> list[Difference]:
    images = package.images()
    digests = dict(zip(images["path"].to_pylist(), images[SHA256].to_pylist(), strict=True))
    sizes = dict(zip(images["path"].to_pylist(), pixel_sizes(images), strict=True))
    here = [source for source in found.images if source.path in digests]
    tasks = [
        _SourcesTask(
            tuple(here[rows.start : rows.stop]),
            tuple(digests[source.path] for source in here[rows.start : rows.stop]),
            package.manifest.digest_of,
        )
        for rows in ranges([sizes[source.path] for source in here])
    ]
    differences = _in_workers("comparing with the source", tasks, workers, show)
    there = {source.path for source in found.images}
    differences += [
        Difference(source.path, "is in the source, not in the package")
        for source in found.images
        if source.path not in digests
    ]
    return differences + [
        Difference(path, "is in the package, not in the source")
        for path in digests
        if path not in there
    ]


def _line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0][:200] or type(error).__name__
