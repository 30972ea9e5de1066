"""Tables as tables of the same SQLite database, with typed columns, filtered by SQL.

A number is INTEGER or REAL, a text TEXT, a truth value 0 or 1, a time its integer. Rows are in the
order of SQLite's rowid. Two tables say what SQLite cannot:

    platebench_tables  the Arrow schema of each table
    platebench_nan     which REAL values are NaN: SQLite stores NULL for it
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.stores.plain_columns import (
    check_plain,
    column_of,
    plain,
    plain_type,
    schema_bytes,
    schema_from,
    values_of,
)
from platebench.stores.tables import StoredTables
from platebench.stores.where import Where, sql

SCHEMAS = "platebench_tables"
NANS = "platebench_nan"

BATCH = 8192
"""Rows that are Python values at once."""

MOST_COLUMNS = 2000
"""SQLite's default limit (https://sqlite.org/limits.html)."""

_ROWIDS = ("rowid", "oid", "_rowid_")


class SqliteTables(StoredTables):
    """The tables in the database at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self, name: str, table: pa.Table) -> None:
        """Raise Unsupported for types, numbers and column names that SQLite does not hold."""
        check_plain("SQLite", name, table)
        folded = [_folded(column) for column in table.column_names]
        if len(set(folded)) < len(folded):
            raise Unsupported(
                f"table {name!r}: SQLite takes upper and lower case in column names as equal"
            )
        if not 0 < len(folded) <= MOST_COLUMNS or set(_ROWIDS) <= set(folded):
            raise Unsupported(f"table {name!r}: an SQLite table has 1 to {MOST_COLUMNS} columns")
        for field in table.schema:
            if "\0" in field.name:
                raise Unsupported(f"table {name!r}: SQLite column names cannot contain NUL")
            if plain_type(field.type) == pa.uint64():
                most = max(values_of(plain(table[field.name])), default=0)
                if most >= 2**63:
                    raise Unsupported(f"SQLite cannot hold {most}, of column {field.name!r}")

    def create(self, name: str, table: pa.Table) -> None:
        """Create the table and insert its rows, in one transaction."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        columns = ", ".join(f"{_quoted(field.name)} {_sql_type(field)}" for field in table.schema)
        with self._connected() as connection, connection:
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {SCHEMAS} (name TEXT PRIMARY KEY, schema BLOB)"
            )
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {NANS} (name TEXT, field TEXT, row INTEGER,"
                " PRIMARY KEY (name, field, row)) WITHOUT ROWID"
            )
            connection.execute(f"CREATE TABLE {_quoted(name)} ({columns})")
            connection.execute(
                f"INSERT INTO {SCHEMAS} VALUES (?, ?)", (name, schema_bytes(table.schema))
            )
            _insert(connection, name, table, 1)

    def names(self) -> list[str]:
        """List the tables that have a schema."""
        with self._connected(readonly=True) as connection:
            if not _has_tables(connection):
                return []
            return sorted(name for (name,) in connection.execute(f"SELECT name FROM {SCHEMAS}"))

    def schema(self, name: str) -> pa.Schema:
        """Read the schema."""
        with self._connected(readonly=True) as connection:
            found = None
            if _has_tables(connection):
                query = f"SELECT schema FROM {SCHEMAS} WHERE name = ?"
                found = connection.execute(query, [name]).fetchone()
        if found is None:
            raise KeyError(name)
        return schema_from(found[0])

    def select(self, name: str, columns: list[str], where: Where) -> pa.Table:
        """Read the rows that match in batches, then put NaN where it was."""
        schema = self.schema(name)
        wanted = pa.schema([schema.field(column) for column in columns], schema.metadata)
        rowid = _rowid(schema)
        names = ", ".join([rowid, *map(_quoted, columns)])
        query = f"SELECT {names} FROM {_quoted(name)} WHERE {sql(where)} ORDER BY {rowid}"
        chunks: list[list[pa.ChunkedArray]] = [[] for _ in columns]
        with self._connected(readonly=True) as connection:
            nans = _nans(connection, name)
            cursor = connection.execute(query)
            while rows := cursor.fetchmany(BATCH):
                numbers, *values = zip(*rows, strict=True)
                for place, field in enumerate(wanted):
                    found = _column(values[place], field.type)
                    if field.name in nans:
                        found = _with_nan(found, np.isin(numbers, nans[field.name]))
                    chunks[place].append(found)
        arrays = [
            pa.chunked_array([each for some in found for each in some.chunks], field.type)
            for found, field in zip(chunks, wanted, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=wanted).unify_dictionaries()

    def extend(self, name: str, rows: pa.Table) -> None:
        """Insert the rows in one transaction."""
        with self._connected() as connection, connection:
            rowid = _rowid(rows.schema)
            query = f"SELECT coalesce(max({rowid}), 0) FROM {_quoted(name)}"
            (last,) = connection.execute(query).fetchone()
            _insert(connection, name, rows, int(last) + 1)

    @contextmanager
    def _connected(self, readonly: bool = False) -> Iterator[sqlite3.Connection]:
        if readonly and not self._path.exists():
            connection = sqlite3.connect(":memory:")
        elif readonly:
            connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)
        else:
            connection = sqlite3.connect(self._path)
        try:
            yield connection
        finally:
            connection.close()


def _insert(connection: sqlite3.Connection, name: str, table: pa.Table, first: int) -> None:
    """Insert rows, whose numbers count from `first`."""
    whole = pa.table([plain(column) for column in table.columns], names=table.column_names)
    marks = ", ".join("?" * len(whole.columns))
    rows = (
        row
        for batch in whole.to_batches(max_chunksize=BATCH)
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    )
    connection.executemany(f"INSERT INTO {_quoted(name)} VALUES ({marks})", rows)
    for field in whole.schema:
        if pa.types.is_floating(field.type):
            found = (np.flatnonzero(np.isnan(values_of(whole[field.name]))) + first).tolist()
            connection.executemany(
                f"INSERT INTO {NANS} VALUES (?, ?, ?)", ((name, field.name, row) for row in found)
            )


def _column(values: tuple[Any, ...], kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_boolean(plain_type(kind)):
        values = tuple(None if value is None else value == 1 for value in values)
    return column_of(values, None, kind)


def _nans(connection: sqlite3.Connection, name: str) -> dict[str, list[int]]:
    """Return the rows that are NaN, of each column that has any."""
    found: dict[str, list[int]] = {}
    for field, row in connection.execute(f"SELECT field, row FROM {NANS} WHERE name = ?", [name]):
        found.setdefault(field, []).append(row)
    return found


def _with_nan(column: pa.ChunkedArray, places: np.ndarray) -> pa.ChunkedArray:
    """Return a column with NaN in these places, where SQLite has NULL."""
    missing = column.is_null().to_numpy() & ~places
    values = np.where(places, np.nan, values_of(column)).astype(values_of(column).dtype)
    return pa.chunked_array([pa.array(values, column.type, mask=missing)])


def _has_tables(connection: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(query, [SCHEMAS]).fetchone() is not None


def _rowid(schema: pa.Schema) -> str:
    """Return a name of SQLite's row number that no column has."""
    columns = set(map(_folded, schema.names))
    return next(name for name in _ROWIDS if name not in columns)


def _folded(name: str) -> str:
    """Return a name without the case of its letters, as SQLite compares: only of A to Z."""
    return "".join(each.lower() if each.isascii() else each for each in name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _sql_type(field: pa.Field) -> str:
    kind = plain_type(field.type)
    if kind == pa.large_string():
        return "TEXT"
    return "REAL" if pa.types.is_floating(kind) else "INTEGER"
