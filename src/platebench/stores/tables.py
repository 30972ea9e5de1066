"""Stored tables: what a format does for the tables of an image set.

A store has one object of `StoredTables` for a path. Formats differ in it: files beside the images,
tables of the same database, groups of the same file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import pyarrow as pa

from platebench.errors import Unsupported, UserError
from platebench.images.table_names import check_names
from platebench.stores.where import Where, columns_of, expression, fitted


class StoredTables(ABC):
    """The tables beside the images of one stored image set.

    Tables come back equal to what was written: names and order of columns, types, values, missing
    values, and the order of rows.
    """

    @abstractmethod
    def check(self, name: str, table: pa.Table) -> None:
        """Raise Unsupported if the format cannot hold this table as it is."""

    @abstractmethod
    def create(self, name: str, table: pa.Table) -> None:
        """Write a table that is not stored yet. Creates missing folders."""

    @abstractmethod
    def names(self) -> list[str]:
        """List the stored tables, sorted."""

    @abstractmethod
    def schema(self, name: str) -> pa.Schema:
        """Return the schema of a table. Raises KeyError for an unknown name."""

    @abstractmethod
    def select(self, name: str, columns: list[str], where: Where) -> pa.Table:
        """Return columns of the rows that match. All exist, and `where` is fitted to the schema."""

    @abstractmethod
    def extend(self, name: str, rows: pa.Table) -> None:
        """Add rows, whose schema is that of the table, after its last row."""

    def check_all(self, tables: Mapping[str, pa.Table]) -> None:
        """Raise UserError for a name, and Unsupported for a table, that cannot be stored."""
        check_names(tables)
        for name in tables:
            self.check(name, tables[name])

    def write(self, tables: Mapping[str, pa.Table]) -> None:
        """Write tables that `check_all` has passed, one at a time."""
        for name in tables:
            self.create(name, tables[name])

    def read(self, name: str, columns: Sequence[str] | None = None, where: Where = ()) -> pa.Table:
        """Return a table, some columns of it in this order, or the rows that match.

        Raises KeyError for an unknown name or column, UserError for a condition that does not suit
        its column.
        """
        schema = self.schema(name)
        chosen = schema.names if columns is None else list(columns)
        for column in chosen:
            if column not in schema.names:
                raise KeyError(column)
        unique = list(dict.fromkeys(chosen))
        found = self.select(name, unique, fitted(where, schema))
        return found if unique == chosen else found.select(chosen)

    def append(self, name: str, rows: pa.Table) -> None:
        """Add rows to a table, or make a table of them if there is none of this name.

        Raises UserError if their columns or types differ from the table's, Unsupported if the
        format cannot hold them.
        """
        self.check_appendable({name: rows})
        self.append_all({name: rows})

    def check_appendable(self, tables: Mapping[str, pa.Table]) -> None:
        """Raise UserError or Unsupported for rows that `append_all` cannot add to their tables."""
        self.check_all(tables)
        for name in set(self.names()) & set(tables):
            check_same_columns(name, self.schema(name), tables[name])

    def append_all(self, tables: Mapping[str, pa.Table]) -> None:
        """Add rows that `check_appendable` has passed, of one table after another."""
        stored = set(self.names())
        for name in tables:
            if name in stored:
                rows = tables[name]
                self.extend(name, pa.Table.from_arrays(rows.columns, schema=self.schema(name)))
            else:
                self.create(name, tables[name])


class NoTables(StoredTables):
    """The tables of a store that keeps images only."""

    def check(self, name: str, table: pa.Table) -> None:
        """Refuse every table."""
        raise Unsupported(f"table {name!r}: this store keeps images only")

    def create(self, name: str, table: pa.Table) -> None:
        """Refuse, as `check` does."""
        self.check(name, table)

    def names(self) -> list[str]:
        """List nothing."""
        return []

    def schema(self, name: str) -> pa.Schema:
        """Raise KeyError."""
        raise KeyError(name)

    def select(self, name: str, columns: list[str], where: Where) -> pa.Table:
        """Raise KeyError."""
        raise KeyError(name)

    def extend(self, name: str, rows: pa.Table) -> None:
        """Raise KeyError."""
        raise KeyError(name)


def check_same_columns(name: str, schema: pa.Schema, rows: pa.Table) -> None:
    """Raise UserError, which names the column, if rows have other columns than a table."""
    if rows.column_names != schema.names:
        other = [each for each in rows.column_names if each not in schema.names]
        missing = [each for each in schema.names if each not in rows.column_names]
        what = (
            f"has no column {other[0]!r}"
            if other
            else f"needs column {missing[0]!r}"
            if (missing)
            else "has its columns in another order"
        )
        raise UserError(f"table {name!r} {what}; no row was added")
    for field in schema:
        found = rows.schema.field(field.name)
        if found.type != field.type:
            raise UserError(
                f"column {field.name!r} of table {name!r} has type {field.type}, not {found.type};"
                " no row was added"
            )
        if not field.nullable and rows[field.name].null_count:
            raise UserError(
                f"column {field.name!r} of table {name!r} has no missing values; no row was added"
            )


def selected(table: pa.Table, columns: list[str], where: Where) -> pa.Table:
    """Return columns of the rows of a table in memory that match fitted conditions."""
    if not where:
        return table.select(columns)
    needed = list(dict.fromkeys([*columns, *columns_of(where)]))
    return table.select(needed).filter(expression(where)).select(columns)
