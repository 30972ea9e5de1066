"""Home-made versions for plain files, which have no versions of their own.

A stored image set is a folder. Each version is a numbered list of part files, `000001.json`,
that appears in one step (a hard link) when its parts are complete. Parts are never changed.

With `default` tuning a version is one complete new file: to add images, all images are written
again. With the other tunings, the new images are one more part.
"""

from __future__ import annotations

import itertools
import json
import os
import uuid
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa

from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenStore, Version, VersionedStore, check_rows


class PartFiles(VersionedStore):
    """A store of plain files. A format defines how one file is written, opened and extended."""

    suffix: ClassVar[str]

    @abstractmethod
    def check(self, images: ImageSet) -> None:
        """Raise Unsupported if this store cannot hold `images`."""

    @abstractmethod
    def write_part(self, images: ImageSet, file: Path) -> None:
        """Write `images` to one new file."""

    @abstractmethod
    def open_part(self, file: Path) -> OpenStore:
        """Open one file."""

    @abstractmethod
    def extend_part(self, old: Path, images: ImageSet, file: Path) -> None:
        """Write the images of `old` and then `images` to one new file."""

    def write(self, images: ImageSet, path: Path) -> None:
        """Write `images` as the first version, with one part."""
        self.check(images)
        path.mkdir(parents=True)
        part = self._new_part(path)
        self.write_part(images, path / part)
        _publish(path, 1, [part])

    def open(self, path: Path, version: int | None = None) -> OpenStore:
        """Open a version, the newest by default."""
        parts = _parts(path, _newest(path) if version is None else version)
        if len(parts) == 1:
            return self.open_part(path / parts[0])
        return _OpenParts([self.open_part(path / part) for part in parts])

    def append(self, images: ImageSet, path: Path) -> int:
        """Add `images` as one more part, or with `default` tuning write all images again."""
        self.check(images)
        newest = _newest(path)
        parts = _parts(path, newest)
        part = self._new_part(path)
        if self.tuning == "default":
            self.extend_part(path / parts[-1], images, path / part)
            parts = []
        else:
            self.write_part(images, path / part)
        return _publish(path, newest + 1, [*parts, part])

    def versions(self, path: Path) -> list[Version]:
        """List the versions from their lists of parts."""
        return [
            Version(number, datetime.fromisoformat(_read(path, number).made))
            for number in _numbers(path)
        ]

    def restore(self, path: Path, version: int) -> int:
        """Make an old version's parts the newest version's; no pixel is copied."""
        return _publish(path, _newest(path) + 1, _parts(path, version))

    def prune(self, path: Path, keep: int) -> None:
        """Remove old lists, then the parts that no remaining list names."""
        numbers = _numbers(path)
        for number in numbers[: len(numbers) - keep]:
            _list_file(path, number).unlink()
        named = {part for number in numbers[-keep:] for part in _parts(path, number)}
        for file in path.glob(f"*{self.suffix}"):
            if file.name not in named:
                file.unlink()

    def _new_part(self, path: Path) -> str:
        return f"{uuid.uuid4().hex}{self.suffix}"


def _list_file(path: Path, number: int) -> Path:
    return path / f"{number:06d}.json"


def _numbers(path: Path) -> list[int]:
    return sorted(int(file.stem) for file in path.glob("[0-9]*.json"))


def _newest(path: Path) -> int:
    return _numbers(path)[-1]


class _Listed(NamedTuple):
    """The list of a version: when it was made, and the names of its part files."""

    made: str
    parts: list[str]


def _read(path: Path, number: int) -> _Listed:
    try:
        return _Listed(**json.loads(_list_file(path, number).read_text()))
    except FileNotFoundError:
        raise KeyError(number) from None


def _parts(path: Path, number: int) -> list[str]:
    return _read(path, number).parts


def _publish(path: Path, number: int, parts: list[str]) -> int:
    listed = _Listed(datetime.now(UTC).isoformat(), parts)
    draft = path / f".{number:06d}.draft"
    draft.write_text(json.dumps(listed._asdict()))
    os.link(draft, _list_file(path, number))  # unlike a rename, fails if the version exists
    draft.unlink()
    return number


class _OpenParts(OpenStore):
    """Several part files read as one image set."""

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
        return (next(taken[owner]) for owner in owners)

    def table(self) -> pa.Table:
        return pa.concat_tables([part.table() for part in self._parts])
