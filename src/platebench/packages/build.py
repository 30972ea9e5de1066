"""Fill a draft with the stored image set, and finish it with the list, the README, the manifest."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from platebench.errors import UserError
from platebench.optional import installed_version
from platebench.packages import crate, readme
from platebench.packages.hashing import files_below, settled, sync_folders, write_hashed
from platebench.packages.image_list import list_bytes
from platebench.packages.manifest import (
    DATA,
    PackageManifest,
    StoredFile,
    StoredTable,
    write_manifest,
)
from platebench.packages.parts import (
    PACKAGE,
    PART_IMAGES,
    PartSource,
    PartTask,
    Show,
    remove,
    write_parts,
)
from platebench.packages.stored import versioned
from platebench.packages.typed_tables import storable, write_tables
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.part_list import PARTS, PartList
from platebench.stores.tables import StoredTables
from platebench.workers import Workers

TABLES = "tables"
"""The part of a part list that has the tables."""


@dataclass(frozen=True)
class Given:
    """What is stored: images in parts, tables, the path of each table's file, the images' table."""

    parts: Sequence[PartSource]
    tables: Mapping[str, pa.Table]
    table_source: Callable[[str], str]
    images_table: pa.Table


@dataclass(frozen=True)
class Built:
    """The stored image set: its version, the SHA-256 of the images, its tables and files."""

    data_version: int
    digests: tuple[str, ...]
    tables: tuple[StoredTable, ...]
    files: tuple[StoredFile, ...]


def build(
    draft: Path,
    name: StoreName,
    given: Given,
    jobs: int,
    show: Show,
    refused: Callable[[str, UserError], None],
    workers: Workers | None = None,
) -> Built:
    """Write the stored image set of a draft to the disk.

    `jobs` and `workers` are as in `write_parts`. Tables come first: they are quick, and a broken
    one is told before hours of images. Raises UserError as `write_parts` does; `refused` gets the
    tables that cannot be written.
    """
    package = draft / PACKAGE
    data = package / DATA
    store = versioned(name)
    tasks = [
        PartTask(number, name, draft, source, whole=not isinstance(store, PartList))
        for number, source in enumerate(given.parts)
    ]

    def written(names: Iterable[str], place: Path, stored: StoredTables) -> tuple[StoredTable, ...]:
        found = write_tables(
            given.tables, names, given.table_source, given.images_table, place, stored, refused
        )
        return tuple(found)

    _remove_unfinished(package)
    if isinstance(store, PartList):
        place = data / PARTS / TABLES
        remove(place)
        tables = written(given.tables, place, store.base.tables_at(place))
        files = settled(place, package) if tables else []
        parts = write_parts(tasks, jobs, show, workers)
        files += [file for part in parts for file in part.files]
        version = store.publish_first(
            data, [part.name for part in parts], [TABLES] if tables else []
        )
    else:
        if workers is not None:
            workers.say(
                f"{name} keeps versions of its own, so one process writes it; the Dask workers have"
                " nothing to do"
            )
        # Its tables are versions of what the images began, so they can only follow the images. What
        # cannot be stored is told before.
        remove(data)
        stored = store.tables_at(data)
        names = [name for name, _ in storable(given.tables, given.tables, stored, refused)]
        parts = write_parts(tasks, 1, show)
        tables = written(names, data, store.tables_at(data))
        files = []
        version = max(each.number for each in store.versions(data))
    known = {file.path for file in files}
    rest = [file for file in files_below(data) if file.relative_to(package).as_posix() not in known]
    files += [each for file in rest for each in settled(file, package)]
    sync_folders(data)
    digests = tuple(digest for part in parts for digest in part.digests)
    if len(digests) != given.images_table.num_rows:
        raise UserError(f"{name}: stored {len(digests)} of {given.images_table.num_rows} images")
    return Built(version, digests, tables, tuple(files))


def _remove_unfinished(package: Path) -> None:
    """Remove what a killed process left of the steps after the parts, which are done again."""
    for folder, kept in ((package, DATA), (package / DATA, PARTS)):
        for place in list(folder.iterdir()) if folder.is_dir() else []:
            if place.name != kept:
                remove(place)


def part_bytes(name: StoreName, most: int) -> int:
    """Return the most bytes of a part: no limit for a store that writes all images itself."""
    return most if isinstance(versioned(name), PartList) else sys.maxsize


def part_images(name: StoreName) -> int:
    """Return the most images of a part: no limit for a store that writes all images itself."""
    return PART_IMAGES if isinstance(versioned(name), PartList) else sys.maxsize


def finish(package: Path, manifest: PackageManifest, images: pa.Table) -> PackageManifest:
    """Write the list of images, the README, the RO-Crate and the manifest. Returns the manifest."""
    path = manifest.newest.image_list
    added = [write_hashed(package / path, list_bytes(images), package)]
    added.append(
        write_hashed(
            package / readme.NAME, readme.readme(manifest, versioned(manifest.store)), package
        )
    )
    manifest = with_files(manifest, [*manifest.files, *added])
    added.append(write_hashed(package / crate.NAME, crate.crate(manifest), package))
    manifest = with_files(manifest, [*manifest.files, added[-1]])
    write_manifest(manifest, package)
    return manifest


def with_files(manifest: PackageManifest, files: Sequence[StoredFile]) -> PackageManifest:
    """Return the manifest with these files, sorted."""
    return replace(manifest, files=tuple(sorted(files, key=lambda file: file.path)))


def libraries_of(name: StoreName) -> dict[str, str]:
    """Return the versions of the libraries that write a store, and of platebench."""
    needs = ("platebench", *registry.needs_of(name))
    return {library: installed_version(library) or "unknown" for library in needs}


def now() -> str:
    """Return the time (UTC) to the second: 2026-01-31T12:00:00+00:00."""
    return datetime.now(UTC).isoformat(timespec="seconds")
