"""Apache Parquet, through pyarrow.

An image is one value of a binary, tensor or list column. Parquet has no type of 8 or 16 bits:
a list or tensor of uint8 is stored as 32-bit integers.

- `default`: what `pyarrow.parquet.write_table` and `DataFrame.to_parquet` write: snappy,
  dictionary encoding, row groups of up to 1,048,576 rows, so all images are in one. Rows are
  read by `pyarrow.dataset`'s `take`. The writer holds the row group in memory until it is complete.
- `fast`: uncompressed, without a dictionary or statistics of the pixels, one row group per
  image, so the footer holds the offset of each image. A row is one `read_row_group`, from a memory
  map and without `pre_buffer`, which copies each column chunk once more.
- `small`: the same row groups, Zstandard level 9.

Tables that belong to the images are Parquet files of their own, as `pq.write_table` writes them:
with a dictionary and statistics, by which a condition skips row groups; `fast` uncompressed,
`small` with Zstandard level 9. Then the store is a folder (see `table_files`).

The nested layout with `default` tuning is that of the 2024 talk: images become Python records and
then awkward arrays, which turns their integers into int64. The other tunings keep the dtype.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from platebench.errors import Unsupported
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.contract import OpenByRow, OpenStore, Store, check_rows
from platebench.stores.parquet_tables import ParquetTables
from platebench.stores.read_ahead import read_ahead
from platebench.stores.table_files import TABLES, images_place, stored_images
from platebench.stores.tables import StoredTables
from platebench.stores.values import (
    IMAGE,
    Kinds,
    decode,
    decode_all,
    image_batches,
    image_schema,
    kinds_of,
    table_of,
)

BATCH = 16
"""Images per batch if one row group holds all: about 22 MB for 1024 x 1344 uint8."""

MOST_BYTES_AS_RECORDS = 32 * 2**20
"""The most pixel bytes that become Python records, as the talk did with two images."""

_PLAIN = {"use_dictionary": False, "write_statistics": False}
_WRITER: dict[str, dict[str, Any]] = {
    "default": {},
    "fast": {"compression": "none", **_PLAIN},
    "small": {"compression": "zstd", "compression_level": 9, **_PLAIN},
}
_TABLE_WRITER: dict[str, dict[str, Any]] = {
    "default": {},
    "fast": {"compression": "none"},
    "balanced": {"compression": "zstd"},
    "small": {"compression": "zstd", "compression_level": 9},
}

ENDING = ".parquet"


class Parquet(Store):
    """One Parquet file of images, and one for each table."""

    format = "parquet"

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one file, batch by batch.

        Raises Unsupported for tensors and nested lists of different shapes or dtypes, and for more
        than `MOST_BYTES_AS_RECORDS` of pixels that would become Python records.
        """
        schema = image_schema(images, self.layout, widened=self._widened)
        if self._widened and images.pixel_bytes > MOST_BYTES_AS_RECORDS:
            raise Unsupported(
                "awkward takes about 5 s per image to convert Python records; platebench limits"
                f" this layout to {MOST_BYTES_AS_RECORDS >> 20} MiB of pixels"
            )
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        place = images_place(path, images.tables, ENDING)
        one_row_group = self.tuning == "default"
        with pq.ParquetWriter(place, schema, **_WRITER[self.tuning]) as writer:
            for batch in image_batches(images, self.layout, schema, BATCH if one_row_group else 1):
                if one_row_group:
                    writer.write_batch(batch)
                else:
                    writer.write_table(pa.Table.from_batches([batch]))
        tables.write(images.tables)

    def open(self, path: Path) -> OpenStore:
        """Open the file: by row group if each image has one, otherwise through a dataset."""
        opened = _OpenWholeFile if self.tuning == "default" else _OpenRowGroups
        place = stored_images(path, ENDING)
        return opened(place, self.layout).with_tables(self.tables_at(path))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep one Parquet file for each table."""
        return ParquetTables(path / TABLES, _TABLE_WRITER[self.tuning])

    @property
    def _widened(self) -> bool:
        return self.layout == "nested" and self.tuning == "default"


class _OpenParquet(OpenStore):
    """The parts that both ways of reading share: the footer, the table, the shapes."""

    def __init__(self, path: Path, layout: str) -> None:
        self._path = path
        self._layout = layout

    @cached_property
    def _file(self) -> pq.ParquetFile:
        return pq.ParquetFile(self._path)

    @cached_property
    def _kinds(self) -> Kinds:
        return kinds_of(self._file.schema_arrow, self._file.read)

    def close(self) -> None:
        if "_file" in vars(self):
            self._file.close()

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def table(self) -> pa.Table:
        return table_of(self._file.read(columns=IMAGE_SCHEMA.names))


class _OpenRowGroups(OpenByRow, _OpenParquet):
    """One row group per image: a row is one read of known offset and size."""

    @cached_property
    def _file(self) -> pq.ParquetFile:
        return pq.ParquetFile(self._path, pre_buffer=False, memory_map=True)

    @cached_property
    def _descriptor(self) -> int:
        return os.open(self._path, os.O_RDONLY)

    @cached_property
    def _image(self) -> int:
        return int(self._file.schema_arrow.get_field_index(IMAGE))

    def close(self) -> None:
        super().close()
        if "_descriptor" in vars(self):
            os.close(self._descriptor)

    def table(self) -> pa.Table:
        with pq.ParquetFile(self._path, pre_buffer=False) as file:
            return table_of(file.read(columns=IMAGE_SCHEMA.names))

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        for row in read_ahead(self._descriptor, rows, self._span):
            yield from decode(self._column(row), self._layout, self._kinds, [row])

    def _column(self, row: int) -> pa.ChunkedArray:
        return self._file.read_row_group(row, columns=[IMAGE], use_threads=False)[IMAGE]

    def _span(self, row: int) -> tuple[int, int]:
        column = self._file.metadata.row_group(row).column(self._image)
        return column.data_page_offset, column.total_compressed_size


class _OpenWholeFile(_OpenParquet):
    """All images in one row group: batches for a scan, a dataset's `take` for rows."""

    def scan(self) -> Iterator[np.ndarray]:
        batches = self._file.iter_batches(batch_size=BATCH, columns=[IMAGE])
        return decode_all((batch.column(IMAGE) for batch in batches), self._layout, self._kinds)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        check_rows(rows, len(self))
        taken = self._dataset.take(pa.array(rows, pa.int64()), columns=[IMAGE])
        return decode(taken[IMAGE], self._layout, self._kinds, rows)

    @cached_property
    def _dataset(self) -> pa.dataset.Dataset:
        import pyarrow.dataset  # imports pandas, which nothing else here needs

        return pyarrow.dataset.dataset(self._path)
