"""Stores that are broken in one way each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenStore, Store, Version, VersionedStore
from platebench.stores.name import StoreName

Arrays = Callable[[Sequence[int], Iterator[np.ndarray]], Iterator[np.ndarray]]
"""Takes the requested rows and their images, and returns what the store gives instead."""


class _BrokenOpen(OpenStore):
    def __init__(self, whole: OpenStore, broken: BrokenStore) -> None:
        self._whole = whole
        self._broken = broken

    def close(self) -> None:
        self._whole.close()

    def __len__(self) -> int:
        return len(self._whole)

    def scan(self) -> Iterator[np.ndarray]:
        return self._broken.arrays(range(len(self)), self._whole.scan())

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return self._broken.arrays(rows, self._whole.take(rows))

    def table(self) -> pa.Table:
        return self._broken.table(self._whole.table())


class BrokenStore(Store):
    """A store that works like `whole`, except for the methods that a test replaces."""

    def __init__(self, whole: Store, **replaced: Any) -> None:
        _replace(self, whole, replaced)

    @property
    def name(self) -> StoreName:
        return self.whole.name

    def arrays(self, rows: Sequence[int], given: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        return given

    def table(self, given: pa.Table) -> pa.Table:
        return given

    def write(self, images: ImageSet, path: Path) -> None:
        self.whole.write(images, path)

    def open(self, path: Path) -> OpenStore:
        return _BrokenOpen(self.whole.open(path), self)


class BrokenVersions(VersionedStore):
    """The same for a store with versions."""

    def __init__(self, whole: VersionedStore, **replaced: Any) -> None:
        _replace(self, whole, replaced)

    @property
    def name(self) -> StoreName:
        return self.whole.name

    def write(self, images: ImageSet, path: Path) -> None:
        self.whole.write(images, path)

    def open(self, path: Path, version: int | None = None) -> OpenStore:
        return self.whole.open(path, version)

    def append(self, images: ImageSet, path: Path) -> int:
        return self.whole.append(images, path)

    def versions(self, path: Path) -> list[Version]:
        return self.whole.versions(path)

    def restore(self, path: Path, version: int) -> int:
        return self.whole.restore(path, version)

    def prune(self, path: Path, keep: int) -> None:
        self.whole.prune(path, keep)


def _replace(broken: Store, whole: Store, replaced: dict[str, Any]) -> None:
    own = {"layout": whole.layout, "tuning": whole.tuning, "whole": whole}
    for name, value in {**own, **replaced}.items():
        object.__setattr__(broken, name, value)


def one_flipped_byte(rows, given):
    for row, array in zip(rows, given, strict=True):
        changed = array.copy()
        changed.flat[100] ^= row == 5
        yield changed


def two_rows_swapped(rows, given):
    arrays = [array.copy() for array in given]
    found = dict(zip(rows, arrays, strict=True))
    other = {5: 6, 6: 5}
    for row, array in zip(rows, arrays, strict=True):
        yield found.get(other.get(row, row), array)


def widened(rows, given):
    for array in given:
        yield array.astype(np.int64)


def widened_one_by_one(rows, given):
    for row, array in zip(rows, given, strict=True):
        yield array.astype(np.int64) if row == 5 else array


def flattened(rows, given):
    for array in given:
        yield array.reshape(-1)


def lazy(rows, given):
    for array in given:
        yield memoryview(array)


def never_decoded(rows, given):
    for array in given:
        yield lambda array=array: array


def last_image_lost(rows, given):
    kept = None
    for array in given:
        if kept is not None:
            yield kept
        kept = array.copy()


def an_image_more(rows, given):
    for array in given:
        yield array
    yield array


def from_a_reused_buffer(rows, given):
    buffer = None
    views = []
    for array in given:
        buffer = array.copy() if buffer is None else buffer
        buffer[:] = array
        views.append(buffer[:])
    yield from views


def well_changed(table: pa.Table) -> pa.Table:
    wells = [*table["well"].to_pylist()[:-1], "H12"]
    column = table.schema.get_field_index("well")
    return table.set_column(column, table.schema.field("well"), pa.array(wells, pa.string()))
