"""A made-up store that keeps its images and their versions in one file.

No registered format does both, and the contract allows it. It is slow and holds everything in
memory. Each change writes a new file and renames it to the path.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenByRow, OpenStore, Version, VersionedStore


@dataclass(frozen=True)
class _Content:
    """What one version holds."""

    version: Version
    images: list[np.ndarray]
    table: pa.Table


class OneFile(VersionedStore):
    """One file of pickled arrays, for each version."""

    format = "one-file"

    def write(self, images: ImageSet, path: Path) -> None:
        """Write the first version."""
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, [_Content(_version(1), list(images), images.table)])

    def open(self, path: Path, version: int | None = None) -> OpenStore:
        """Read the whole file."""
        return _OpenOneFile(_find(_read(path), version))

    def append(self, images: ImageSet, path: Path) -> int:
        """Write a version with more images."""
        kept = _read(path)
        table = pa.concat_tables([kept[-1].table, images.table])
        return _add(path, kept, [*kept[-1].images, *images], table)

    def versions(self, path: Path) -> list[Version]:
        """List the versions."""
        return [content.version for content in _read(path)]

    def restore(self, path: Path, version: int) -> int:
        """Write an old version again."""
        kept = _read(path)
        old = _find(kept, version)
        return _add(path, kept, old.images, old.table)

    def prune(self, path: Path, keep: int) -> None:
        """Write the newest versions only."""
        _replace(path, _read(path)[-keep:])


def _version(number: int) -> Version:
    return Version(number, datetime.now(UTC))


def _read(path: Path) -> list[_Content]:
    content: Any = pickle.loads(path.read_bytes())
    return list(content)


def _find(contents: list[_Content], version: int | None) -> _Content:
    if version is None:
        return contents[-1]
    return {content.version.number: content for content in contents}[version]


def _add(path: Path, kept: list[_Content], images: list[np.ndarray], table: pa.Table) -> int:
    number = kept[-1].version.number + 1
    _replace(path, [*kept, _Content(_version(number), images, table)])
    return number


def _replace(path: Path, contents: list[_Content]) -> None:
    draft = path.with_name(f"{path.name}-draft")
    draft.write_bytes(pickle.dumps(contents))
    draft.replace(path)


class _OpenOneFile(OpenByRow):
    def __init__(self, content: _Content) -> None:
        self._content = content

    def __len__(self) -> int:
        return len(self._content.images)

    def table(self) -> pa.Table:
        return self._content.table

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return (self._content.images[row] for row in rows)
