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
from collections.abc import Collection, Iterator
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
from platebench.images.folder import TIFF_ENDINGS, is_image
from platebench.limits import require_room
from platebench.packages.draft import publish, refuse_existing
from platebench.packages.hashing import pixel_digest
from platebench.packages.image_list import SHA256
from platebench.packages.manifest import StoredSource, safe_path
from platebench.packages.parts import PACKAGE, Show
from platebench.packages.stored import Package, open_package, require_memory
from platebench.results.strict_json import Damaged
from platebench.stores.contract import OpenStore

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
) -> Unpacked:
    """Write the files of a package, of its newest version by default, to a new folder.

    `show` is called with a step and how much of it is done. Raises UserError if the package or the
    destination cannot be used, or if something in the package differs from its digest; then there
    is no new folder.
    """
    package = open_package(folder)
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
        written = _images(package, version, images, originals, place, show)
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
        if len(opened) != len(paths):
            raise UserError(
                f"{package.folder}: has {len(opened)} images, not {len(paths)}; 'platebench check'"
                " tells more"
            )
        for done, (row, array) in enumerate(_read(opened, rows), 1):
            interrupts.check()
            if pixel_digest(array) != digests[row]:
                raise UserError(
                    f"{package.folder}: image {row} ({paths[row]}) differs from its SHA-256;"
                    " 'platebench check' tells more"
                )
            _write(place, tiff_path(paths[row]), array.data if is_file else _encoded(array))
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
    """True if an image, or the file that contains it, is among the files of sources/."""
    if path in originals:
        return True
    return any(str(above) in originals for above in PurePosixPath(path).parents)


def tiff_path(path: str) -> str:
    """Return the path of an image's file: `a/b.tif` itself, `a/b.tif/3.tif` for a plane."""
    return path if PurePosixPath(path).suffix.lower() in TIFF_ENDINGS else f"{path}.tif"


def _encoded(array: np.ndarray) -> bytes:
    axes = "YXS" if array.ndim == 3 and array.shape[2] in _SAMPLES else ""
    return tiff.encode(np.ascontiguousarray(array), axes)


def _write(place: Path, path: str, content: bytes | memoryview) -> None:
    """Write a new file below `place`. Raises UserError for a path that leaves it."""
    try:
        file = place / safe_path(path, "image")
    except Damaged as error:
        raise UserError(f"{error}; it is not unpacked") from error
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as opened:
            opened.write(content)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(f"{path}: the package has two files at this path") from error


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
    if not names or any(is_image(Path(path)) for path in originals):
        return 0  # they are in the CH5 files themselves
    with package.open(version) as opened:
        for name in names:
            target = place / f"{name}.csv"
            if target.exists():
                raise UserError(f"{name}.csv: the package has two files at this path")
            csv.write_csv(opened.read_table(name), target)
    return len(names)
