"""Write the files that a package was made of.

- Images whose TIFF files the store keeps: these files, byte for byte. Others: their pixels, as
  uncompressed TIFF files at the same paths. A plane of a file of several images becomes a file in
  a folder named as that file: `stack.tif/3.tif`.
- Files in sources/: byte for byte, at their paths. The planes of a file that is there are not
  written once more.
- Tables that came from no text file, such as the objects of CH5 files: CSV files.

Each image is compared with its SHA-256 before it is written. No path leaves the folder.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
from pyarrow import csv

from platebench import interrupts
from platebench.drafts import Lent, sweep
from platebench.errors import UserError
from platebench.folders import make_parents
from platebench.images import tiff
from platebench.images.folder import CELLH5_ENDINGS, TIFF_ENDINGS
from platebench.limits import require_room
from platebench.packages.draft import publish, refuse_existing
from platebench.packages.hashing import files_below, pixel_digest
from platebench.packages.image_list import SHA256
from platebench.packages.manifest import StoredSource, safe_path
from platebench.packages.parts import APART, PACKAGE, Show, ranges
from platebench.packages.stored import Package, open_package, pixel_sizes, require_memory
from platebench.packages.stored_rows import StoredRows, require_package_seen
from platebench.results.strict_json import Damaged
from platebench.stores.contract import OpenStore
from platebench.workers import Workers, require_seen

_SAMPLES = (2, 3, 4)
"""Lengths of a last axis that is one of samples."""


@dataclass(frozen=True)
class Unpacked:
    """What was written: numbers of files of images, of other files, and of tables."""

    images: int
    sources: int
    tables: int
    byte_for_byte: bool


def unpack(
    folder: Path,
    destination: Path,
    version: int | None = None,
    show: Show = lambda what, done, total: None,
    workers: Workers | None = None,
) -> Unpacked:
    """Write the files of a package, of its newest version by default, to a new folder.

    `show` is called with a step and how much of it is done. With `workers` of a Dask cluster, they
    write the images. Raises UserError if the package or the destination cannot be used, or if
    something in the package differs from its digest; then there is no new folder.
    """
    package = open_package(folder.absolute() if workers else folder)
    destination = destination.absolute()
    refuse_existing(destination)
    chosen = package.manifest.version(version)
    images = package.images(version)
    require_memory(images)
    require_room(destination.parent, chosen.pixel_bytes // 4, "the files")
    make_parents(destination.parent)
    sweep(destination.parent, destination.name)
    with Lent.below(destination.parent, destination.name) as lent:
        place = lent.path / PACKAGE
        place.mkdir()
        originals = {each.path for each in chosen.sources}
        if workers is None:
            written = _images(package, version, images, originals, place, show)
        else:
            written = _in_workers(package, version, images, originals, lent.path, show, workers)
        _sources(package, chosen.sources, place)
        tables = _tables(package, version, originals, place)
        os.sync()
        publish(place, destination)
    whole = package.manifest.digest_of == "file"
    return Unpacked(written, len(chosen.sources), tables, whole)


def _images(
    package: Package,
    version: int | None,
    images: pa.Table,
    originals: Collection[str],
    place: Path,
    show: Show,
) -> int:
    paths, digests = images["path"].to_pylist(), images[SHA256].to_pylist()
    rows = [row for row, path in enumerate(paths) if not _is_in(path, originals)]
    is_file = package.manifest.digest_of == "file"
    with package.open_digested(version) as opened:
        _require_images(package, len(opened), len(paths))
        for done, (row, array) in enumerate(_read(opened, rows), 1):
            interrupts.check()
            content = _content(package.folder, (row, array), (paths[row], digests[row]), is_file)
            _write(place, tiff_path(paths[row]), content)
            show("unpacking", done, len(rows))
    return len(rows)


def _read(opened: OpenStore, rows: list[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield these rows: all in one scan, in bounded memory, or one after another."""
    if len(rows) == len(opened):
        yield from enumerate(opened.scan())
        return
    for row in rows:
        for array in opened.take([row]):
            yield row, array


def _is_in(path: str, originals: Collection[str]) -> bool:
    """True if an image, or the file that contains it, is among the files of sources/.

    The folder of an OME-Zarr image is there if its metadata are.
    """
    if path in originals:
        return True
    return any(
        str(above) in originals
        or f"{above}/zarr.json" in originals
        or f"{above}/.zgroup" in originals
        for above in PurePosixPath(path).parents
    )


def tiff_path(path: str) -> str:
    """Return the path of an image's file: `a/b.tif` itself, `a/b.tif/3.tif` for a plane."""
    return path if PurePosixPath(path).suffix.lower() in TIFF_ENDINGS else f"{path}.tif"


def _require_images(package: Package, there: int, listed: int) -> None:
    if there != listed:
        raise UserError(
            f"{package.folder}: has {there} images, not {listed}; 'platebench check' tells more"
        )


