"""The tables of a package: read from text files and CH5 files, and written to the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from platebench.errors import Unsupported, UserError
from platebench.images import links
from platebench.images.folder import tables_of_movies
from platebench.images.table_digest import table_digest
from platebench.images.table_names import check_names
from platebench.images.tables import read_table
from platebench.limits import gigabytes, memory_bytes
from platebench.packages.manifest import StoredColumn, StoredTable
from platebench.packages.source import PARQUET, Found
from platebench.stores.tables import StoredTables


class FoundTables(Mapping[str, pa.Table]):
    """The tables of a source by name, each read on access."""

    def __init__(self, found: Found) -> None:
        self._files = {table.name: table for table in found.tables}
        self._movies = tables_of_movies(found.movies)

    def __getitem__(self, name: str) -> pa.Table:
        if name in self._files:
            found = self._files[name]
            if found.file.suffix.lower() == PARQUET:
                return _read_parquet(found.file)
            return read_table(found.file, found.member)
        return self._movies[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._files
        yield from self._movies

    def __len__(self) -> int:
        return len(self._files) + len(self._movies)

    def source(self, name: str) -> str:
        """Return the path of the table's text file, "" if it comes from image files."""
        return self._files[name].path if name in self._files else ""


def _read_parquet(file: Path) -> pa.Table:
    """Read a table. Raises UserError, also for one that claims more than a quarter of memory."""
    try:
        metadata = pq.read_metadata(file)
        groups = range(metadata.num_row_groups)
        size = sum(metadata.row_group(each).total_byte_size for each in groups)
        if size > memory_bytes() // 4:
            raise UserError(f"{file}: claims a table of {gigabytes(size)}, too large for memory")
        return pq.read_table(file).replace_schema_metadata()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise UserError(f"{file}: not a readable table ({reason})") from error


def write_tables(
    tables: Mapping[str, pa.Table],
    names: Iterable[str],
    source: Callable[[str], str],
    images_table: pa.Table,
    place: Path,
    stored: StoredTables,
    refused: Callable[[str, UserError], None],
) -> list[StoredTable]:
    """Write the tables of these names, one at a time, and return what the manifest says of them.

    A table that cannot be read or stored is given to `refused` with its reason, and is not
    written. Raises UserError for a name that no table may have.
    """
    told = []
    for name, table in storable(tables, names, stored, refused):
        place.parent.mkdir(parents=True, exist_ok=True)
        stored.create(name, table)
        told.append(told_of(name, table, source(name), images_table))
    return told


def storable(
    tables: Mapping[str, pa.Table],
    names: Iterable[str],
    stored: StoredTables,
    refused: Callable[[str, UserError], None],
) -> Iterator[tuple[str, pa.Table]]:
    """Read the tables one by one; yield those that the store can hold, `refused` gets the others.

    Raises UserError for a name that no table may have.
    """
    check_names(tables)
    for name in names:
        try:
            table = tables[name]
            stored.check(name, table)
        except UserError as error:
            refused(name, error)
        except Unsupported as reason:
            refused(name, UserError(f"table {name!r} cannot be stored: {reason}"))
        else:
            yield name, table


def told_of(name: str, table: pa.Table, source: str, images_table: pa.Table) -> StoredTable:
    """Return what a manifest says of a table."""
    return StoredTable(
        name=name,
        rows=table.num_rows,
        columns=tuple(StoredColumn(field.name, str(field.type)) for field in table.schema),
        keys=links.key_columns(table, images_table),
        source=source,
        digest=table_digest(table),
    )
