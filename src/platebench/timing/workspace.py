"""The folder where image sets and stored files wait to be measured, and are known to be fresh.

    images/raw-64/                          a held image set
    stores/raw-64/parquet.pixels.fast/      one store's files: `data`, `history`, and a mark each
    scratch/                                copies that an operation may change

A mark (`data.json`) is written last and holds a fingerprint of the images, the library versions
and the stores' source. Files without it, or with another, are written anew and never measured.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Literal, cast, get_args

import platebench.stores
from platebench.errors import UserError
from platebench.images.camera import Profile
from platebench.images.held import HeldImages, hold, is_held
from platebench.images.imageset import ImageSet
from platebench.stores import registry
from platebench.stores.contract import Store, VersionedStore
from platebench.timing.page_cache import files_of

WORK = "PLATEBENCH_WORK"
SEED = 1

Kind = Literal["data", "history"]
"""What is stored: the images, or the images and a version that adds a tenth."""

Progress = Callable[[str, int, int], None]
"""Called with what is being made, how much of it is done, and how much there is."""


def no_progress(what: str, done: int, total: int) -> None:
    """Say nothing."""


class Workspace:
    """A work folder. Safe to share between processes: each thing is made under a lock."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def here(cls, default: Path) -> Workspace:
        """Return the folder that PLATEBENCH_WORK names, or `default`."""
        return cls(Path(os.environ.get(WORK, default)).absolute())

    def images(self, name: str, progress: Progress = no_progress) -> HeldImages:
        """Return the image set `raw-N` or `ic-N`, generated when it is not there, or a held one."""
        path = self.root / "images" / name
        if not is_held(path):
            wanted = generated(name)
            if wanted is None:
                raise UserError(f"{name}: no such image set; give raw-N, ic-N or a folder")
            with self._lock(path):
                if not is_held(path):
                    self._generate(name, path, *wanted, progress)
        return HeldImages(path)

    def hold_folder(self, folder: Path, progress: Progress = no_progress) -> str:
        """Hold the images of a user's folder, again if it changed, and return the set's name.

        The name is the folder's with a digest of what is in it, so that figures of two folders
        that are called alike, or of one before and after a change, never stand under one name.
        """
        from platebench.images.folder import open_images  # not in the processes that measure

        folder = folder.resolve()
        images = open_images(folder)
        source = {"folder": str(folder), "files": _listing(folder)}
        with self._lock(self.root / "images" / "folders"):
            known = {mark.parent.name: json.loads(mark.read_text()) for mark in self._sources()}
            for name, other in known.items():
                if other == source and is_held(self._source(name).parent):
                    return name
            images.name = _name_for(folder, images)
            self._hold(images, progress)
            for name, other in known.items():
                if other["folder"] == source["folder"] and name != images.name:
                    self._forget_images(name)
            _leave(self._source(images.name), source)
        return images.name

    def _sources(self) -> list[Path]:
        return sorted((self.root / "images").glob("*/source.json"))

    def _source(self, name: str) -> Path:
        return self.root / "images" / name / "source.json"

    def _hold(self, images: ImageSet, progress: Progress) -> None:
        path = self.root / "images" / images.name
        if is_held(path):
            return
        done = 0

        def count() -> None:
            nonlocal done
            done += 1
            progress(f"reading {images.name}", done, len(images))

        hold(images, path, count)

    def _forget_images(self, name: str) -> None:
        """Remove a held image set and all that was stored of it."""
        shutil.rmtree(self.root / "images" / name, ignore_errors=True)
        shutil.rmtree(self.root / "stores" / name, ignore_errors=True)

    def _generate(
        self, name: str, path: Path, profile: Profile, number: int, progress: Progress
    ) -> None:
        from platebench.images.fixtures import make_fixtures  # not in the processes that measure
        from platebench.images.folder import open_images

        with self.scratch() as folder:
            made = make_fixtures(
                folder / name,
                number,
                profile,
                SEED,
                progress=lambda done, total: progress(f"drawing {name}", done, total),
            )
            images = open_images(made, name=name)
            hold(images, path)

    def stored(self, store: Store, images: ImageSet, kind: Kind = "data") -> Path:
        """Return the folder with `images` as `store` keeps them, written when not there or stale.

        Of kind `history` it has a tenth more images, added as another version.
        """
        path = self.place(store, images, kind)
        mark = path.with_suffix(".json")
        with self._lock(path.parent):
            if not self.is_fresh(store, images, kind):
                mark.unlink(missing_ok=True)
                shutil.rmtree(path, ignore_errors=True)
                try:
                    notes = _write(store, images, path, kind)
                    _leave(mark, {"fingerprint": fingerprint(store, images), **notes})
                except BaseException:
                    shutil.rmtree(path, ignore_errors=True)
                    raise
        return path

    def is_fresh(self, store: Store, images: ImageSet, kind: Kind) -> bool:
        """Say whether the stored files are whole and were made by this code and these libraries."""
        mark = self.place(store, images, kind).with_suffix(".json")
        return mark.exists() and bool(
            json.loads(mark.read_text())["fingerprint"] == fingerprint(store, images)
        )

    def first_version(self, store: Store, images: ImageSet) -> int:
        """Return the number of the version in a `history` that holds `images` alone."""
        mark = self.place(store, images, "history").with_suffix(".json")
        return int(json.loads(mark.read_text())["first"])

    def remove_stored(self, store: str, images: str) -> None:
        """Remove what a store keeps of an image set, all kinds."""
        folder = self.root / "stores" / images / _folder_of(store)
        with self._lock(folder):
            shutil.rmtree(folder, ignore_errors=True)

    def place(self, store: Store, images: ImageSet, kind: Kind) -> Path:
        """Return where a store's files are, or would be."""
        return self.root / "stores" / images.name / _folder_of(store.name) / kind

    def scratch_folder(self) -> Path:
        """Return a new, empty folder on the same disk, which belongs to this process."""
        return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=_made(self.root / "scratch")))

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Lend a folder on the same disk, empty, and remove it afterwards."""
        folder = self.scratch_folder()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def clear_scratch(self) -> None:
        """Remove what processes that have ended left; others may be measuring at this moment."""
        for folder in (self.root / "scratch").glob("*-*"):
            if not _runs(int(folder.name.partition("-")[0])):
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _lock(self, path: Path) -> Iterator[None]:
        lock = _made(path.parent) / f".{path.name}.lock"
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _folder_of(store: str) -> str:
    return store.replace(":", ".")


def _write(store: Store, images: ImageSet, path: Path, kind: Kind) -> dict[str, int]:
    store.write(images, path)
    if kind == "data":
        return {}
    assert isinstance(store, VersionedStore)
    first = store.versions(path)[-1].number
    store.append(tenth(images), path)
    return {"first": first}


def _leave(mark: Path, content: Mapping[str, object]) -> None:
    """Write a mark that is either whole or not there."""
    draft = mark.with_suffix(".part")
    try:
        draft.write_text(json.dumps(content))
        draft.replace(mark)
    finally:
        draft.unlink(missing_ok=True)


def tenth(images: ImageSet, time: int = 1) -> ImageSet:
    """Return the images that a version adds: a tenth as many, at least one, numbered onwards.

    `time` counts from 1 how often a tenth is added.
    """
    number = max(1, len(images) // 10)
    return images.select(range(number), first_row=len(images) + (time - 1) * number)


def with_tenth(images: ImageSet, times: int = 1) -> ImageSet:
    """Return what a store holds after that: the images, and a tenth of them `times` again."""
    return images.select([*range(len(images)), *list(range(len(tenth(images)))) * times])


def fingerprint(store: Store, images: ImageSet) -> str:
    """Return a digest of everything that decides what is in a store's files."""
    versions = {name: metadata.version(name) for name in registry.needs_of(store.name)}
    parts = [store.name, images.fingerprint, platform.python_version(), json.dumps(versions)]
    source = Path(platebench.stores.__file__).parent
    parts += [file.read_text() for file in sorted(source.glob("*.py"))]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def generated(name: str) -> tuple[Profile, int] | None:
    """Return the profile and number of images that `raw-N` or `ic-N` asks for, or None."""
    found = re.fullmatch(rf"({'|'.join(get_args(Profile))})-([1-9][0-9]*)", name)
    return None if found is None else (cast(Profile, found[1]), int(found[2]))


def _name_for(folder: Path, images: ImageSet) -> str:
    plain = re.sub(r"[^\w.-]+", "_", folder.stem).lstrip(".") or "images"
    return f"{plain}-{images.fingerprint[:6]}"


def _listing(folder: Path) -> list[list[object]]:
    return [[str(file.relative_to(folder)), *_size_and_time(file)] for file in files_of(folder)]


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _size_and_time(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