def _content(
    folder: Path, read: tuple[int, np.ndarray], listed: tuple[str, str], is_file: bool
) -> bytes | memoryview:
    """Return the TIFF file of an image that was read, as its row and array.

    Raises UserError if it differs from what is listed, a path and a SHA-256.
    """
    (row, array), (path, digest) = read, listed
    if pixel_digest(array) != digest:
        raise UserError(
            f"{folder}: image {row} ({path}) differs from its SHA-256; 'platebench check' tells"
            " more"
        )
    return array.data if is_file else _encoded(array)


def _encoded(array: np.ndarray) -> bytes:
    axes = "YXS" if array.ndim == 3 and array.shape[2] in _SAMPLES else ""
    return tiff.encode(np.ascontiguousarray(array), axes)


def _write(place: Path, path: str, content: bytes | memoryview) -> None:
    """Write a new file below `place`. Raises UserError for a path that leaves it."""
    file = _below(place, path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as opened:
            opened.write(content)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(f"{path}: the package has two files at this path") from error


def _below(place: Path, path: str) -> Path:
    try:
        return place / safe_path(path, "image")
    except Damaged as error:
        raise UserError(f"{error}; it is not unpacked") from error


@dataclass(frozen=True)
class _Images:
    """Images that a Dask worker unpacks to `place`: each aside first, then at its path."""

    rows: StoredRows
    listed: tuple[tuple[str, str], ...]
    draft: Path

    def __len__(self) -> int:
        return len(self.listed)

    def run(self, count: Callable[[int], None]) -> None:
        """Write the files. One that is there was written by a worker that died, and is replaced."""
        require_package_seen(self.rows.folder)
        require_seen(self.draft / APART)
        part = self.draft / APART / uuid.uuid4().hex
        is_file = self.rows.digest_of == "file"
        try:
            for read, (path, digest) in zip(self.rows.read(), self.listed, strict=True):
                part.write_bytes(_content(self.rows.folder, read, (path, digest), is_file))
                part.replace(self.draft / PACKAGE / tiff_path(path))
                count(1)
        finally:
            part.unlink(missing_ok=True)
        os.sync()


def _in_workers(
    package: Package,
    version: int | None,
    images: pa.Table,
    originals: Collection[str],
    draft: Path,
    show: Show,
    workers: Workers,
) -> int:
    place = draft / PACKAGE
    paths, digests = images["path"].to_pylist(), images[SHA256].to_pylist()
    rows = [row for row, path in enumerate(paths) if not _is_in(path, originals)]
    with package.open_digested(version) as opened:
        _require_images(package, len(opened), len(paths))
    files = {_below(place, tiff_path(paths[row])) for row in rows}
    folders = {file.parent for file in files}
    if len(files) < len(rows) or files & {each for file in files for each in file.parents}:
        raise UserError(f"{package.folder}: has two files at one path")
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    (draft / APART).mkdir()
    sizes = pixel_sizes(images)
    tasks = []
    for each in ranges([sizes[row] for row in rows]):
        chosen = tuple(rows[each.start : each.stop])
        listed = tuple((paths[row], digests[row]) for row in chosen)
        tasks.append(_Images(StoredRows.of(package, version, chosen), listed, draft))
    for _ in workers.run(tasks, lambda done: show("unpacking", done, len(rows))):
        pass
    if len(files_below(place)) != len(rows) and rows:
        raise UserError(f"{draft.parent}: two names of the package are one in this file system")
    return len(rows)


def _sources(package: Package, sources: Collection[StoredSource], place: Path) -> None:
    digests = {file.path: file.sha256 for file in package.manifest.files}
    for source in sources:
        interrupts.check()
        file = package.folder / source.stored
        if not file.resolve().is_relative_to(package.folder.resolve()):
            raise UserError(f"{file}: is a link that leaves the package")
        state = hashlib.sha256()
        target = place / source.path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as opened, target.open("xb") as sink:
                while piece := opened.read(2**22):
                    state.update(piece)
                    sink.write(piece)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise UserError(f"{source.path}: the package has two files at this path") from error
        except FileNotFoundError as error:
            raise UserError(f"{file}: is missing; 'platebench check' tells more") from error
        if state.hexdigest() != digests[source.stored]:
            raise UserError(f"{file}: differs from its SHA-256; 'platebench check' tells more")


def _tables(package: Package, version: int | None, originals: Collection[str], place: Path) -> int:
    """Write the tables that are in no file of sources/ as CSV files."""
    chosen = package.manifest.version(version)
    names = [table.name for table in chosen.tables if not table.source]
    if not names or any(PurePosixPath(path).suffix.lower() in CELLH5_ENDINGS for path in originals):
        return 0  # they are in the CH5 files themselves
    with package.open(version) as opened:
        for name in names:
            target = place / f"{name}.csv"
            if target.exists():
                raise UserError(f"{name}.csv: the package has two files at this path")
            csv.write_csv(opened.read_table(name), target)
    return len(names)
