"""Tables as Arrow IPC files: for a format that has nothing better, and for Arrow IPC itself."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

from platebench.stores.table_files import TableFolders
from platebench.stores.tables import selected
from platebench.stores.where import Where, columns_of

ROWS = 65_536
"""Rows of a record batch: pyarrow's default for Feather files."""


class ArrowTables(TableFolders):
    """A folder of Arrow IPC files for each table, uncompressed unless `codec` is given.

    They are read through a memory map, and rows are filtered in memory. An uncompressed column is
    a view of the page cache. `included_fields`, with which pyarrow copies, is for compressed ones:
    others are not decompressed.
    """

    ending = ".arrow"

    def __init__(self, folder: Path, codec: pa.Codec | None = None) -> None:
        super().__init__(folder)
        self._codec = codec

    def check(self, name: str, table: pa.Table) -> None:
        """Arrow holds every type of Arrow."""

    def write_file(self, table: pa.Table, file: Path) -> None:
        """Write batches of `ROWS` rows."""
        options = ipc.IpcWriteOptions(compression=self._codec, unify_dictionaries=True)
        with (
            pa.OSFile(str(file), "wb") as sink,
            ipc.new_file(sink, table.schema, options=options) as writer,
        ):
            writer.write_table(table, max_chunksize=ROWS)

    def read_files(
        self, files: list[Path], schema: pa.Schema, columns: list[str], where: Where
    ) -> pa.Table:
        """Read the needed columns only, then filter them."""
        needed = list(dict.fromkeys([*columns, *columns_of(where)]))
        options = ipc.IpcReadOptions()
        if self._codec is not None:
            options.included_fields = [schema.get_field_index(name) for name in needed]
        tables = []
        for file in files:
            with pa.memory_map(str(file)) as source:
                tables.append(ipc.open_file(source, options=options).read_all().select(needed))
        return selected(pa.concat_tables(tables), columns, where)

    def schema_of(self, file: Path) -> pa.Schema:
        """Read the footer."""
        with pa.memory_map(str(file)) as source:
            return ipc.open_file(source).schema
