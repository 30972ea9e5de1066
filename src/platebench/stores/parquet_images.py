"""Read images from one Parquet file: for Parquet itself and for the table formats above it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from platebench.images.imageset import IMAGE_SCHEMA
from platebench.stores.contract import OpenDecoded, OpenStore, check_rows
from platebench.stores.read_ahead import AdvisedFile
from platebench.stores.values import IMAGE, Kinds, decode, decode_all, kinds_of, table_of

BATCH = 16
"""Images per batch if one row group holds all: about 22 MB for 1024 x 1344 uint8."""

MOST_ROW_GROUPS = 4096
"""The most row groups of one file. More images with a row group each are in several files.

A row group takes 0.9 kB of the footer, which is read whole when a file is opened, and 7.5 kB of
memory: 4,096 take 4 MB, 30 ms and 31 MB (pyarrow 26).
"""


class OpenParquet(OpenStore):
    """The parts that both ways of reading share: the footer, the table, the shapes."""

    def __init__(self, path: Path, layout: str, schema: pa.Schema | None = None) -> None:
        """Read the file at `path`. `schema` is that of its table, if the file has none of Arrow."""
        self._path = path
        self._layout = layout
        self._schema = schema

    @cached_property
    def _file(self) -> pq.ParquetFile:
        return pq.ParquetFile(self._path)

    @cached_property
    def _kinds(self) -> Kinds:
        return kinds_of(self._schema or self._file.schema_arrow, self._file.read)

    def close(self) -> None:
        """Close the file."""
        if "_file" in vars(self):
            self._file.close()

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def table(self) -> pa.Table:
        """Read the columns that are not pixels."""
        return table_of(self._file.read(columns=IMAGE_SCHEMA.names))


class OpenRowGroups(OpenDecoded, OpenParquet):
    """One row group per image: a row is one read of known offset and size."""

    mapped_in_order: ClassVar[bool] = False
    """Read rows in order through the map too."""

    def __init__(self, path: Path, layout: str, schema: pa.Schema | None = None) -> None:
        """As `OpenParquet`."""
        super().__init__(path, layout, schema)
        self._advised = AdvisedFile(path)

    @cached_property
    def _file(self) -> pq.ParquetFile:
        return pq.ParquetFile(self._path, pre_buffer=False, memory_map=True)

    @cached_property
    def _image(self) -> int:
        return int(self._file.schema_arrow.get_field_index(IMAGE))

    def close(self) -> None:
        """Close the file and its descriptor."""
        super().close()
        self._advised.close()

    def table(self) -> pa.Table:
        """Read the columns that are not pixels, without a memory map."""
        with pq.ParquetFile(self._path, pre_buffer=False) as file:
            return table_of(file.read(columns=IMAGE_SCHEMA.names))

    def stored_rows(self) -> list[int]:
        """Return the number of each image in the column `row`, from the footer's statistics."""
        metadata = self._file.metadata
        place = self._file.schema_arrow.get_field_index("row")
        groups = range(metadata.num_row_groups)
        return [int(metadata.row_group(group).column(place).statistics.min) for group in groups]

    def decoded(
        self, rows: Sequence[int], memory: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Read one row group per row; decode compressed TIFF files to `memory`.

        Rows in order are read without a map: from the disk they take 0.8 of the time of a map with
        advice, from the page cache 1.1 times as long (pyarrow 26, a read-ahead of 128 KiB).
        """
        if isinstance(rows, range) and not self.mapped_in_order:
            footer = self._file.metadata
            with pq.ParquetFile(self._path, metadata=footer, pre_buffer=False) as file:
                for row in rows:
                    yield from self._decoded(file, row, memory)
        else:
            for row in self._advised.ahead(rows, self._span):
                yield from self._decoded(self._file, row, memory)

    def _decoded(
        self, file: pq.ParquetFile, row: int, memory: np.ndarray | None
    ) -> Iterator[np.ndarray]:
        return decode(self._column(file, row), self._layout, self._kinds, [row], memory)

    def _column(self, file: pq.ParquetFile, row: int) -> pa.ChunkedArray:
        return file.read_row_group(row, columns=[IMAGE], use_threads=False)[IMAGE]

    def _span(self, row: int) -> tuple[int, int]:
        column = self._file.metadata.row_group(row).column(self._image)
        return column.data_page_offset, column.total_compressed_size


class OpenWholeFile(OpenParquet):
    """All images in one row group: batches for a scan, a dataset's `take` for rows."""

    def scan(self) -> Iterator[np.ndarray]:
        """Read batches of the row group."""
        batches = self._file.iter_batches(batch_size=BATCH, columns=[IMAGE])
        return decode_all((batch.column(IMAGE) for batch in batches), self._layout, self._kinds)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Have pyarrow's dataset take the rows."""
        check_rows(rows, len(self))
        taken = self._dataset.take(pa.array(rows, pa.int64()), columns=[IMAGE])
        return decode(taken[IMAGE], self._layout, self._kinds, rows)

    @cached_property
    def _dataset(self) -> pa.dataset.Dataset:
        import pyarrow.dataset  # imports pandas, which nothing else here needs

        return pyarrow.dataset.dataset(self._path)
