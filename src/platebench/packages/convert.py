"""Store a package's images and tables in another way, as a new package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from platebench import __version__
from platebench.errors import UserError
from platebench.images.table_digest import table_digest
from platebench.packages.build import (
    Given,
    build,
    finish,
    libraries_of,
    now,
    part_bytes,
    part_images,
)
from platebench.packages.draft import drafted, refuse_existing
from platebench.packages.hashing import copy_hashed, sync_folders
from platebench.packages.image_list import image_list
from platebench.packages.manifest import (
    IMAGES,
    MANIFEST,
    SOURCES,
    PackageManifest,
    PackageVersion,
    StoredTable,
)
from platebench.packages.parts import (
    PACKAGE,
    PART_BYTES,
    Show,
    default_jobs,
    files_state,
    ranges,
    remove,
    storing,
)
from platebench.packages.stored import Package, open_package, pixel_sizes, require_memory, versioned
from platebench.packages.stored_images import PackagePart
from platebench.stores.name import StoreName
from platebench.workers import Workers


@dataclass(frozen=True)
class PackageTables(Mapping[str, pa.Table]):
    """The tables of a version of a package, each read on access and compared with its digest."""

    package: Package
    version: int

    def __getitem__(self, name: str) -> pa.Table:
        digests = {each.name: each.digest for each in self._listed}
        with self.package.open(self.version) as opened:
            table = opened.read_table(name)
        if table_digest(table) != digests[name]:
            raise UserError(
                f"table {name!r} differs from its digest; 'platebench check' tells more"
            )
        return table

    def __iter__(self) -> Iterator[str]:
        return (each.name for each in self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    def source(self, name: str) -> str:
        """Return the path of the text file that a table was read from."""
        return next(each.source for each in self._listed if each.name == name)

    @property
    def _listed(self) -> tuple[StoredTable, ...]:
        return self.package.manifest.version(self.version).tables


def convert(
    folder: Path,
    destination: Path,
    store: StoreName,
    version: int | None = None,
    jobs: int | None = None,
    resume: bool = False,
    show: Show = lambda what, done, total: None,
    most: int = PART_BYTES,
    workers: Workers | None = None,
) -> PackageManifest:
    """Make the package `destination` from a version of another one, with another store.

    Each image and table is compared with its digest when it is read. TIFF files are kept as they
    are if both stores keep files; otherwise their pixels. `jobs` and `workers` are as in
    `write_parts`. Raises UserError if the package or the
    destination cannot be used, or if something has changed; then there is no new package.
    """
    package = open_package(folder.absolute())
    destination = destination.absolute()
    refuse_existing(destination)
    chosen = package.manifest.version(version)
    keeps_files = versioned(store).keeps_files
    listed = package.images(chosen.number)
    require_memory(listed)
    with package.open(chosen.number) as opened:
        images_table = opened.table()
    tables = PackageTables(package, chosen.number)

    def refuse(table: str, error: UserError) -> None:
        raise error

    task = {
        "package": str(package.folder),
        "state": files_state([package.folder / MANIFEST]),
        "version": chosen.number,
        "destination": str(destination),
        "store": str(store),
        "part bytes": most,
        "platebench": __version__,
    }
    with drafted(destination, task, resume) as draft, storing(store):
        place = draft / PACKAGE
        parts = [
            PackagePart(package, chosen.number, rows)
            for rows in ranges(pixel_sizes(listed), part_bytes(store, most), part_images(store))
        ]
        given = Given(parts, tables, tables.source, images_table)
        jobs = jobs or default_jobs(chosen.pixel_bytes)
        built = build(draft, store, given, jobs, show, refuse, workers)
        remove(place / SOURCES)
        copies = [
            copy_hashed(package.folder / each.stored, place / SOURCES / each.path, place)
            for each in chosen.sources
        ]
        digests = {file.path: file.sha256 for file in package.manifest.files}
        for each, copy in zip(chosen.sources, copies, strict=True):
            if digests[each.stored] != copy.sha256:
                raise UserError(
                    f"{package.folder / each.stored}: differs from its SHA-256; 'platebench check'"
                    " tells more"
                )
        sync_folders(place / SOURCES)
        new = PackageVersion(
            number=1,
            created=now(),
            data_version=built.data_version,
            images=chosen.images,
            pixel_bytes=chosen.pixel_bytes,
            image_list=IMAGES,
            tables=built.tables,
            sources=tuple(
                replace(each, stored=f"{SOURCES}/{each.path}") for each in chosen.sources
            ),
            note=f"converted from version {chosen.number}, {package.manifest.store}",
        )
        manifest = replace(
            package.manifest,
            store=store,
            created=new.created,
            digest_of="file" if keeps_files else "pixels",
            versions=(new,),
            files=(*built.files, *copies),
            libraries=libraries_of(store),
        )
        return finish(place, manifest, image_list(images_table, built.digests))
