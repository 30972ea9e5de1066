"""The work folder: a cache of image sets and written stores, invalidated by fingerprint.

    .platebench-work                        the mark: this folder is platebench's own
    images/raw-64/                          a decoded image set, its generated tables of objects
    stores/raw-64/parquet.pixels.fast/      what one store keeps: `data`, `history` and others
                                            (`Kind`), each a file or a folder, and a note of each
    scratch/                                copies that an operation may change
    arms/ environments/ checkouts/          what comparisons need
    locks/                                  who makes or measures something at this moment

A note (`data.json`) is written last and holds a fingerprint of the images, the library versions
and the source of the store. Files without a note, or with another fingerprint, are stale: they are
rewritten and never measured.

PLATEBENCH_WORK names a folder of the user's. The work folder is `platebench` in it, never that
folder itself, so nothing that lies there is taken for platebench's.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from platebench.atomic_files import write_whole
from platebench.drafts import Lent, sweep
from platebench.errors import UserError
from platebench.images.decoded_cache import KIND, DecodedImages, decode_to_cache, is_cached
from platebench.images.generated import NAMES, generated
from platebench.images.imageset import ImageSet
from platebench.images.object_cache import cached_objects
from platebench.images.objects import VERSION as OBJECTS_VERSION
from platebench.images.objects import with_objects
from platebench.images.set_profiles import SetProfile, require_whole_sites, set_bytes
from platebench.images.walk import walk
from platebench.limits import require_room
from platebench.locks import in_turn, sole
from platebench.optional import installed_version
from platebench.ownership import FolderKind, claim, discard, is_ours, refuse_others, remove
from platebench.stores import registry, source
from platebench.stores.contract import Store
from platebench.stores.name import StoreName
from platebench.stores.part_list import with_versions
from platebench.timing.protocol import WORK

if TYPE_CHECKING:
    from platebench.images.folder import FolderImages

SUBFOLDER = "platebench"
SEED = 1
MARK = FolderKind("work", "a work folder")
STORED = FolderKind("stored", "stored files")
"""The marks of a work folder, and of what one store keeps of one image set."""

_COPIES_OF_AN_IMAGE = 3
"""A generated image is on the disk as a fixture, and decoded, and as a TIFF file."""

_LONGEST_NAME = 60

PixelKind = Literal["data", "first", "history"]
"""What is stored of the images: all of them; all as a first version, to which versions can be
added; or also a second version that adds a tenth."""

Kind = PixelKind | Literal["objects-10000", "objects-1000000"]
"""What is stored: the images, or the images with a generated table of so many objects.

