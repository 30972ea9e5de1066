"""A made-up store that keeps its images and their versions in one file.

No registered format does both, and the contract allows it. It is slow and holds everything in
memory. Each change writes a new file and renames it to the path.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from platebench.images.changed import with_rows
from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenByRow, OpenStore, Version, VersionedStore
from platebench.stores.tables import StoredTables, selected
from platebench.stores.where import Where


@dataclass(frozen=True)
class _Content:
    """What one version holds."""

    version: Version
    images: list[np.ndarray]
    table: pa.Table
    tables: Mapping[str, pa.Table]


class OneFile(VersionedStore):
    """One file of pickled arrays, for each version."""

    format = "one-file"

    def write(self, images: ImageSet, path: Path) -> None:
        """Write the first version."""
        self.tables_at(path).check_all(images.tables)
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, [_Content(_version(1), list(images), images.table, dict(images.tables))])

    def open(self, path: Path, version: int | None = None) -> OpenStore:
        """Read the whole file."""
        content = _find(_read(path), version)
        return _OpenOneFile(content).with_tables(_PickledTables(path, content.version.number))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep tables in the same file."""
        return _PickledTables(path)

    def append(self, images: ImageSet, path: Path) -> int:
        """Write a version with more images."""
        self.tables_at(path).check_appendable(images.tables)
        kept = _read(path)
        newest = kept[-1]
        table = pa.concat_tables([newest.table, images.table])
        tables = dict(newest.tables)
        for name, rows in images.tables.items():
            tables[name] = pa.concat_tables([tables[name], rows]) if name in tables else rows
        return _add(path, kept, _Content(newest.version, [*newest.images, *images], table, tables))

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Write a version with other images in some rows."""
        kept = _read(path)
        newest = kept[-1]
        table = with_rows(newest.table, rows, images.table)
        arrays = list(newest.images)
        for row, image in zip(rows, images, strict=True):
            arrays[row] = image
        _add(path, kept, replace(newest, images=arrays, table=table))

    def delete(self, path: Path, rows: Sequence[int]) -> None:
        """Write a version without some rows."""
        kept = _read(path)
        newest = kept[-1]
        left = [row for row in range(len(newest.images)) if row not in rows]
        arrays = [newest.images[row] for row in left]
        _add(path, kept, replace(newest, images=arrays, table=newest.table.take(left)))

    def versions(self, path: Path) -> list[Version]:
        """List the versions."""
        return [content.version for content in _read(path)]

    def restore(self, path: Path, version: int) -> int:
        """Write an old version again."""
        kept = _read(path)
        old = _find(kept, version)
        return _add(path, kept, old)

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


def _add(path: Path, kept: list[_Content], content: _Content) -> int:
    number = kept[-1].version.number + 1
    _replace(path, [*kept, replace(content, version=_version(number))])
    return number


def _replace(path: Path, contents: list[_Content]) -> None:
    draft = path.with_name(f"{path.name}-draft")
    draft.write_bytes(pickle.dumps(contents))
    draft.replace(path)


class _PickledTables(StoredTables):
    """The tables of a version, the newest by default."""

    def __init__(self, path: Path, version: int | None = None) -> None:
        self._path = path
        self._version = version

    def _tables(self) -> Mapping[str, pa.Table]:
        return _find(_read(self._path), self._version).tables

    def check(self, name: str, table: pa.Table) -> None:
        """Pickle holds every table."""

    def create(self, name: str, table: pa.Table) -> None:
        kept = _read(self._path)
        _replace(
            self._path,
            [*kept[:-1], replace(kept[-1], tables={**kept[-1].tables, name: table})],
        )

    def names(self) -> list[str]:
        return sorted(self._tables())

    def schema(self, name: str) -> pa.Schema:
        return self._tables()[name].schema

    def select(self, name: str, columns: list[str], where: Where) -> pa.Table:
        return selected(self._tables()[name], columns, where)

    def extend(self, name: str, rows: pa.Table) -> None:
        self.create(name, pa.concat_tables([self._tables()[name], rows]))


class _OpenOneFile(OpenByRow):
    def __init__(self, content: _Content) -> None:
        self._content = content

    def __len__(self) -> int:
        return len(self._content.images)

    def table(self) -> pa.Table:
        return self._content.table

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return (self._content.images[row] for row in rows)
