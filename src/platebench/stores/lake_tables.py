"""Tables as tables of a lakehouse format (Delta Lake, Iceberg), which has versions of each table.

Each commit of a table is marked with the version of the images at that time. An old version of the
images has a table's newest rows of that version or of one before; a table of which nothing was
committed by then is not there.

Numbers are 32 or 64 bits wide there, a time is its integer, text is UTF-8. The Arrow schema is kept
beside. Rows have a number, in the column `%row`: neither format keeps their order. In column names,
what the formats do not take is written as %20.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from platebench.errors import Unsupported
from platebench.stores.plain_columns import check_plain, plain, plain_type, restored, values_of
from platebench.stores.tables import StoredTables
from platebench.stores.where import Where, expression

ROW = "%row"
MARK = "platebench.images"
"""The key of a commit's mark."""


class Commit(NamedTuple):
    """A version of a table, by the format's own number, and the version of the images then."""

    own: int
    images: int


class LakeTables(StoredTables):
    """The tables as a version of the images has them, the newest if `version` is None.

    `newest` returns the newest version of the images, with which new rows are marked.
    """

    title: str
    """The format's name in messages."""

    def __init__(self, version: int | None, newest: Callable[[], int]) -> None:
        self._version = version
        self._newest = newest

    @abstractmethod
    def stored(self) -> list[str]:
        """List the tables that have any version."""

    @abstractmethod
    def commits(self, name: str) -> list[Commit]:
        """List a table's commits, oldest first."""

    @abstractmethod
    def files(self, name: str, own: int) -> list[Path]:
        """List the Parquet files of a table's version."""

    @abstractmethod
    def arrow_schema(self, name: str) -> pa.Schema:
        """Return the schema that `create_stored` was given."""

    @abstractmethod
    def create_stored(self, name: str, rows: pa.Table, schema: pa.Schema, mark: int) -> None:
        """Create a table of stored columns, and keep the Arrow schema beside."""

    @abstractmethod
    def add_stored(self, name: str, rows: pa.Table, mark: int) -> None:
        """Add rows of stored columns."""

    @abstractmethod
    def restore_own(self, name: str, own: int | None, mark: int) -> None:
        """Make a table's version the newest; None removes all rows."""

    @abstractmethod
    def prune_own(self, name: str, oldest: int) -> None:
        """Remove the versions before `oldest`, and the bytes that only they needed."""

    def check(self, name: str, table: pa.Table) -> None:
        """Raise Unsupported for types and numbers that both formats cannot hold."""
        check_plain(self.title, name, table)
        if not table.num_columns:
            raise Unsupported(f"table {name!r} has no columns; {self.title} needs one")
        for field in table.schema:
            if plain_type(field.type) == pa.uint64():
                most = max(values_of(plain(table[field.name])), default=0)
                if most >= 2**63:
                    raise Unsupported(f"{self.title} cannot hold {most}, of column {field.name!r}")

    def create(self, name: str, table: pa.Table) -> None:
        """Create the table."""
        self.create_stored(name, _stored(table, 0), table.schema, self._newest())

    def extend(self, name: str, rows: pa.Table) -> None:
        """Add the rows, numbered from the last."""
        own = self.commits(name)[-1].own
        before = sum(pq.read_metadata(file).num_rows for file in self.files(name, own))
        self.add_stored(name, _stored(rows, before), self._newest())

    def names(self) -> list[str]:
        """List the tables that this version has."""
        found = self.stored()
        if self._version is not None:
            found = [name for name in found if self.own_version(name) is not None]
        return sorted(found)

    def schema(self, name: str) -> pa.Schema:
        """Read the Arrow schema."""
        if name not in self.names():
            raise KeyError(name)
        return self.arrow_schema(name)

    def select(self, name: str, columns: list[str], where: Where) -> pa.Table:
        """Skip files and row groups by their statistics, filter rows, and sort them by number."""
        import pyarrow.dataset  # imports pandas, which reading images does not need

        schema = self.arrow_schema(name)
        own = self.own_version(name)
        assert own is not None, "`schema` has refused a table that is not there"
        wanted = [ROW, *map(stored_name, columns)]
        files = [str(file) for file in self.files(name, own)]
        dataset = pyarrow.dataset.dataset(files, schema=stored_schema(schema), format="parquet")
        renamed = tuple(replace(each, column=stored_name(each.column)) for each in where)
        found = dataset.to_table(columns=wanted, filter=expression(renamed) if where else None)
        found = found.sort_by(ROW)
        chosen = pa.schema([schema.field(column) for column in columns], schema.metadata)
        arrays = [
            restored(found[stored_name(field.name)].cast(plain_type(field.type)), field.type)
            for field in chosen
        ]
        return pa.Table.from_arrays(arrays, schema=chosen).unify_dictionaries()

    def own_version(self, name: str) -> int | None:
        """Return a table's own version as this version of the images has it."""
        old = [
            each.own
            for each in self.commits(name)
            if self._version is None or each.images <= self._version
        ]
        return old[-1] if old else None

    def restore(self, mark: int) -> None:
        """Make these tables the newest; one that was not there loses its rows."""
        for name in self.stored():
            own = self.own_version(name)
            if own != self.commits(name)[-1].own:
                self.restore_own(name, own, mark)

    def prune(self) -> None:
        """Remove all versions before these."""
        for name in self.stored():
            self.prune_own(name, self.own_version(name) or self.commits(name)[0].own)


def stored_name(name: str) -> str:
    """Return a column's name with letters, digits and _ only; other characters as %20."""
    return "".join(
        each if (each.isascii() and each.isalnum()) or each == "_" else _escaped(each)
        for each in name
    )


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02x}" for byte in character.encode())


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of the stored columns."""
    columns = [pa.field(stored_name(field.name), _stored_type(field.type)) for field in schema]
    return pa.schema([pa.field(ROW, pa.int64()), *columns])


def _stored_type(kind: pa.DataType) -> pa.DataType:
    plain_kind = plain_type(kind)
    assert plain_kind is not None, "`check` has refused a type that is not plain"
    if plain_kind == pa.large_string():
        return pa.string()
    if pa.types.is_float16(plain_kind):
        return pa.float32()
    if pa.types.is_integer(plain_kind):
        narrow = plain_kind.bit_width < 32 or plain_kind == pa.int32()
        return pa.int32() if narrow else pa.int64()
    return plain_kind


def _stored(table: pa.Table, first: int) -> pa.Table:
    numbers = pa.array(np.arange(first, first + table.num_rows))
    schema = stored_schema(table.schema)
    columns: Sequence[pa.ChunkedArray] = [
        plain(column).cast(field.type)
        for column, field in zip(table.columns, list(schema)[1:], strict=True)
    ]
    return pa.Table.from_arrays([numbers, *columns], schema=schema)
