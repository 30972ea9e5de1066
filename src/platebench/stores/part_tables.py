"""The tables of the parts of platebench's part list."""

from __future__ import annotations

import pyarrow as pa

from platebench.errors import Unsupported
from platebench.stores.tables import StoredTables
from platebench.stores.where import Where


class TablesOfParts(StoredTables):
    """The tables of several parts, one after another. They are not changed in place."""

    def __init__(self, parts: list[StoredTables]) -> None:
        self._parts = parts

    def check(self, name: str, table: pa.Table) -> None:
        """Check what a part can hold."""
        self._parts[0].check(name, table)

    def create(self, name: str, table: pa.Table) -> None:
        """Refuse: a version's parts are not changed."""
        raise Unsupported(f"table {name!r}: use append_rows, which adds a version")

    def extend(self, name: str, rows: pa.Table) -> None:
        """Refuse: a version's parts are not changed."""
        self.create(name, rows)

    def names(self) -> list[str]:
        """List the tables of all parts."""
        return sorted({name for part in self._parts for name in part.names()})

    def schema(self, name: str) -> pa.Schema:
        """Return the schema that all parts share."""
        return self._having(name)[0].schema(name)

    def select(self, name: str, columns: list[str], where: Where) -> pa.Table:
        """Read one part after another."""
        found = [part.select(name, columns, where) for part in self._having(name)]
        return pa.concat_tables(found)

    def _having(self, name: str) -> list[StoredTables]:
        having = [part for part in self._parts if name in part.names()]
        if not having:
            raise KeyError(name)
        return having
