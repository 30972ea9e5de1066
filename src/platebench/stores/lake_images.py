"""Read images from the Parquet files that a lakehouse table's version names.

Each image is a row group. The files, and the rows in a file, may be in any order; the statistics of
the column `row` in each footer say where an image is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from platebench.stores.contract import OpenStore, check_rows
from platebench.stores.joined import Joined
from platebench.stores.parquet_images import OpenRowGroups


def open_files(files: Sequence[Path], layout: str, schema: pa.Schema) -> OpenStore:
    """Open Parquet files of one image per row group as one image set.

    `schema` is the table's; its metadata has the shape and dtype, if all images share them.
    """
    parts = [_OpenFile(file, layout, schema) for file in files]
    return InOrder(Joined(list(parts)), [row for part in parts for row in part.stored_rows()])


class _OpenFile(OpenRowGroups):
    """A file of a lakehouse table. One that deltalake's `merge` wrote has views as values."""

    mapped_in_order: ClassVar[bool] = True
    """Files that deltalake wrote take 0.8 of the time so, also from the disk."""

    def _column(self, file: pq.ParquetFile, row: int) -> pa.ChunkedArray:
        column = super()._column(file, row)
        return column.cast(pa.binary()) if str(column.type) == "binary_view" else column


class InOrder(OpenStore):
    """An open store whose images are not in the order of their rows. `stored` are its rows."""

    def __init__(self, store: OpenStore, stored: list[int]) -> None:
        self._store = store
        self._places: list[int] = np.argsort(np.array(stored, np.int64), kind="stable").tolist()
        self._sorted = self._places == list(range(len(stored)))

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def __len__(self) -> int:
        return len(self._places)

    def scan(self) -> Iterator[np.ndarray]:
        """Scan the store, or take its images in the order of their rows."""
        return self._store.scan() if self._sorted else self._store.take(self._places)

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read the same into `memory`."""
        if self._sorted:
            return self._store.scan_into(memory)
        return self._store.take_into(self._places, memory)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Take the rows from where they are."""
        check_rows(rows, len(self))
        return self._store.take([self._places[row] for row in rows])

    def take_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Take the same into `memory`."""
        check_rows(rows, len(self))
        return self._store.take_into([self._places[row] for row in rows], memory)

    def table(self) -> pa.Table:
        """Sort the store's table by row."""
        return self._store.table() if self._sorted else self._store.table().sort_by("row")
