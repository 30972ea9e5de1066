"""Tables as groups of a Zarr group, one array for each column.

    tables/<name>/columns/<column>  numbers, truth values, texts (`string`); a time is its integer
    tables/<name>/missing/<column>  which values are missing, if any is

The group's attribute `schema` is the Arrow schema, in base64. A slash in a column's name is %2f.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import zarr

from platebench.errors import Unsupported
from platebench.stores.plain_columns import (
    check_plain,
    column_of,
    member,
    missing_of,
    plain,
    schema_bytes,
    schema_from,
    texts_of,
    values_of,
)
from platebench.stores.tables import StoredTables, selected
from platebench.stores.where import Where, columns_of

COLUMNS, MISSING, SCHEMA = "columns", "missing", "schema"

_LONGEST = 255
"""Bytes of a file's name."""


class ZarrTables(StoredTables):
    """The tables in `folder`, which is a Zarr group.

    `options` are those of `create_array`. `chunk` is the largest number of rows per chunk; without
    it, zarr chooses.
    """

    def __init__(self, folder: Path, options: dict[str, Any], chunk: int | None) -> None:
        self._folder = folder
        self._options = options
        self._chunk = chunk

    def check(self, name: str, table: pa.Table) -> None:
        """Raise Unsupported for types that Zarr does not hold, and for column names too long."""
        check_plain("Zarr", name, table)
        for column in table.column_names:
            if len(member(column).encode()) > _LONGEST:
                raise Unsupported(
                    f"Zarr names a folder after column {column[:40]!r}..., which is too long a name"
                )

    def create(self, name: str, table: pa.Table) -> None:
        """Write one column after another."""
        if not self._has():
            self._create_group()
        schema = base64.b64encode(schema_bytes(table.schema)).decode()
        self._create_group(name, attributes={SCHEMA: schema})
        for part in (COLUMNS, MISSING):
            self._create_group(name, part)
        for column in table.column_names:
            values = plain(table[column])
            self._write((name, COLUMNS, member(column)), _stored(values))
            missing = missing_of(values)
            if missing is not None:
                self._write((name, MISSING, member(column)), missing)

    def names(self) -> list[str]:
        """List the groups."""
        if not self._folder.is_dir():
            return []
        return sorted(folder.name for folder in self._folder.iterdir() if folder.is_dir())

    def schema(self, name: str) -> pa.Schema:
        """Read the attribute of the group."""
        if not name or not self._has(name):
            raise KeyError(name)
        return schema_from(base64.b64decode(str(self._open_group(name).attrs[SCHEMA])))

    def select(self, name: str, columns: list[str], where: Where) -> pa.Table:
        """Read the needed columns, then filter them in memory."""
        schema = self.schema(name)
        needed = list(dict.fromkeys([*columns, *columns_of(where)]))
        wanted = pa.schema([schema.field(each) for each in needed], schema.metadata)
        arrays = [self._read(name, field) for field in wanted]
        return selected(pa.Table.from_arrays(arrays, schema=wanted), columns, where)

    def extend(self, name: str, rows: pa.Table) -> None:
        """Append to each array."""
        for column in rows.column_names:
            values = plain(rows[column])
            array = self._open_array((name, COLUMNS, member(column)), "r+")
            before = array.shape[0]
            missing, place = missing_of(values), (name, MISSING, member(column))
            if self._has(*place):
                mask = np.zeros(len(values), bool) if missing is None else missing
                self._open_array(place, "r+").append(mask)
            elif missing is not None:
                self._write(place, np.concatenate([np.zeros(before, bool), missing]))
            array.append(_stored(values))

    def _has(self, *parts: str) -> bool:
        return self._folder.joinpath(*parts).is_dir()

    def _create_group(self, *parts: str, attributes: dict[str, Any] | None = None) -> None:
        zarr.create_group(self._folder.joinpath(*parts), attributes=attributes)

    def _open_group(self, *parts: str) -> zarr.Group:
        return zarr.open_group(self._folder.joinpath(*parts), mode="r")

    def _create_array(self, parts: tuple[str, ...], **options: Any) -> zarr.Array:
        return zarr.create_array(self._folder.joinpath(*parts), **options)

    def _open_array(self, parts: tuple[str, ...], mode: Literal["r", "r+"] = "r") -> zarr.Array:
        return zarr.open_array(self._folder.joinpath(*parts), mode=mode)

    def _write(self, parts: tuple[str, ...], values: np.ndarray) -> None:
        chunk = None if len(values) else 1
        if self._chunk is not None:  # a chunk is stored whole, however few rows it has
            chunk = max(1, min(self._chunk, len(values)))
        array = self._create_array(
            parts,
            shape=values.shape,
            dtype="string" if values.dtype == object else values.dtype,
            **({} if chunk is None else {"chunks": (chunk,)}),
            **self._options,
        )
        if len(values):
            array[:] = values

    def _read(self, name: str, field: pa.Field) -> pa.ChunkedArray:
        place = (name, MISSING, member(field.name))
        missing = np.asarray(self._open_array(place)[:]) if self._has(*place) else None
        values = np.asarray(self._open_array((name, COLUMNS, member(field.name)))[:])
        if values.dtype.kind in "TO":
            values = values.astype(object)
        return column_of(values, missing, field.type)


def _stored(values: pa.ChunkedArray) -> np.ndarray:
    if values.type == pa.large_string():
        return np.array(texts_of(values), object)
    return values_of(values)
