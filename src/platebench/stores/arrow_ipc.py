"""Arrow IPC files, also known as Feather version 2, through pyarrow.

- `default`: what `pyarrow.feather.write_feather` and `DataFrame.to_feather` write: LZ4, record
  batches of up to 65,536 rows, so all images are in one batch. Writing holds the whole table in
  memory. Rows are taken from the table that `read_all` returns.
- `fast`: uncompressed, one record batch per image, read through a memory map: a batch is a
  view of the page cache, and only the requested images are read. `included_fields`, with which
  pyarrow copies what it reads, is for the table and for compressed images only.
- `balanced`: one record batch per image, compressed by LZ4: cold, single images are read about as
  fast as uncompressed ones, from 0.58 of the bytes. Zstandard level 1 makes 0.36, reads them in 2
  times the time and writes in 4 to 5 times the time, since one thread compresses a column. TIFF
  files are compressed anew, by Zstandard level 1 in several threads (`tiff_codec`), and the file is
  not.
- `small`: Zstandard level 12, 5% smaller than level 3; TIFF files as lossless JPEG XL.

How `balanced` and `small` were chosen is in docs/tuning.md.

Tables that belong to the images are IPC files of their own, with the same compression. Then the
store is a folder (see `table_files`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pyarrow import feather, ipc

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.arrow_tables import ArrowTables
from platebench.stores.contract import OpenDecoded, OpenStore, check_rows
from platebench.stores.read_ahead import AdvisedFile
from platebench.stores.table_files import TABLES, images_place, stored_images
from platebench.stores.tables import StoredTables
from platebench.stores.tiff_codec import CODECS, TiffCodec
from platebench.stores.tiff_store import TiffStore
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
from platebench.stores.variants import Variants, for_tables

_TABLE = ipc.IpcReadOptions(included_fields=list(range(len(IMAGE_SCHEMA))))
"""Neither reads nor decompresses the image, which is the last column."""

_IMAGES = ipc.IpcReadOptions(included_fields=[len(IMAGE_SCHEMA)])
"""Decompresses the image only: 0.3 ms less per compressed batch, 0.1 ms more per plain one."""

_TABLE_CODECS = {
    "default": pa.Codec("lz4"),
    "fast": None,
    "balanced": pa.Codec("zstd", 1),
    "small": pa.Codec("zstd", 9),
}

ENDING = ".arrow"


@dataclass(frozen=True)
class Settings:
    """How a file is written: the codec of its buffers, or as `write_feather` does it.

    `tiff` compresses the TIFF files anew.
    """

    codec: str | None = None
    level: int | None = None
    quick_start: bool = False
    tiff: TiffCodec | None = None


_BUFFERS = {
    "default": Settings(quick_start=True),
    "uncompressed": Settings(),
    "lz4": Settings("lz4"),
    **{f"zstd-{level}": Settings("zstd", level) for level in (1, 3, 9, 12)},
}
_TIFF = {
    **{name: _BUFFERS[name] for name in ("default", "uncompressed", "lz4", "zstd-1", "zstd-3")},
    **{f"tiff-{name}": Settings(tiff=codec) for name, codec in CODECS.items()},
}
_ALWAYS = {"default": "default", "fast": "uncompressed"}
CANDIDATES: Mapping[str, Variants[Settings]] = {
    "pixels": Variants(_BUFFERS, _ALWAYS | {"balanced": "lz4", "small": "zstd-12"}),
    "tiff": Variants(_TIFF, _ALWAYS | {"balanced": "tiff-zstd-1", "small": "tiff-jpeg-xl-2"}),
    "tensor": Variants(_BUFFERS, _ALWAYS | {"balanced": "lz4", "small": "zstd-12"}),
}


class ArrowIpc(TiffStore):
    """One Arrow IPC file of images, and one for each table."""

    format = "arrow-ipc"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tiff": {
            "Python": """
import io, pyarrow as pa, tifffile
image = pa.ipc.open_file(pa.memory_map(place)).get_batch(0)["image"][0].as_py()
print(tifffile.imread(io.BytesIO(image)))
""",
            "R": """
table <- arrow::read_feather(place)
tiff::readTIFF(as.raw(table$image[[1]]), as.is = TRUE)
""",
        },
        "pixels": {
            "Python": """
import numpy as np, pyarrow as pa
row = pa.ipc.open_file(pa.memory_map(place)).get_batch(0).slice(0, 1).to_pylist()[0]
print(np.frombuffer(row["image"], row["dtype"]).reshape(row["shape"]))
""",
            "R": """
