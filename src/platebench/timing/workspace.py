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
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Literal, cast, get_args

import platebench.stores
from platebench.errors import UserError
from platebench.images.camera import Profile
from platebench.images.fixtures import make_fixtures
from platebench.images.folder import open_images
from platebench.images.held import HeldImages, hold, is_held
from platebench.images.imageset import ImageSet
from platebench.stores import registry
from platebench.stores.contract import Store, VersionedStore

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
        with self._lock(path):
            if not is_held(path):
                self._generate(name, path, progress)
        return HeldImages(path)

    def hold_folder(self, folder: Path, progress: Progress = no_progress) -> str:
        """Hold the images of a user's folder, again if it changed, and return the set's name."""
        images = open_images(folder)
        name = images.name
        if _generated(name) is not None:
            name = f"{name}-files"
            images.name = name
        path = self.root / "images" / name
        source = {"folder": str(folder.resolve()), "files": _listing(folder)}
        mark = path / "source.json"
        with self._lock(path):
            if not (is_held(path) and mark.exists() and json.loads(mark.read_text()) == source):
                done = 0

                def count() -> None:
                    nonlocal done
                    done += 1
                    progress(f"reading {name}", done, len(images))

                hold(images, path, count)
                mark.write_text(json.dumps(source))
        return name

    def _generate(self, name: str, path: Path, progress: Progress) -> None:
        generated = _generated(name)
        if generated is None:
            raise UserError(f"{name}: no such image set; give raw-N, ic-N or a folder")
        profile, number = generated
        with tempfile.TemporaryDirectory(dir=_made(self.root)) as folder:
            made = make_fixtures(
                Path(folder) / name,
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
        folder = self._folder(store.name, images.name)
        path, mark = folder / kind, folder / f"{kind}.json"
        with self._lock(folder):
            if not self.is_fresh(store, images, kind):
                mark.unlink(missing_ok=True)
                shutil.rmtree(path, ignore_errors=True)
                try:
                    notes = _write(store, images, path, kind)
                except BaseException:
                    shutil.rmtree(path, ignore_errors=True)
                    raise
                mark.write_text(json.dumps({"fingerprint": fingerprint(store, images), **notes}))
        return path

    def is_fresh(self, store: Store, images: ImageSet, kind: Kind) -> bool:
        """Say whether the stored files are whole and were made by this code and these libraries."""
        mark = self._folder(store.name, images.name) / f"{kind}.json"
        return mark.exists() and bool(
            json.loads(mark.read_text())["fingerprint"] == fingerprint(store, images)
        )

    def first_version(self, store: Store, images: ImageSet) -> int:
        """Return the number of the version in a `history` that holds `images` alone."""
        mark = self._folder(store.name, images.name) / "history.json"
        return int(json.loads(mark.read_text())["first"])

    def _folder(self, store: str, images: str) -> Path:
        return self.root / "stores" / images / store.replace(":", ".")

    def forget(self, store_name: str, images_name: str) -> None:
        """Remove a store's files."""
        shutil.rmtree(self._folder(store_name, images_name), ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Lend a folder on the same disk, empty, and remove it afterwards."""
        with tempfile.TemporaryDirectory(
            dir=_made(self.root / "scratch"), ignore_cleanup_errors=True
        ) as folder:
            yield Path(folder)

    def clear_scratch(self) -> None:
        """Remove what interrupted benchmarks left."""
        shutil.rmtree(self.root / "scratch", ignore_errors=True)

    @contextmanager
    def _lock(self, path: Path) -> Iterator[None]:
        lock = _made(path.parent) / f".{path.name}.lock"
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _write(store: Store, images: ImageSet, path: Path, kind: Kind) -> dict[str, int]:
    store.write(images, path)
    if kind == "data":
        return {}
    assert isinstance(store, VersionedStore)
    first = store.versions(path)[-1].number
    store.append(tenth(images), path)
    return {"first": first}


def tenth(images: ImageSet) -> ImageSet:
    """Return the images that a version adds: a tenth as many, at least one, numbered onwards."""
    return images.select(range(max(1, len(images) // 10)), first_row=len(images))


def fingerprint(store: Store, images: ImageSet) -> str:
    """Return a digest of everything that decides what is in a store's files."""
    versions = {name: metadata.version(name) for name in registry.format_of(store.name).needs}
    parts = [store.name, images.fingerprint, platform.python_version(), json.dumps(versions)]
    source = Path(platebench.stores.__file__).parent
    parts += [file.read_text() for file in sorted(source.glob("*.py"))]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _generated(name: str) -> tuple[Profile, int] | None:
    profile, _, number = name.partition("-")
    if not number.isdecimal() or profile not in get_args(Profile):
        return None
    return cast(Profile, profile), int(number)


def _listing(folder: Path) -> list[list[object]]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return [[str(file.relative_to(folder)), *_size_and_time(file)] for file in files]


def _size_and_time(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
