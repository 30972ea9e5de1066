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
from platebench.stores.where import Where

Arrays = Callable[[Sequence[int], Iterator[np.ndarray]], Iterator[np.ndarray]]
"""Takes the requested rows and their images, and returns what the store gives instead."""


class _BrokenOpen(OpenStore):
    def __init__(self, whole: OpenStore, broken: BrokenStore) -> None:
        self._whole = whole
        self._broken = broken
        self.stored_tables = whole.stored_tables

    def close(self) -> None:
        self._whole.close()

    def __len__(self) -> int:
        return self._broken.length(len(self._whole))

    def scan(self) -> Iterator[np.ndarray]:
        return self._broken.arrays(range(len(self)), self._whole.scan())

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return self._broken.arrays(rows, self._whole.take(rows))

    def table(self) -> pa.Table:
        return self._broken.table(self._whole.table())

    def read_table(
        self, name: str, columns: Sequence[str] | None = None, where: Where = ()
    ) -> pa.Table:
        return self._broken.read_table(self._whole, name, columns, where)

    def rows_where(self, name: str, where: Where) -> list[int]:
        return self._broken.rows_where(super().rows_where(name, where))


class BrokenStore(Store):
    """A store that works like `whole`, except for the methods that a test replaces."""

    def __init__(self, whole: Store, **replaced: Any) -> None:
        _replace(self, whole, replaced)

    @property
    def name(self) -> StoreName:
        return self.whole.name

    def arrays(self, rows: Sequence[int], given: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        return given

    def length(self, given: int) -> int:
        return given

    def table(self, given: pa.Table) -> pa.Table:
        return given

    def read_table(
        self, whole: OpenStore, name: str, columns: Sequence[str] | None, where: Where
    ) -> Any:
        return whole.read_table(name, columns, where)

    def rows_where(self, given: list[int]) -> list[int]:
        return given

    def append_rows(self, name: str, rows: pa.Table, path: Path) -> None:
        self.whole.append_rows(name, rows, path)

    def write(self, images: ImageSet, path: Path) -> None:
        self.whole.write(images, path)

    def open(self, path: Path) -> OpenStore:
        return _BrokenOpen(self.whole.open(path), self)

    @property
    def keeps_files(self) -> bool:
        return self.whole.keeps_files

    def open_files(self, path: Path) -> OpenStore:
        return self.whole.open_files(path)

    @property
    def replaced_last(self) -> bool:
        return self.whole.replaced_last

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        self.whole.replace(path, rows, images)

    def delete(self, path: Path, rows: Sequence[int]) -> None:
        self.whole.delete(path, rows)


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

    def compact(self, path: Path) -> None:
        self.whole.compact(path)


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


def wells_swapped(table: pa.Table) -> pa.Table:
    """Give each image the well of its neighbour."""
    wells = table["well"].to_pylist()
    column = table.schema.get_field_index("well")
    swapped = pa.array(
        [wells[row ^ 1 if row ^ 1 < len(wells) else row] for row in range(len(wells))]
    )
    return table.set_column(column, table.schema.field("well"), swapped)


def without_frames(table: pa.Table) -> pa.Table:
    column = table.schema.get_field_index("frame")
    return table.set_column(column, table.schema.field("frame"), pa.nulls(len(table), pa.int32()))


# What `read_table` of a broken store does: takes the whole open store and what is asked of it.


def stale_value(whole, name, columns, where):
    table = whole.read_table(name, columns, where)
    place = len(table.column_names) - 1
    changed = table.column(place).to_pylist()
    changed[len(changed) // 2] += 1
    kind = table.schema.field(place)
    return table.set_column(place, kind, pa.array(changed, kind.type))


def reversed_rows(whole, name, columns, where):
    table = whole.read_table(name, columns, where)
    return table.take(list(range(table.num_rows))[::-1])


def filter_dropped(whole, name, columns, where):
    return whole.read_table(name, columns)


def half_of_the_filter(whole, name, columns, where):
    return whole.read_table(name, columns, where[:1])


def last_row_lost(whole, name, columns, where):
    table = whole.read_table(name, columns, where)
    return table.slice(0, table.num_rows - 1)


def first_row_twice(whole, name, columns, where):
    table = whole.read_table(name, columns, where)
    return pa.concat_tables([table.slice(0, 1), table])


def other_column_order(whole, name, columns, where):
    return whole.read_table(name, sorted(columns or [], reverse=True), where)


def narrowed(whole, name, columns, where):
    table = whole.read_table(name, columns, where)
    last = table.schema.field(len(table.column_names) - 1)
    return table.set_column(
        len(table.column_names) - 1, last.name, table[last.name].cast(pa.float32(), safe=False)
    )


def never_read(whole, name, columns, where):
    return whole.read_table(name, columns, where).to_reader()


def zeros_not_read_yet(whole, name, columns, where):
    """Return memory of the right size that nobody filled."""
    table = whole.read_table(name, columns, where)
    return pa.table(
        [
            pa.array(np.zeros(table.num_rows), column.type)
            if pa.types.is_floating(column.type)
            else column
            for column in table.columns
        ],
        schema=table.schema,
    )
