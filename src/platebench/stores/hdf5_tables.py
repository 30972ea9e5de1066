"""Tables as groups of an HDF5 file, one dataset for each column, as AnnData and h5py's users do.

    tables/<name>/columns/<column>  numbers, truth values, texts in UTF-8; a time is its integer
    tables/<name>/missing/<column>  which values are missing, if any is
    tables/<name>/schema            the Arrow schema, as bytes

A slash in a column's name is %2f in the path. Datasets can grow, so they are chunked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.stores.plain_columns import (
    check_plain,
    column_of,
    has_nul,
    member,
    missing_of,
    plain,
    plain_type,
    schema_bytes,
    schema_from,
    texts_of,
    values_of,
)
from platebench.stores.tables import StoredTables, selected
from platebench.stores.where import Where, columns_of

GROUP = "tables"
COLUMNS, MISSING, SCHEMA = "columns", "missing", "schema"

ROWS = 65_536
"""Rows per chunk of the tuned stores; h5py's own guess is about 2,000 floats."""

_WIDE = 4
"""Texts of one length may take so many times their bytes; then they are stored with their own."""


class Hdf5Tables(StoredTables):
    """The tables in the file at `path`.

    Without `tuned`, datasets are what `create_dataset(maxshape=(None,))` makes, with texts of any
    length. With it, texts are of one length where that is not much larger, which reads faster.
    `options` are those of compression.
    """

    def __init__(self, path: Path, tuned: bool, options: dict[str, Any]) -> None:
        self._path = path
        self._tuned = tuned
        self._options = options

    def check(self, name: str, table: pa.Table) -> None:
        """Raise Unsupported for types that HDF5 does not hold, and for texts with NUL."""
        check_plain("HDF5", name, table)
        for field in table.schema:
            is_text = plain_type(field.type) == pa.large_string()
            if is_text and has_nul(plain(table[field.name])):
                raise Unsupported(
                    f"HDF5 text cannot contain NUL, as in column {field.name!r} of {name!r}"
                )

    def create(self, name: str, table: pa.Table) -> None:
        """Write one column after another."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(self._path, "a") as file:
            group = file.require_group(GROUP).create_group(name, track_order=True)
            group.create_dataset(SCHEMA, data=np.frombuffer(schema_bytes(table.schema), np.uint8))
            for part in (COLUMNS, MISSING):
                group.create_group(part)
            for column in table.column_names:
                self._write(group, column, plain(table[column]))

    def names(self) -> list[str]:
        """List the groups."""
        with self._reading() as file:
            return sorted(file[GROUP]) if file is not None and GROUP in file else []

    def schema(self, name: str) -> pa.Schema:
        """Read the schema."""
        with self._reading() as file:
            return _schema(_group(file, name))

    def select(self, name: str, columns: list[str], where: Where) -> pa.Table:
        """Read the needed columns, then filter them in memory."""
        with self._reading() as file:
            group = _group(file, name)
            schema = _schema(group)
            needed = list(dict.fromkeys([*columns, *columns_of(where)]))
            wanted = pa.schema([schema.field(each) for each in needed], schema.metadata)
            arrays = [_read(group, field) for field in wanted]
        return selected(pa.Table.from_arrays(arrays, schema=wanted), columns, where)

    def extend(self, name: str, rows: pa.Table) -> None:
        """Resize the datasets; one whose texts are too short for the new ones is written again."""
        with h5py.File(self._path, "r+") as file:
            group = _group(file, name)
            schema = _schema(group)
            before = self._rows(group, schema)
            for field in schema:
                self._extend(group, field, plain(rows[field.name]), before)

    @contextmanager
    def _reading(self) -> Iterator[h5py.File | None]:
        if not self._path.exists():
            yield None
            return
        with h5py.File(self._path, "r") as file:
            yield file

    def _rows(self, group: h5py.Group, schema: pa.Schema) -> int:
        return len(group[COLUMNS][member(schema.names[0])]) if schema.names else 0

    def _write(self, group: h5py.Group, column: str, values: pa.ChunkedArray) -> None:
        stored, kind = self._encoded(values)
        self._dataset(group[COLUMNS], column, stored, kind)
        missing = missing_of(values)
        if missing is not None:
            self._dataset(group[MISSING], column, missing, np.dtype(bool))

    def _encoded(self, values: pa.ChunkedArray) -> tuple[Any, Any]:
        """Return values for h5py, and their type in the file."""
        if values.type != pa.large_string():
            numbers = values_of(values)
            return numbers, numbers.dtype
        texts = texts_of(values)
        if self._tuned:
            encoded = [text.encode() for text in texts]
            longest = max(map(len, encoded), default=1) or 1
            if longest * len(encoded) <= _WIDE * (sum(map(len, encoded)) + 16 * len(encoded)):
                kind = h5py.string_dtype("utf-8", longest)
                return np.array(encoded, kind), kind
        return np.array(texts, object), h5py.string_dtype()

    def _dataset(self, group: h5py.Group, column: str, values: Any, kind: Any) -> None:
        chunks: Any = (min(ROWS, max(1, len(values))),) if self._tuned else True
        group.create_dataset(
            member(column),
            shape=(len(values),),
            dtype=kind,
            data=values if len(values) else None,
            maxshape=(None,),
            chunks=chunks,
            **self._options,
        )

    def _extend(
        self, group: h5py.Group, field: pa.Field, rows: pa.ChunkedArray, before: int
    ) -> None:
        place = member(field.name)
        data = group[COLUMNS][place]
        if rows.type != pa.large_string():
            stored = values_of(rows)
        elif data.dtype.kind == "O":
            stored = np.array(texts_of(rows), object)
        else:
            encoded = [text.encode() for text in texts_of(rows)]
            if max(map(len, encoded), default=0) > data.dtype.itemsize:
                self._write_again(group, field, rows)
                return
            stored = np.array(encoded, data.dtype)
        _grow(data, stored)
        missing = missing_of(rows)
        if place in group[MISSING]:
            _grow(group[MISSING][place], np.zeros(len(rows), bool) if missing is None else missing)
        elif missing is not None:
            mask = np.concatenate([np.zeros(before, bool), missing])
            self._dataset(group[MISSING], field.name, mask, np.dtype(bool))

    def _write_again(self, group: h5py.Group, field: pa.Field, rows: pa.ChunkedArray) -> None:
        """Write a column in wider datasets, with rows at the end."""
        whole = plain(_read(group, field))
        for part in (COLUMNS, MISSING):
            if member(field.name) in group[part]:
                del group[part][member(field.name)]
        self._write(group, field.name, pa.chunked_array([*whole.chunks, *rows.chunks], whole.type))


def _grow(data: h5py.Dataset, values: np.ndarray) -> None:
    before = len(data)
    data.resize(before + len(values), axis=0)
    if len(values):
        data[before:] = values


def _group(file: h5py.File | None, name: str) -> h5py.Group:
    if file is None or GROUP not in file or name not in file[GROUP]:
        raise KeyError(name)
    return file[GROUP][name]


def _schema(group: h5py.Group) -> pa.Schema:
    return schema_from(group[SCHEMA][()].tobytes())


def _read(group: h5py.Group, field: pa.Field) -> pa.ChunkedArray:
    place = member(field.name)
    values = group[COLUMNS][place][()]
    missing = group[MISSING][place][()] if place in group[MISSING] else None
    if values.dtype.kind == "O":  # h5py gives texts of any length as bytes
        values = pa.array(values, pa.large_binary(), mask=missing).cast(pa.large_string())
        missing = None
    return column_of(values, missing, field.type)