The table is not in `data`, so that the figures of writing, of size and of pixels are about pixels.
"""

KIND_WITH_OBJECTS: dict[int, Kind] = {10_000: "objects-10000", 1_000_000: "objects-1000000"}
"""The kind with a table of so many objects."""

Progress = Callable[[str, int, int], None]
"""Called with what is being made, how much of it is done, and how much there is."""


def expected_bytes(name: str) -> int:
    """Return the bytes of the pixels of a generated image set; 0 for another set."""
    made = generated(name)
    return 0 if made is None else set_bytes(*made)


def no_progress(what: str, done: int, total: int) -> None:
    """Say nothing."""


class Workspace:
    """A work folder. Safe to share between processes: each thing is made under a lock."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def here(cls, default: Path) -> Workspace:
        """Return the work folder in the folder that PLATEBENCH_WORK names, or `default`.

        A work folder that PLATEBENCH_WORK names itself is used as it is. Raises UserError for a
        place where somebody else's files are; nothing is made yet.
        """
        named = os.environ.get(WORK)
        root = Path(named).absolute() if named else default.absolute()
        if named and not is_ours(root, MARK):
            if root.exists() and not root.is_dir():
                raise UserError(f"{WORK}={named}: is not a folder; name one")
            root /= SUBFOLDER
        refuse_others(root, MARK)
        return cls(root)

    @classmethod
    def of(cls, checkout: Path) -> Workspace:
        """Return the work folder of a checkout, or the one that PLATEBENCH_WORK names."""
        return cls.here(checkout / ".platebench" / "work")

    def own(self) -> Workspace:
        """Make the folder, if it is not there, and mark it as platebench's own."""
        if not is_ours(self.root, MARK):
            claim(self.root, MARK)
        return self

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Be the only process that measures here. Raises UserError that names the other one.

        At the end, what ended processes left is removed: those of this command, and of one that
        was killed.
        """
        with sole(self._lock_file("measuring"), f"{self.root}: platebench is measuring here"):
            try:
                yield
            finally:
                self.clear_scratch()

    def images(self, name: str, progress: Progress = no_progress) -> DecodedImages:
        """Return an image set such as `raw-N` or `channels-N`, generated if absent, or a held one.

        Raises UserError for a name of none, and for a number that is not of whole sites.
        """
        path = self.root / "images" / name
        if not is_cached(path):
            wanted = generated(name)
            if wanted is None:
                raise UserError(f"{name}: no such image set; give {NAMES} or a folder")
            require_whole_sites(*wanted)
            with self._lock(path):
                if not is_cached(path):
                    self._generate(name, path, *wanted, progress)
        return DecodedImages(path)

    def with_objects(self, images: DecodedImages, rows: int) -> ImageSet:
        """Return a held image set with its generated table of `rows` objects.

        The table is a memory map of a file in the set's folder. Raises Unsupported if the images'
        keys do not tell them apart.
        """
        folder = self.root / "images" / images.name
        with self._lock(folder):
            table = cached_objects(folder, images, rows)
        return with_objects(images, rows, table)

    def hold_folder(
        self,
        folder: Path,
        progress: Progress = no_progress,
        say: Callable[[str], None] = lambda line: None,
        opened: ImageSet | None = None,
        rows: Sequence[int] | None = None,
        read_as: Mapping[str, object] | None = None,
    ) -> str:
        """Hold the images of a user's folder, again if it changed, and return the set's name.

        The name is the folder's with a digest of what is in it, so that figures of two folders
        that are called alike, or of one before and after a change, never stand under one name.
        `say` is told how many files and images there are, and what is left out and why. `opened`
        is what `open_folder` returned for the folder, and `rows` a sample of its images. `read_as`
        says what else than the files decides what `opened` is: a pattern, crops.
        """
        folder = folder.resolve()
        every = self.open_folder(folder, progress, say) if opened is None else opened
        images = every if rows is None else every.select(rows)
        source: dict[str, Any] = {"folder": str(folder), "files": _listing(folder)}
        source |= read_as or {}
        if rows is not None:
            source["rows"] = list(rows)
        with self._lock(self.root / "images" / "folders"):
            known = {mark.parent.name: _noted(mark) for mark in self._sources()}
            for name, other in known.items():
                if other == source and is_cached(self._source(name).parent):
                    return name
            images.name = _name_for(folder, images)
            self._hold(images, progress)
            for name, other in known.items():
                same_folder = other.get("folder") == source["folder"]
                if same_folder and other.get("files") != source["files"] and name != images.name:
                    self._forget_images(name)
            _note(self._source(images.name), source)
        return images.name

    @staticmethod
    def open_folder(
        folder: Path,
        progress: Progress = no_progress,
        say: Callable[[str], None] = lambda line: None,
        pattern: str | None = None,
    ) -> FolderImages:
        """Read the headers of a user's files, and say how many files and images there are.

        `pattern` is that of `images.names.file_pattern`.
        """
        from platebench.images.folder import open_images  # not in the processes that measure

        folder = folder.resolve()
        images = open_images(
            folder,
            progress=lambda done, total: progress("looking at files", done, total),
            pattern=pattern,
        )
        say(f"{folder.name}: {images.counted.said()}")
        return images

    def _sources(self) -> list[Path]:
        return sorted((self.root / "images").glob("*/source.json"))

    def _source(self, name: str) -> Path:
        return self.root / "images" / name / "source.json"

    def _hold(self, images: ImageSet, progress: Progress, what: str = "reading") -> None:
        path = self.root / "images" / images.name
        if is_cached(path):
            return
        require_room(self.root, 2 * images.pixel_bytes, f"{images.name}: two copies of its pixels")
        done = 0

        def count() -> None:
            nonlocal done
            done += 1
            progress(f"{what} {images.name}", done, len(images))

        decode_to_cache(images, path, count)

    def _forget_images(self, name: str) -> None:
        """Remove a held image set and all that was stored of it."""
        for folder in self.stored_of(name):
            remove(folder, STORED)
        with suppress(OSError):  # not there, or not empty
            (self.root / "stores" / name).rmdir()
        remove(self.root / "images" / name, KIND)

    def _generate(
        self, name: str, path: Path, profile: SetProfile, number: int, progress: Progress
    ) -> None:
        from platebench.images.fixtures import make_fixtures  # not in the processes that measure
        from platebench.images.folder import open_images
        from platebench.images.generated_crops import generated_crops

        if profile == "crops":
            # Hundreds of thousands of small files would take longer than the images.
            crops = generated_crops(
                number, SEED, progress=lambda done, total: progress("placing cells", done, total)
            )
            self._hold(crops, progress, "drawing")
            return
        need = set_bytes(profile, number) * _COPIES_OF_AN_IMAGE
        require_room(self.root, need, f"{number:,} images")
        with self.lend() as lent:
            made = make_fixtures(
                lent.path / name,
                number,
                profile,
                SEED,
                progress=lambda done, total: progress(f"drawing {name}", done, total),
            )
            images = open_images(made, name=name)
            decode_to_cache(images, path)

    def stored(self, store: Store, images: ImageSet, kind: Kind = "data") -> Path:
        """Return the place with `images` as `store` keeps them, written when not there or stale.

        Of kind `first` the images are its first version, and of kind `history` a second one adds a
        tenth. Both are written by `part_list.with_versions` of the store. For a kind with objects
        `images` must be a held set.
        """
        path = self.place(store, images, kind)
        note = _note_of(path)
        with self._lock(path.parent):
            if not self.is_fresh(store, images, kind):
                claim(path.parent, STORED)
                discard(note, path.parent, STORED)
                _discard(path)
                try:
                    notes = _write(store, self._of_kind(images, kind), path, kind)
                    _note(note, {"fingerprint": fingerprint(store, images, kind), **notes})
                except BaseException:
                    _discard(path)
                    raise
        return path

    def _of_kind(self, images: ImageSet, kind: Kind) -> ImageSet:
        rows = objects_in(kind)
        if rows is None:
            return images
        if not isinstance(images, DecodedImages):
            raise TypeError(f"{images.name}: only a held image set gets objects")
        return self.with_objects(images, rows)

    def is_fresh(self, store: Store, images: ImageSet, kind: Kind) -> bool:
        """Say whether the stored files are whole and were made by this code and these libraries."""
        path = self.place(store, images, kind)
        noted = _noted(_note_of(path)).get("fingerprint")
        return path.exists() and bool(noted == fingerprint(store, images, kind))

    def first_version(self, store: Store, images: ImageSet) -> int:
        """Return the number of the version in a `history` that holds `images` alone."""
        return int(_noted(_note_of(self.place(store, images, "history")))["first"])

    def remove_stored(self, store: StoreName, images: str) -> None:
        """Remove what a store keeps of an image set, all kinds."""
        folder = self.root / "stores" / images / store.folder
        with self._lock(folder):
            remove(folder, STORED)

    def stored_of(self, images: str) -> list[Path]:
        """Return the folders of the stores that keep files of an image set."""
        folders = (self.root / "stores" / images).glob("*")
        return sorted(folder for folder in folders if is_ours(folder, STORED))

    def place(self, store: Store, images: ImageSet, kind: Kind) -> Path:
        """Return the path that the store writes to; it may become a file or a folder."""
        return self.root / "stores" / images.name / store.name.folder / kind

    def lend(self) -> Lent:
        """Lend a new, empty folder on the same disk, until it is closed or this process ends."""
        return Lent.below(self.own().root / "scratch")

    def clear_scratch(self) -> None:
        """Remove what processes that have ended left; others may be measuring at this moment."""
        for folder in ("scratch", "images", "environments", "checkouts"):
            sweep(self.root / folder)

    def _lock(self, path: Path) -> AbstractContextManager[None]:
        """Wait for, and be, the only process that makes what is to be at `path`.

        Work folders of several arms share their image sets through a link, and so these locks.
        """
        self.own()
        name = "-".join(path.relative_to(self.root).parts)
        shared = (self.root / "images").resolve().parent
        return in_turn(self._lock_file(name, shared if path.parent.name == "images" else None))

    def _lock_file(self, name: str, root: Path | None = None) -> Path:
        return (root or self.own().root) / "locks" / f"{name}.lock"


def _discard(path: Path) -> None:
    """Remove a store's file or folder, and what an interrupted write left beside it."""
    for left in [path, *path.parent.glob(f"{path.name}-*")]:
        discard(left, path.parent, STORED)


