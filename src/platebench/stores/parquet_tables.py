"""Tables as Parquet files, filtered by pyarrow's dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from platebench.errors import Unsupported
from platebench.stores.table_files import TableFolders
from platebench.stores.where import Where, expression


class ParquetTables(TableFolders):
    """A folder of Parquet files for each table. `options` are those of `pq.write_table`."""

    ending = ".parquet"

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        super().__init__(folder)
        self._options = options

    def check(self, name: str, table: pa.Table) -> None:
        """Raise Unsupported for a type that Parquet does not give back.

        What a file returns is told by a file without rows, in memory.
        """
        sink = pa.BufferOutputStream()
        try:
            pq.write_table(table.schema.empty_table(), sink)
        except pa.ArrowException as error:
            raise Unsupported(f"table {name!r}: {error}") from error
        found = pq.read_schema(pa.BufferReader(sink.getvalue()))
        for field in table.schema:
            if found.field(field.name).type != field.type:
                raise Unsupported(
                    f"Parquet cannot hold {field.type}, as in column {field.name!r} of {name!r}"
                )

    def write_file(self, table: pa.Table, file: Path) -> None:
        """Write one file."""
        pq.write_table(table, file, **self._options)

    def read_files(
        self, files: list[Path], schema: pa.Schema, columns: list[str], where: Where
    ) -> pa.Table:
        """Skip row groups by their statistics, then filter rows."""
        import pyarrow.dataset  # imports pandas, which reading images does not need

        dataset = pyarrow.dataset.dataset([str(file) for file in files], schema=schema)
        return dataset.to_table(columns=columns, filter=expression(where) if where else None)

    def schema_of(self, file: Path) -> pa.Schema:
        """Read the footer."""
        return pq.read_schema(file)
