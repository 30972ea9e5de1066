"""Stored tables: what a format does for the tables of an image set.

A store has one object of `StoredTables` for a path. Formats differ in it: files beside the images,
tables of the same database, groups of the same file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from platebench.errors import Unsupported, UserError
from platebench.stores.where import Where, columns_of, expression, fitted

RESERVED = frozenset({"images", "pixels", "common", "tables"})
"""Names that formats use for the images themselves, in any case of letters."""

_LONGEST = 150
"""Bytes of a name. File systems allow 255, and formats add an ending or escape characters."""


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
        return self.select(name, chosen, fitted(where, schema))

    def append(self, name: str, rows: pa.Table) -> None:
        """Add rows to a table, or make a table of them if there is none of this name.

        Raises UserError if their columns or types differ from the table's, Unsupported if the
        format cannot hold them.
        """
        check_names([name])
        self.check(name, rows)
        if name not in self.names():
            self.create(name, rows)
            return
        schema = self.schema(name)
        check_same_columns(name, schema, rows)
        self.extend(name, pa.Table.from_arrays(rows.columns, schema=schema))


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


def check_names(names: Iterable[str]) -> None:
    """Raise UserError for names that cannot be those of tables in every format."""
    seen: dict[str, str] = {}
    for name in names:
        problem = _problem(name)
        other = seen.setdefault(name.casefold(), name)
        if problem is None and other != name:
            problem = f"differs from {other} in the case of letters only"
        if problem is not None:
            raise UserError(f"table {name!r}: {problem}; choose another name")


def _problem(name: str) -> str | None:
    lowered = name.casefold()
    if not name or name.strip() != name:
        return "is empty, or begins or ends with a space"
    if "/" in name or name.startswith(".") or not name.isprintable():
        return "contains a slash or a control character, or begins with a dot"
    if lowered in RESERVED or lowered.startswith(("sqlite_", "platebench")):
        return "is reserved"
    if len(name.encode(errors="replace")) > _LONGEST:
        return f"is longer than {_LONGEST} bytes"
    return None


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
        found = rows.schema.field(field.name).type
        if found != field.type:
            raise UserError(
                f"column {field.name!r} of table {name!r} has type {field.type}, not {found};"
                " no row was added"
            )


def selected(table: pa.Table, columns: list[str], where: Where) -> pa.Table:
    """Return columns of the rows of a table in memory that match fitted conditions."""
    if not where:
        return table.select(columns)
    needed = list(dict.fromkeys([*columns, *columns_of(where)]))
    return table.select(needed).filter(expression(where)).select(columns)
