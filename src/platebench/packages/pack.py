"""Make a package of folders of images, tables and other files.

Which files of images are kept byte for byte: a TIFF file of one image is, if the store keeps files
(layout `tiff`, tunings `default` and `fast`). Of a file that contains several images (a stack, an
OME-TIFF, a CH5 movie) only the planes are kept, and of other stores only the pixels. `originals`
keeps such files beside them, in sources/. It is off by default: a package would be twice as large,
and who shares images wants the pixels to be readable at random, which the stack itself is not. What
is lost without it are metadata that no plane has (OME-XML, pyramids, segmentations of CH5; their
objects become a table). So `pack` says in one line which files it does not keep, and never touches
the source.

`platebench pack` chooses the store as `default_store` says. Without that, as from Python, it is
`parquet:tiff:fast` if every image is a TIFF file of its own: the package then gives every byte
back, and it is written and read as fast as the files themselves. Otherwise it is
`parquet:pixels:balanced` (LZ4), since there is no file to give back. By docs/tuning.md it has 0.58
of the raw bytes, and reads random rows from the disk as fast as uncompressed pixels do. Zarr's
balanced tuning (Bitshuffle and LZ4) is smaller, but takes twice the time for random rows, makes one
file per image, and holds images of one shape and dtype only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from platebench import __version__
from platebench.errors import UserError
from platebench.images.folder import FolderImages, unmatched
from platebench.images.names import file_pattern
from platebench.images.walk import Counted
from platebench.limits import require_room
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
    SOURCES,
    LeftOut,
    PackageManifest,
    PackageVersion,
    StoredFile,
    StoredSource,
)
from platebench.packages.parts import (
    PACKAGE,
    PART_BYTES,
    FilesPart,
    PartSource,
    Show,
    default_jobs,
    ranges,
    remove,
    storing,
)
from platebench.packages.source import Found, FoundFile, OnError, find, leave_out_broken, stop_at
from platebench.packages.stored import Package, versioned
from platebench.packages.typed_tables import FoundTables
from platebench.stores.name import StoreName
from platebench.workers import Workers

SINGLE_FILES = StoreName("parquet", "tiff", "fast")
OTHERS = StoreName("parquet", "pixels", "balanced")


@dataclass(frozen=True)
class PackSettings:
    """How a package is made. Of `originals` and the default store, see the module's docstring.

    Without a `store`, `choose` is asked for one, with the images known by their headers.

    `jobs` is the number of processes, by default that of `parts.default_jobs`; with `workers`
    it does not count, as those of a Dask cluster write the parts. `pattern`
    is that of `images.names.file_pattern`.
    `part_bytes` are the most pixel bytes of a part.
    """

    store: StoreName | None = None
    choose: Callable[[FolderImages], StoreName | None] = lambda images: None
    jobs: int | None = None
    on_error: OnError = "stop"
    originals: bool = False
    resume: bool = False
    name: str = ""
    licence: str = ""
    citation: str = ""
    author: str = ""
    pattern: str | None = None
    part_bytes: int = PART_BYTES
    workers: Workers | None = None


@dataclass(frozen=True)
class Packed:
    """A package that was made, and what there is to say about it."""

    package: Package
    refused: tuple[LeftOut, ...]
    planes_only: tuple[str, ...]
    """Paths of the files of which only the planes, or the pixels, are kept."""

    notes: tuple[str, ...] = ()
    """Which files the pattern does not fit, and which sites lack a channel."""


def pack(
    sources: Sequence[Path],
    destination: Path,
    settings: PackSettings | None = None,
    show: Show = lambda what, done, total: None,
) -> Packed:
    """Make the package `destination` of folders or image files. Nothing in them is changed.

    `show` is called with a step and how much of it is done. Raises UserError, which names the file
    and what to do, for a source or a destination that cannot be used; then there is no package.
    """
    settings = settings or PackSettings()
    destination = destination.absolute()
    refuse_existing(destination)
    if settings.workers is not None:  # their current folder is another one
        sources = [source.absolute() for source in sources]
    found = find(
        sources, settings.pattern, lambda done, total: show("reading headers", done, total)
    )
    if settings.on_error == "stop":
        stop_at(found)
    else:
        leave_out_broken(found, lambda *count: show("decoding images", *count))
    if not found.images:
        stop_at(found)
        raise UserError(f"{sources[0]}: contains no TIFF or CH5 file; name another folder")
    counted = Counted()
    if settings.pattern is not None:
        files = [each.file for each in found.image_files]
        counted.unmatched = unmatched(files, file_pattern(settings.pattern))
    images = FolderImages(Path(), found.name, found.images, counted)
    name = settings.store or settings.choose(images) or default_store(found)
    store = versioned(name)
    kept, planes_only = _kept_files(found, settings.originals, store.keeps_files)
    require_room(destination.parent, _least_bytes(found, kept), "the package")
    task = {
        "sources": [str(source.absolute()) for source in sources],
        "destination": str(destination),
        "store": str(name),
        "pattern": settings.pattern,
        "part bytes": settings.part_bytes,
        "platebench": __version__,
    }
    jobs = settings.jobs or default_jobs(images.pixel_bytes)
    refused = list(found.refused)
    tables = FoundTables(found)

    def refuse(table: str, error: UserError) -> None:
        if settings.on_error == "stop":
            raise UserError(f"{error}; repair it, or leave it out with --on-error skip") from error
        refused.append(LeftOut(tables.source(table) or table, str(error)))

    with drafted(destination, task, settings.resume) as draft, storing(name):
        package = draft / PACKAGE
        parts = _divided(found, images, part_bytes(name, settings.part_bytes), part_images(name))
        given = Given(parts, tables, tables.source, images.table)
        built = build(draft, name, given, jobs, show, refuse, settings.workers)
        stored, copies = _copied(kept, package)
        version = PackageVersion(
            number=1,
            created=now(),
            data_version=built.data_version,
            images=len(images),
            pixel_bytes=images.pixel_bytes,
            image_list=IMAGES,
            tables=built.tables,
            sources=stored,
            note="packed",
        )
        manifest = PackageManifest(
            store=name,
            name=settings.name or found.name,
            created=version.created,
            digest_of="file" if store.keeps_files else "pixels",
            versions=(version,),
            files=(*built.files, *copies),
            left_out=(*found.left_out, *refused),
            licence=settings.licence or found.licence,
            citation=settings.citation or found.citation,
            author=settings.author,
            libraries=libraries_of(name),
        )
        manifest = finish(package, manifest, image_list(images.table, built.digests))
    return Packed(
        Package(destination, manifest), tuple(refused), tuple(planes_only), tuple(counted.notes())
    )


def default_store(found: Found) -> StoreName:
    """Return the store that suits the source, see the module's docstring."""
    return SINGLE_FILES if all(each.is_one_image for each in found.image_files) else OTHERS


