"""platebench's part list: versions for formats that have none of their own.

A stored image set with versions is a folder:

    parts/<random name>     image sets, each as the format writes it: a file or a folder
    000001.json             version 1: when it was made, and the names of its parts in order

A version adds one part with the new images. No file is ever changed in place.

It is published crash-safely: the part is on the disk before the version's list is, and the list is
complete before it gets its name, by a hard link that fails if the name exists. So of two writers
that add a version at the same time one is refused, and nothing is lost. Readers see the version
before or the one after, never a mixture. A killed writer leaves a part that no version names.

The list is the same for every format without versions of its own. Adding a version and opening an
old one depend on the format; listing, restoring and pruning do not, and are measured once.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import uuid
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa

from platebench.atomic_files import sync
from platebench.errors import Conflict
from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenStore, Store, Version, VersionedStore, check_rows
from platebench.stores.name import StoreName

NAME = "platebench's part list"
"""What these versions are called wherever they are shown."""

PARTS = "parts"


def with_versions(store: Store) -> VersionedStore:
    """Return a store that keeps versions: the store itself, or a part list of such stores."""
    return store if isinstance(store, VersionedStore) else PartList(store)


@dataclass(frozen=True, init=False)
class PartList(VersionedStore):
    """A part list whose parts are written and read by another store."""

    base: Store

    format: ClassVar[str] = "part-list"

    def __init__(self, base: Store) -> None:
        for name, value in (("layout", base.layout), ("tuning", base.tuning), ("base", base)):
            object.__setattr__(self, name, value)

    @property
    def name(self) -> StoreName:
        """The name of the store that writes the parts."""
        return self.base.name

    def write(self, images: ImageSet, path: Path) -> None:
        """Write `images` as the first version, with one part."""
        try:
            _publish(path, 1, [self._write_part(images, path)])
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)  # it did not exist before
            raise

    def open(self, path: Path, version: int | None = None) -> OpenStore:
        """Open a version, the newest by default."""
        parts = _read(path, _newest(path) if version is None else version).parts
        opened = [self.base.open(path / PARTS / part) for part in parts]
        return opened[0] if len(opened) == 1 else _OpenParts(opened)

    def append(self, images: ImageSet, path: Path) -> int:
        """Add `images` as one more part.

        Raises Conflict if another writer added a version since this call began.
        """
        newest = _newest(path)
        parts = _read(path, newest).parts
        part = self._write_part(images, path)
        try:
            return _publish(path, newest + 1, [*parts, part])
        except Conflict:
            _remove(path / PARTS / part)
            raise

    def versions(self, path: Path) -> list[Version]:
        """List the versions from their lists of parts."""
        return [
            Version(number, datetime.fromisoformat(_read(path, number).made))
            for number in _numbers(path)
        ]

    def restore(self, path: Path, version: int) -> int:
        """Make an old version's parts the newest version's; no pixel is copied.

        Raises Conflict as `append` does.
        """
        newest = _newest(path)
        return _publish(path, newest + 1, _read(path, version).parts)

    def prune(self, path: Path, keep: int) -> None:
        """Remove old lists, then the parts that only they named."""
        numbers = _numbers(path)
        removed, kept = numbers[:-keep], numbers[-keep:]
        old = {part for number in removed for part in _read(path, number).parts}
        for number in removed:
            _list_file(path, number).unlink()
        sync(path)  # no list may come back after a crash without its parts
        for part in old - {part for number in kept for part in _read(path, number).parts}:
            _remove(path / PARTS / part)
        sync(path / PARTS)

    def _write_part(self, images: ImageSet, path: Path) -> str:
        """Write a part, sync it to the disk, and return its name."""
        name = uuid.uuid4().hex
        part = path / PARTS / name
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.base.write(images, part)
        except BaseException:
            _remove(part)
            raise
        for place in (part, *part.rglob("*"), part.parent):
            sync(place)
        return name


class _Listed(NamedTuple):
    """The list of a version: when it was made, and the names of its parts."""

    made: str
    parts: list[str]


def _list_file(path: Path, number: int) -> Path:
    return path / f"{number:06d}.json"


def _numbers(path: Path) -> list[int]:
    return sorted(int(file.stem) for file in path.glob("[0-9]*.json"))


def _newest(path: Path) -> int:
    return _numbers(path)[-1]


def _read(path: Path, number: int) -> _Listed:
    try:
        return _Listed(**json.loads(_list_file(path, number).read_text()))
    except FileNotFoundError:
        raise KeyError(number) from None


def _publish(path: Path, number: int, parts: list[str]) -> int:
    """Add a version whose parts are on the disk. Raises Conflict if its number is taken."""
    listed = _Listed(datetime.now(UTC).isoformat(), parts)
    draft = path / f".{uuid.uuid4().hex}.draft"
    try:
        draft.write_text(json.dumps(listed._asdict()))
        sync(draft)
        os.link(draft, _list_file(path, number))  # unlike a rename, fails if the version exists
    except FileExistsError:
        raise Conflict(
            f"{path}: version {number} was added by another writer; nothing was changed, try again"
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    sync(path)
    return number


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)


class _OpenParts(OpenStore):
    """Several parts read as one image set."""

    def __init__(self, parts: list[OpenStore]) -> None:
        self._parts = parts
        self._starts = [0, *itertools.accumulate(len(part) for part in parts)]

    def close(self) -> None:
        for part in self._parts:
            part.close()

    def __len__(self) -> int:
        return self._starts[-1]

    def scan(self) -> Iterator[np.ndarray]:
        return itertools.chain.from_iterable(part.scan() for part in self._parts)

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read one part after another into `memory`."""
        return itertools.chain.from_iterable(part.scan_into(memory) for part in self._parts)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Take the rows of each part in one call, then yield them in the requested order."""
        check_rows(rows, len(self))
        owners = [bisect_right(self._starts, row) - 1 for row in rows]
        taken = {
            owner: self._parts[owner].take(
                [
                    row - self._starts[owner]
                    for row, other in zip(rows, owners, strict=True)
                    if other == owner
                ]
            )
            for owner in set(owners)
        }
        # islice: a part that yields too few images is found by whoever counts them
        return itertools.chain.from_iterable(itertools.islice(taken[each], 1) for each in owners)

    def table(self) -> pa.Table:
        return pa.concat_tables([part.table() for part in self._parts])
