"""Tables as the plain text files that a lab has, through `pyarrow.csv`.

    <name>.csv or <name>.csv.gz  UTF-8, column names first; a missing value is an empty field, and
                                 an empty text is ""
    <name>.schema                the types, as an Arrow IPC schema

Rows are appended as lines at the end; to a gzipped file, as one more member.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import pyarrow as pa
from pyarrow import csv

from platebench.errors import Unsupported
from platebench.stores.plain_columns import (
    check_plain,
    plain,
    restored,
    schema_bytes,
    schema_from,
)
from platebench.stores.table_files import TableFiles
from platebench.stores.tables import selected
from platebench.stores.where import Where, columns_of

GZIP_LEVEL = 6
"""What the program `gzip` does without options."""

_PARSING = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)


class CsvTables(TableFiles):
    """One CSV file for each table, `zipped` or not."""

    def __init__(self, folder: Path, zipped: bool = False) -> None:
        super().__init__(folder)
        self.ending = ".csv.gz" if zipped else ".csv"

    def check(self, name: str, table: pa.Table) -> None:
        """Raise Unsupported for what `pyarrow.csv` does not read back."""
        check_plain("CSV", name, table)
        for field in table.schema:
            kind = _value_type(field.type)
            if pa.types.is_float16(kind) or not table.num_columns:
                raise Unsupported(f"CSV cannot hold {kind}, the type of column {field.name!r}")
        if not table.num_columns:
            raise Unsupported(
                f"table {name!r} has no columns; CSV cannot store the number of its rows"
            )

    def write_file(self, table: pa.Table, file: Path) -> None:
        """Write the lines, then the schema."""
        with self._opened(file, "wb") as sink:
            csv.write_csv(_decoded(table), sink)
        self._schema_file(file).write_bytes(schema_bytes(table.schema))

    def read_file(self, file: Path, columns: list[str], where: Where) -> pa.Table:
        """Parse the whole file, convert the needed columns, and filter them in memory."""
        schema = self.schema_of(file)
        needed = list(dict.fromkeys([*columns, *columns_of(where)]))
        converting = csv.ConvertOptions(
            column_types={field.name: _value_type(field.type) for field in schema},
            include_columns=needed,
            null_values=[""],
            true_values=["true"],
            false_values=["false"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        table = csv.read_csv(file, parse_options=_PARSING, convert_options=converting)
        wanted = pa.schema([schema.field(name) for name in needed], schema.metadata)
        arrays = [_encoded(table[field.name], field.type) for field in wanted]
        return selected(pa.Table.from_arrays(arrays, schema=wanted), columns, where)

    def schema_of(self, file: Path) -> pa.Schema:
        """Read the schema beside the file."""
        return schema_from(self._schema_file(file).read_bytes())

    def extend(self, name: str, rows: pa.Table) -> None:
        """Write more lines at the end of the file."""
        with self._opened(self.file(name), "ab") as sink:
            csv.write_csv(_decoded(rows), sink, csv.WriteOptions(include_header=False))

    def _schema_file(self, file: Path) -> Path:
        return file.with_name(f"{file.name.removesuffix(self.ending)}.schema")

    @contextmanager
    def _opened(self, file: Path, mode: Literal["ab", "wb"]) -> Iterator[BinaryIO | gzip.GzipFile]:
        with file.open(mode) as sink:
            if self.ending == ".csv":
                yield sink
                return
            # Without a name and a time the bytes depend on the table only.
            with gzip.GzipFile("", "wb", GZIP_LEVEL, sink, mtime=0) as packed:
                yield packed


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _encoded(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return restored(plain(column), kind) if pa.types.is_dictionary(kind) else column


def _decoded(table: pa.Table) -> pa.Table:
    """Return a table of values in place of dictionary codes."""
    return table.cast(pa.schema([(field.name, _value_type(field.type)) for field in table.schema]))
