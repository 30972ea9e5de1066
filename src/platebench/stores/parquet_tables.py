"""Tables as Parquet files, filtered by pyarrow's dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from platebench.stores.table_files import TableFiles
from platebench.stores.where import Where, expression


class ParquetTables(TableFiles):
    """One Parquet file for each table. `options` are those of `pq.write_table`."""

    ending = ".parquet"

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        super().__init__(folder)
        self._options = options

    def check(self, name: str, table: pa.Table) -> None:
        """Parquet files carry the Arrow schema."""

    def write_file(self, table: pa.Table, file: Path) -> None:
        """Write one file."""
        pq.write_table(table, file, **self._options)

    def read_file(self, file: Path, columns: list[str], where: Where) -> pa.Table:
        """Skip row groups by their statistics, then filter rows."""
        import pyarrow.dataset  # imports pandas, which reading images does not need

        dataset = pyarrow.dataset.dataset(file, schema=self.schema_of(file))
        return dataset.to_table(columns=columns, filter=expression(where) if where else None)

    def schema_of(self, file: Path) -> pa.Schema:
        """Read the footer."""
        return pq.read_schema(file)
