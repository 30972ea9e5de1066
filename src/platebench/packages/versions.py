"""Versions of a package: list them, add images and rows, go back.

A version is complete when the manifest names it. What is added is on the disk before the manifest
is replaced, which is atomic; no file that the old manifest names is changed. So a process that is
killed leaves the package as it was, with files beside it that `check` names as not in the manifest.
The next version takes them into its list, and does not use them.

The list of images of version n is `images-00000n.csv`; `images.csv` stays that of version 1. A
restored version has the list of the version that it restores. Files that are added go to
`sources/`. Where their path is taken, it begins with `version-2/`, here and when they are unpacked:
the table of another plate is often named as that of the first one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from platebench.drafts import Lent, sweep
from platebench.errors import UserError
from platebench.images.folder import FolderImages
from platebench.images.walk import Counted
from platebench.locks import sole
from platebench.packages.build import TABLES, now, with_files
from platebench.packages.hashing import (
    HashedImages,
    copy_hashed,
    files_below,
    settled,
    sync_folders,
    write_hashed,
)
from platebench.packages.image_list import image_list, list_bytes
from platebench.packages.manifest import (
    DATA,
    MANIFEST,
    SOURCES,
    LeftOut,
    PackageManifest,
    PackageVersion,
    StoredSource,
    StoredTable,
    write_manifest,
)
from platebench.packages.parts import (
    PACKAGE,
    PART_BYTES,
    PART_IMAGES,
    FilesPart,
    PartTask,
    Show,
    default_jobs,
    ranges,
    storing,
    write_parts,
)
from platebench.packages.source import Found, find, stop_at
from platebench.packages.stored import Package, open_package
from platebench.packages.typed_tables import FoundTables, told_of
from platebench.stores.contract import VersionedStore
from platebench.stores.part_list import PARTS, PartList

_LOCK = ".platebench-versions"


def add(
    folder: Path,
    sources: Sequence[Path],
    jobs: int | None = None,
    originals: bool = False,
    pattern: str | None = None,
    show: Show = lambda what, done, total: None,
    most: int = PART_BYTES,
) -> PackageVersion:
    """Add the images, tables and files of sources as a new version, and return it.

    A table of the same name gets more rows; its columns must be the same. Raises UserError for a
    broken file, and for an image whose path the package has already; then nothing is changed.
    """
    with _changing(folder) as package:
        found = find(sources, pattern, lambda *count: show("reading headers", *count))
        stop_at(found)
        if not found.images:
            raise UserError(f"{sources[0]}: contains no TIFF or CH5 file; name another folder")
        listed = package.images()
        known = set(listed["path"].to_pylist())
        twice = next((each.path for each in found.images if each.path in known), None)
        if twice is not None:
            raise UserError(f"{twice}: the package has an image of this path; rename the file")
        adding = _Adding(package, found, listed, originals, show)
        return adding.run(jobs or default_jobs(adding.pixel_bytes), most)


def restore(folder: Path, number: int) -> PackageVersion:
    """Make an old version the newest again. No image is copied.

    Raises UserError if there is no such version.
    """
    with _changing(folder) as package:
        old = package.manifest.version(number)
        version = package.store.restore(package.data, old.data_version)
        new = replace(
            old,
            number=package.manifest.newest.number + 1,
            created=now(),
            data_version=version,
            note=f"restored from version {number}",
        )
        _commit(package, new, [])
        return new


@contextmanager
def _changing(folder: Path) -> Iterator[Package]:
    """Open a package that no other process changes meanwhile."""
    folder = folder.absolute()
    open_package(folder)
    with sole(folder.parent / f".{folder.name[:200]}{_LOCK}", f"{folder} is being changed"):
        yield open_package(folder)


class _Adding:
    """The steps that add a version."""

    def __init__(
        self, package: Package, found: Found, listed: pa.Table, originals: bool, show: Show
    ) -> None:
        self._package = package
        self._found = found
        self._listed = listed
        self._show = show
        self._number = package.manifest.newest.number + 1
        self._first = listed.num_rows
        self._tables = FoundTables(found)
        whole = FolderImages(Path(), found.name, found.images, Counted())
        self._images = whole.select(range(len(whole)), self._first)
        self.pixel_bytes = whole.pixel_bytes
        self._sizes = [whole.image_bytes(row) for row in range(len(whole))]
        keeps = package.store.keeps_files
        self._kept = list(found.files)
        if originals:
            self._kept += [
                original
                for each in found.image_files
                if not (each.is_one_image and keeps)
                for original in each.originals
            ]

    def run(self, jobs: int, most: int) -> PackageVersion:
        """Add the version. What may fail for lack of room is written beside the package first."""
        package, manifest = self._package, self._package.manifest
        store = package.store
        sweep(package.folder.parent, package.folder.name)
        with (
            storing(manifest.store),
            Lent.below(package.folder.parent, package.folder.name) as lent,
        ):
            draft = lent.path
            new = draft / PACKAGE
            new.mkdir()
            store.tables_at(package.data).check_appendable(self._tables)
            sources = self._copy_sources(new)
            if isinstance(store, PartList):
                tables = self._write_tables(store, draft)
                parts = write_parts(self._tasks(draft, most), jobs, self._show)
                digests = [digest for part in parts for digest in part.digests]
                listed = self._write_list(digests, new)
                self._move(new)
                names = [part.name for part in parts]
                data_version = store.publish_more(
                    package.data, manifest.newest.data_version, names, tables
                )
            else:
                data_version, digests = self._append(store)
                listed = self._write_list(digests, new)
                self._move(new)
        version = PackageVersion(
            number=self._number,
            created=now(),
            data_version=data_version,
            images=listed.num_rows,
            pixel_bytes=manifest.pixel_bytes + self.pixel_bytes,
            image_list=self._list_name,
            tables=self._told(data_version),
            sources=(*manifest.newest.sources, *sources),
            note=f"{len(digests)} images added",
        )
        _commit(package, version, self._found.left_out)
        return version

    @property
    def _list_name(self) -> str:
        return f"images-{self._number:06d}.csv"

    def _tasks(self, draft: Path, most: int) -> list[PartTask]:
        before = sum(1 for _ in (self._package.data / PARTS).iterdir())
        return [
            PartTask(
                before + number,
                self._package.manifest.store,
                draft,
                FilesPart(
                    self._found.name,
                    self._first + rows.start,
                    tuple(self._found.images[rows.start : rows.stop]),
                ),
            )
            for number, rows in enumerate(ranges(self._sizes, most, PART_IMAGES))
        ]

    def _write_tables(self, store: PartList, draft: Path) -> list[str]:
        """Write a part with the rows of all tables, and return its name; none without tables."""
        if not len(self._tables):
            return []
        name = f"{TABLES}-{self._number:06d}-{draft.name[-8:]}"
        place = draft / PACKAGE / DATA / PARTS / name
        place.parent.mkdir(parents=True, exist_ok=True)
        store.base.tables_at(place).write(self._tables)
        settled(place, draft / PACKAGE)
        return [name]

    def _write_list(self, digests: Sequence[str], new: Path) -> pa.Table:
        listed = pa.concat_tables([self._listed, image_list(self._images.table, digests)])
        write_hashed(new / self._list_name, list_bytes(listed), new)
        return listed

    def _append(self, store: VersionedStore) -> tuple[int, list[str]]:
        """Have the store add the images and rows."""
        data, current = self._package.data, self._package.manifest.newest.data_version
        if max(each.number for each in store.versions(data)) != current:
            store.restore(data, current)  # a process was killed after it had added a version
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            self._show("packing", done, len(self._images))

        hashed = HashedImages(self._images, self._package.manifest.digest_of, count)
        hashed.tables = self._tables
        try:
            return store.append(hashed, data), hashed.finish()
        finally:
            hashed.close()

    def _copy_sources(self, new: Path) -> list[StoredSource]:
        taken = {each.path for each in self._package.manifest.newest.sources}
        stored = []
        for each in self._kept:
            path = f"version-{self._number}/{each.path}" if each.path in taken else each.path
            copy_hashed(each.file, new / SOURCES / path, new)
            stored.append(StoredSource(path, f"{SOURCES}/{path}"))
        return stored

    def _move(self, new: Path) -> None:
        """Move all files of the draft into the package. Files of a killed process are replaced."""
        folder = self._package.folder
        for place, _, names in os.walk(new):
            target = folder / Path(place).relative_to(new)
            target.mkdir(exist_ok=True)
            if not target.resolve().is_relative_to(folder.resolve()):
                raise UserError(f"{target}: is a link that leaves the package")
            for name in names:
                Path(place, name).replace(target / name)
        sync_folders(folder)

    def _told(self, data_version: int) -> tuple[StoredTable, ...]:
        """Return what the manifest says of all tables of the version."""
        before = {each.name: each for each in self._package.manifest.tables}
        told = []
        with self._package.store.open(self._package.data, data_version) as opened:
            images = opened.table()
            for name in opened.tables():
                if name in before and name not in set(self._tables):
                    told.append(before[name])
                    continue
                source = before[name].source if name in before else self._tables.source(name)
                told.append(told_of(name, opened.read_table(name), source, images))
        return tuple(told)


def _commit(
    package: Package, version: PackageVersion, left_out: Sequence[LeftOut]
) -> PackageManifest:
    """Replace the manifest. All that it names is on the disk by then."""
    folder, manifest = package.folder, package.manifest
    known = {file.path: file for file in manifest.files}
    before = (folder / MANIFEST).stat().st_mtime_ns
    listed = []
    for file in files_below(folder):
        path = file.relative_to(folder).as_posix()
        if path == MANIFEST:
            continue
        status = file.stat()
        old = known.get(path)
        # A file that is older than the manifest has not been replaced since.
        if old is not None and old.size == status.st_size and status.st_mtime_ns <= before:
            listed.append(old)
        else:
            listed += settled(file, folder)
    sync_folders(folder)
    changed = with_files(
        replace(
            manifest,
            versions=(*manifest.versions, version),
            left_out=(*manifest.left_out, *left_out),
        ),
        listed,
    )
    write_manifest(changed, folder)
    return changed