def _write(store: Store, images: ImageSet, path: Path, kind: Kind) -> dict[str, int]:
    if kind == "data" or objects_in(kind) is not None:
        store.write(images, path)
        return {}
    versioned = with_versions(store)
    versioned.write(images, path)
    if kind == "first":
        return {}
    first = versioned.versions(path)[-1].number
    versioned.append(tenth(images), path)
    return {"first": first}


def objects_in(kind: Kind) -> int | None:
    """Return how many objects the stored files of a kind have; None without a table of objects."""
    return next((rows for rows, other in KIND_WITH_OBJECTS.items() if other == kind), None)


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _note(file: Path, content: Mapping[str, object]) -> None:
    """Write a note that is either whole or not there."""
    write_whole(file, json.dumps(content))


def _noted(file: Path) -> dict[str, Any]:
    """Return what a note says; nothing for one that is not there or cannot be understood."""
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def tenth(images: ImageSet, time: int = 1) -> ImageSet:
    """Return the images that a version adds: a tenth as many, at least one, numbered onwards.

    `time` counts from 1 how often a tenth is added.
    """
    number = max(1, len(images) // 10)
    return images.select(range(number), first_row=len(images) + (time - 1) * number)


def with_tenth(images: ImageSet, times: int = 1) -> ImageSet:
    """Return what a store holds after that: the images, and a tenth of them `times` again."""
    return images.select([*range(len(images)), *list(range(len(tenth(images)))) * times])


def fingerprint(store: Store, images: ImageSet, kind: Kind = "data") -> str:
    """Return a digest of everything that decides what is in a store's files.

    Of the source it covers the store's module and the modules of `platebench.stores` that this
    imports, so a change to one format leaves the files of the others fresh. Versions add the source
    of the part list.
    """
    versions = {name: installed_version(name) for name in registry.needs_of(store.name)}
    parts = [str(store.name), images.fingerprint, platform.python_version(), json.dumps(versions)]
    files = source.source_files(registry.format_of(store.name).module)
    if kind in ("first", "history"):
        files += source.source_files("part_list")
    if objects_in(kind) is not None:
        parts.append(f"objects {OBJECTS_VERSION}")
    parts += [text for file in files for text in (file.name, file.read_text())]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _name_for(folder: Path, images: ImageSet) -> str:
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", folder.stem).lstrip(".")[:_LONGEST_NAME] or "images"
    return f"{plain}-{images.fingerprint[:6]}"


def _listing(folder: Path) -> list[list[object]]:
    from platebench.images.folder import CELLH5_ENDINGS, TIFF_ENDINGS
    from platebench.images.tables import TABLE_ENDINGS

    if folder.is_file():
        return [[folder.name, *_size_and_time(folder)]]
    found = walk(folder, {*TIFF_ENDINGS, *CELLH5_ENDINGS, *TABLE_ENDINGS, ".json"})
    return [[str(file.relative_to(folder)), *_size_and_time(file)] for file in found.files]


def _size_and_time(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns
