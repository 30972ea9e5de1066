"""Arrow IPC files, also known as Feather version 2, through pyarrow.

- `default`: what `pyarrow.feather.write_feather` and `DataFrame.to_feather` write: LZ4, record
  batches of up to 65,536 rows, so all images are in one batch. Writing holds the whole table in
  memory. Rows are taken from the table that `read_all` returns.
- `fast`: uncompressed, one record batch per image, read through a memory map: a batch is a
  view of the page cache, and only the requested images are read.
- `small`: one record batch per image, Zstandard level 9.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import feather, ipc

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.contract import OpenByRow, OpenStore, Store, check_rows
from platebench.stores.values import (
    IMAGE,
    decode,
    decode_all,
    image_batches,
    image_schema,
    kinds_of,
    table_of,
)


class ArrowIpc(Store):
    """One Arrow IPC file of images."""

    format = "arrow-ipc"

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one file: one image at a time, or one table with `default` tuning.

        Raises Unsupported for tensors of different shapes or dtypes.
        """
        schema = image_schema(images, self.layout)
        path.parent.mkdir(parents=True, exist_ok=True)
        batches = image_batches(images, self.layout, schema, 1)
        if self.tuning == "default":
            # One batch, or several if a binary column exceeds 2 GiB.
            table = pa.Table.from_batches(batches, schema).combine_chunks()
            feather.write_feather(table, str(path))
        else:
            self._write_batches(batches, schema, path)

    def open(self, path: Path) -> OpenStore:
        """Map the file."""
        opened = _OpenTable if self.tuning == "default" else _OpenBatches
        return opened(path, self.layout)

    def _write_batches(
        self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: Path
    ) -> None:
        codec = pa.Codec("zstd", 9) if self.tuning == "small" else None
        options = ipc.IpcWriteOptions(compression=codec)
        with pa.OSFile(str(file), "wb") as sink, ipc.new_file(sink, schema, options=options) as out:
            for batch in batches:
                out.write_batch(batch)


class _OpenIpc(OpenStore):
    def __init__(self, file: Path, layout: str) -> None:
        self._layout = layout
        self._map = pa.memory_map(str(file))
        self._schema = ipc.open_file(self._map).schema
        self._images = self._columns([IMAGE])
        self._kinds = kinds_of(self._schema, lambda names: self._columns(names).read_all())

    def close(self) -> None:
        self._map.close()

    def table(self) -> pa.Table:
        return table_of(self._columns(IMAGE_SCHEMA.names).read_all())

    def _columns(self, names: list[str]) -> ipc.RecordBatchFileReader:
        """Return a reader of some columns; it neither reads nor decompresses the others."""
        included = [self._schema.get_field_index(name) for name in names]
        return ipc.open_file(self._map, options=ipc.IpcReadOptions(included_fields=included))


class _OpenBatches(OpenByRow, _OpenIpc):
    """One batch per image."""

    def __len__(self) -> int:
        return int(self._images.num_record_batches)

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        for row in rows:
            column = self._images.get_batch(row).column(0)
            yield from decode(column, self._layout, self._kinds, [row])


class _OpenTable(_OpenIpc):
    """All images in one batch, or in a few."""

    def __len__(self) -> int:
        return int(self._columns(["row"]).read_all().num_rows)

    def scan(self) -> Iterator[np.ndarray]:
        batches = map(self._images.get_batch, range(self._images.num_record_batches))
        return decode_all((batch.column(0) for batch in batches), self._layout, self._kinds)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        check_rows(rows, len(self))
        taken = self._images.read_all().take(pa.array(rows, pa.int64()))
        return decode(taken[IMAGE], self._layout, self._kinds, rows)