def _divided(found: Found, images: FolderImages, most: int, most_images: int) -> list[PartSource]:
    sizes = [images.image_bytes(row) for row in range(len(images))]
    return [
        FilesPart(found.name, rows.start, tuple(found.images[rows.start : rows.stop]))
        for rows in ranges(sizes, most, most_images)
    ]


def _kept_files(
    found: Found, originals: bool, keeps_files: bool
) -> tuple[list[FoundFile], list[str]]:
    """Return the files to copy to sources/, and the image files that are not kept."""
    not_kept = [each for each in found.image_files if not (each.is_one_image and keeps_files)]
    kept = list(found.files)
    if originals:
        kept += [original for each in not_kept for original in each.originals]
        return sorted(kept), []
    return kept, [each.path for each in not_kept]


def _copied(
    kept: Sequence[FoundFile], package: Path
) -> tuple[tuple[StoredSource, ...], list[StoredFile]]:
    """Copy files to sources/."""
    remove(package / SOURCES)  # of a draft that was taken up
    copies = [copy_hashed(each.file, package / SOURCES / each.path, package) for each in kept]
    sync_folders(package / SOURCES)
    return tuple(StoredSource(each.path, f"{SOURCES}/{each.path}") for each in kept), copies


def _least_bytes(found: Found, kept: Sequence[FoundFile]) -> int:
    """Return the disk space that is surely needed, in bytes: that of the files that are copied."""
    return sum(each.file.stat().st_size for each in kept)
