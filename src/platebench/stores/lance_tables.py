"""Tables as tables of the same LanceDB database, filtered by Lance's SQL.

A table has versions of its own. That of an older version of the images is the newest one made
before the next version of the images: so a version of the images has the rows that were appended
with it or after it, until images were added again. A table of which nothing was made by then is
not there.

Lance takes a dot in a column's name for a field of a struct, and does not find a name with a
backtick. Such characters are escaped: `Metadata.Well` is the column `Metadata%2eWell`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import lance
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.stores.tables import StoredTables
from platebench.stores.where import Where, sql

_SUFFIX = ".lance"


class LanceTables(StoredTables):
    """The tables in the database at `path`, beside the table `images`.

    `metadata` is that of each column's field. `before` is the time of the next version of the
    images, None for the newest.
    """

    def __init__(
        self, path: Path, images: str, metadata: dict[str, str], before: datetime | None = None
    ) -> None:
        self._path = path
        self._images = images
        self._metadata = metadata
        self._before = before
        self._datasets: dict[str, Any] = {}

    def check(self, name: str, table: pa.Table) -> None:
        """Raise Unsupported for column names and types that Lance does not give back.

        A table without rows, in memory, tells the types.
        """
        if "" in table.column_names:
            raise Unsupported(f"table {name!r}: Lance needs a name for each column")
        try:
            empty = _renamed(table.schema.empty_table(), _column)
            found = lance.write_dataset(empty, "memory://types").schema
        except Exception as error:
            reason = str(error).split(", ", maxsplit=1)[0]
            raise Unsupported(f"table {name!r}: {reason}") from error
        for one, other in zip(table.schema, found, strict=True):
            if one.type != other.type:
                raise Unsupported(f"Lance cannot hold {one.type}, the type of column {one.name!r}")

    def create(self, name: str, table: pa.Table) -> None:
        """Create the table."""
        import lancedb

        lancedb.connect(str(self._path)).create_table(_escaped(name), self._stored(table))

    def _stored(self, table: pa.Table) -> pa.Table:
        fields = [
            field.with_name(_column(field.name)).with_metadata(self._metadata or None)
            for field in table.schema
        ]
        schema = pa.schema(fields, table.schema.metadata)
        return pa.Table.from_arrays(table.columns, schema=schema)

    def names(self) -> list[str]:
        """List the tables that have a version."""
        files = self.files()
        if self._before is not None:
            files = [file for file in files if self.version(file) is not None]
        return sorted(_name(file) for file in files)

    def schema(self, name: str) -> pa.Schema:
        """Read the manifest."""
        return _renamed(self._dataset(name).schema.empty_table(), unquote).schema

    def select(self, name: str, columns: list[str], where: Where) -> pa.Table:
        """Have Lance filter."""
        stored = [_column(column) for column in columns]
        escaped = tuple(replace(each, column=_column(each.column)) for each in where)
        condition = sql(escaped, quote="`") if where else None
        found = self._dataset(name).to_table(columns=stored, filter=condition)
        return _renamed(found.select(stored), unquote)

    def extend(self, name: str, rows: pa.Table) -> None:
        """Add a version with the rows."""
        import lancedb

        table = lancedb.connect(str(self._path)).open_table(_escaped(name))
        table.add(_renamed(rows, _column))
        self._datasets.pop(name, None)

    def files(self) -> list[Path]:
        """Return the folder of every table, also of those without a version."""
        found = self._path.glob(f"*{_SUFFIX}")
        return sorted(file for file in found if file.name != f"{self._images}{_SUFFIX}")

    def version(self, file: Path) -> int | None:
        """Return a table's version; None if it has none this old."""
        versions = lance.dataset(str(file)).versions()
        before = self._before
        old = [each for each in versions if before is None or time_of(each) < before]
        return int(old[-1]["version"]) if old else None

    def restore(self) -> None:
        """Make these versions the newest; a table that was not there loses its rows."""
        import lancedb

        for file in self.files():
            version = self.version(file)
            table = lancedb.connect(str(self._path)).open_table(file.name.removesuffix(_SUFFIX))
            if version is None:
                table.delete("TRUE")
            elif version != table.version:
                table.checkout(version)
                table.restore()

    def prune(self, prune: Callable[[Any, int], None]) -> None:
        """Remove the versions before these. `prune` takes a dataset and how many to keep."""
        for file in self.files():
            oldest = self.version(file)
            dataset = lance.dataset(str(file))
            kept = [each for each in dataset.versions() if each["version"] >= (oldest or 0)]
            prune(dataset, len(kept))

    def _dataset(self, name: str) -> Any:
        """Open a table once."""
        if name not in self._datasets:
            file = self._path / f"{_escaped(name)}{_SUFFIX}"
            if not name or file not in self.files():
                raise KeyError(name)
            version = None if self._before is None else self.version(file)
            if version is None and self._before is not None:
                raise KeyError(name)
            self._datasets[name] = lance.dataset(str(file), version=version)
        return self._datasets[name]


class PylanceTables(LanceTables):
    """The same tables, written by pylance alone."""

    def create(self, name: str, table: pa.Table) -> None:
        """Create the dataset."""
        lance.write_dataset(self._stored(table), self._file(name))

    def extend(self, name: str, rows: pa.Table) -> None:
        """Add a version with the rows."""
        lance.write_dataset(_renamed(rows, _column), self._file(name), mode="append")
        self._datasets.pop(name, None)

    def restore(self) -> None:
        """Make these versions the newest; a table that was not there loses its rows."""
        for file in self.files():
            version, dataset = self.version(file), lance.dataset(str(file))
            if version is None:
                dataset.delete("TRUE")
            elif version != dataset.version:
                dataset.checkout_version(version).restore()

    def _file(self, name: str) -> str:
        return str(self._path / f"{_escaped(name)}{_SUFFIX}")


def time_of(version: dict[str, Any]) -> datetime:
    """Return when a version was made."""
    made: datetime = version["timestamp"]
    return made.astimezone(UTC)


def _escaped(name: str) -> str:
    """Return a name that LanceDB allows: letters, digits, - and _; other bytes as .20 in hex."""
    return "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or chr(byte) in "-_" else f".{byte:02x}"
        for byte in name.encode()
    )


def _name(file: Path) -> str:
    return unquote(file.name.removesuffix(_SUFFIX).replace(".", "%"))


def _column(name: str) -> str:
    """Return a column's name for Lance, with percent signs in place of what it cannot take."""
    return "".join(f"%{ord(each):02x}" if each in "%.`" else each for each in name)


def _renamed(table: pa.Table, rename: Callable[[str], str]) -> pa.Table:
    """Return a table with other names, which are the same if none has a special character."""
    names = [rename(name) for name in table.column_names]
    return table if names == table.column_names else table.rename_columns(names)