row <- arrow::read_feather(place)[1, ]  # dtype |u1: size = 1; <u2: size = 2
t(matrix(readBin(row$image[[1]], "integer", 1e9, size = 1, signed = FALSE), rev(row$shape[[1]])))
""",
        },
        "tensor": {
            "Python": """
import pyarrow as pa
print(pa.ipc.open_file(pa.memory_map(place)).get_batch(0)["image"].to_numpy_ndarray()[0])
""",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one file: one image at a time, or one table with `default` tuning.

        Raises Unsupported for tensors of different shapes or dtypes.
        """
        settings = self._settings
        images = self._encoded(images)
        schema = image_schema(images, self.layout)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        place = images_place(path, images.tables, ENDING)
        batches = image_batches(images, self.layout, schema, 1)
        if settings.quick_start:
            # One batch, or several if a binary column exceeds 2 GiB.
            table = pa.Table.from_batches(batches, schema).combine_chunks()
            feather.write_feather(table, str(place))
        else:
            self._write_batches(batches, schema, place)
        tables.write(images.tables)

    @property
    def _codec(self) -> TiffCodec | None:
        return self._settings.tiff

    def _opened(self, path: Path, layout: str) -> OpenStore:
        """Map the file."""
        place, tables = stored_images(path, ENDING), self.tables_at(path)
        if self._settings.quick_start:
            return _OpenTable(place, layout).with_tables(tables)
        options = None if self._settings.codec is None else _IMAGES
        return _OpenBatches(place, layout, options).with_tables(tables)

    def tables_at(self, path: Path) -> StoredTables:
        """Keep one Arrow IPC file for each table, compressed as the images are."""
        return ArrowTables(path / TABLES, for_tables(_TABLE_CODECS, self.tuning))

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)

    def _write_batches(
        self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: Path
    ) -> None:
        codec, level = self._settings.codec, self._settings.level
        options = ipc.IpcWriteOptions(compression=pa.Codec(codec, level) if codec else None)
        with pa.OSFile(str(file), "wb") as sink, ipc.new_file(sink, schema, options=options) as out:
            for batch in batches:
                out.write_batch(batch)


class _OpenIpc(OpenStore):
    """The parts that both ways of reading share: the map, the table, the shapes."""

    def __init__(self, path: Path, layout: str) -> None:
        self._path = path
        self._layout = layout

    @cached_property
    def _map(self) -> pa.MemoryMappedFile:
        return pa.memory_map(str(self._path))

    @cached_property
    def _batches(self) -> ipc.RecordBatchFileReader:
        return ipc.open_file(self._map)

    @cached_property
    def _kinds(self) -> Kinds:
        return kinds_of(self._batches.schema, lambda names: self.table().select(names))

    def close(self) -> None:
        if "_map" in vars(self):
            self._map.close()

    def table(self) -> pa.Table:
        with pa.OSFile(str(self._path)) as file:
            return table_of(ipc.open_file(file, options=_TABLE).read_all())


class _OpenBatches(OpenDecoded, _OpenIpc):
    """One batch per image."""

    def __init__(self, path: Path, layout: str, options: ipc.IpcReadOptions | None) -> None:
        super().__init__(path, layout)
        self._options = options
        self._advised = AdvisedFile(path)

    @cached_property
    def _batches(self) -> ipc.RecordBatchFileReader:
        return ipc.open_file(self._map, options=self._options)

    def close(self) -> None:
        super().close()
        self._advised.close()

    def __len__(self) -> int:
        return int(self._batches.num_record_batches)

    def decoded(
        self, rows: Sequence[int], memory: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        for row in self._advised.ahead_evenly(rows, len(self)):  # pyarrow has no places
            column = self._batches.get_batch(row).column(IMAGE)
            yield from decode(column, self._layout, self._kinds, [row], memory)


class _OpenTable(_OpenIpc):
    """All images in one batch, or in a few."""

    def __len__(self) -> int:
        return int(self.table().num_rows)

    def scan(self) -> Iterator[np.ndarray]:
        batches = map(self._batches.get_batch, range(self._batches.num_record_batches))
        columns = (batch.column(IMAGE) for batch in batches)
        return decode_all(columns, self._layout, self._kinds)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        images = self._batches.read_all()[IMAGE]
        check_rows(rows, len(images))
        return decode(images.take(pa.array(rows, pa.int64())), self._layout, self._kinds, rows)
