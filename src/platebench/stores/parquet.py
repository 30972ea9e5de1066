"""Apache Parquet, through pyarrow.

An image is one value of a binary, tensor or list column. Parquet has no type of 8 or 16 bits:
a list or tensor of uint8 is stored as 32-bit integers.

- `default`: what `pyarrow.parquet.write_table` and `DataFrame.to_parquet` write: snappy,
  dictionary encoding, row groups of up to 1,048,576 rows, so all images are in one. Rows are
  read by `pyarrow.dataset`'s `take`. The writer holds the row group in memory until it is complete.
- `fast`: uncompressed, without a dictionary or statistics of the pixels, one row group per
  image, so the footer holds the offset of each image. A row is one `read_row_group`, from a memory
  map and without `pre_buffer`, which copies each column chunk once more.
- `balanced`: the same row groups. Raw pixels are compressed by LZ4: cold, single images are read as
  fast as uncompressed ones, from 0.58 of the bytes. Zstandard level 1 makes 0.36, reads them in 1.4
  times the time, and writes in 4.8 times the time, since a Parquet column is compressed by one
  thread. Tensors and lists are encoded as `BYTE_STREAM_SPLIT`, which puts the three empty bytes of
  each integer together, and compressed by Zstandard level 1; without the encoding that makes 1.6
  times the bytes. TIFF files are compressed anew, by Zstandard level 1 in several threads
  (`tiff_codec`), and Parquet leaves them as they are.
- `small`: Brotli level 6, which is 3% smaller than Zstandard level 12 and quicker to write, and for
  TIFF files lossless JPEG XL.

How `balanced` and `small` were chosen is in docs/tuning.md.

More than `MOST_ROW_GROUPS` images with a row group each are several files in the folder `images`
(see `split_images`), because a file's footer grows with its row groups and is read whole.

Tables that belong to the images are Parquet files of their own, as `pq.write_table` writes them:
with a dictionary and statistics, by which a condition skips row groups; `fast` uncompressed,
`small` with Zstandard level 9. Then the store is a folder (see `table_files`).

The nested layout with `default` tuning is that of the 2024 talk: images become Python records and
then awkward arrays, which turns their integers into int64. The other tunings keep the dtype.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenStore
from platebench.stores.parquet_images import (
    BATCH,
    MOST_ROW_GROUPS,
    OpenRowGroups,
    OpenWholeFile,
)
from platebench.stores.parquet_tables import ParquetTables
from platebench.stores.split_images import SplitImages, is_split, split_place, split_rows
from platebench.stores.table_files import TABLES, images_place, stored_images
from platebench.stores.tables import StoredTables
from platebench.stores.tiff_codec import CODECS, TiffCodec
from platebench.stores.tiff_store import TiffStore
from platebench.stores.values import IMAGE, image_batches, image_schema
from platebench.stores.variants import Variants, for_tables

MOST_BYTES_AS_RECORDS = 32 * 2**20
"""The most pixel bytes that become Python records, as the talk did with two images."""


@dataclass(frozen=True)
class Settings:
    """How a file is written.

    `options` are those of `ParquetWriter`. `one_row_group` holds all images, otherwise each has its
    own. `encoding` is that of tensors' and lists' values. `tiff` compresses the TIFF files anew.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    one_row_group: bool = False
    encoding: str | None = None
    tiff: TiffCodec | None = None


def _rows(compression: str, level: int | None = None, **more: Any) -> Settings:
    """Return settings with one row group per image, without statistics and dictionary."""
    options = {"compression": compression, "compression_level": level}
    return Settings({"use_dictionary": False, "write_statistics": False, **options}, **more)


_QUICK_START = {"default": Settings(one_row_group=True)}
_BINARY = _QUICK_START | {
    "uncompressed": _rows("none"),
    "lz4": _rows("lz4"),
    "snappy": _rows("snappy"),
    **{f"zstd-{level}": _rows("zstd", level) for level in (1, 3, 9, 12)},
    **{f"brotli-{level}": _rows("brotli", level) for level in (4, 6)},
}
_TIFF = {
    **{name: _BINARY[name] for name in ("default", "uncompressed", "lz4", "zstd-1", "zstd-3")},
    **{f"tiff-{name}": _rows("none", tiff=codec) for name, codec in CODECS.items()},
}
_SPLIT, _DELTA = "BYTE_STREAM_SPLIT", "DELTA_BINARY_PACKED"
_INTEGERS = _QUICK_START | {
    "uncompressed": _rows("none"),
    "zstd-1": _rows("zstd", 1),
    "delta-zstd-1": _rows("zstd", 1, encoding=_DELTA),
    "split-lz4": _rows("lz4", encoding=_SPLIT),
    **{f"split-zstd-{level}": _rows("zstd", level, encoding=_SPLIT) for level in (1, 3, 9, 12)},
    "split-brotli-6": _rows("brotli", 6, encoding=_SPLIT),
}
_ALWAYS = {"default": "default", "fast": "uncompressed"}
CANDIDATES: Mapping[str, Variants[Settings]] = {
    "pixels": Variants(_BINARY, _ALWAYS | {"balanced": "lz4", "small": "brotli-6"}),
    "tiff": Variants(_TIFF, _ALWAYS | {"balanced": "tiff-zstd-1", "small": "tiff-jpeg-xl-2"}),
    "tensor": Variants(
        _INTEGERS, _ALWAYS | {"balanced": "split-zstd-1", "small": "split-brotli-6"}
    ),
    "nested": Variants(
        _INTEGERS, _ALWAYS | {"balanced": "split-zstd-1", "small": "split-brotli-6"}
    ),
}
_TABLE_WRITER: dict[str, dict[str, Any]] = {
    "default": {},
    "fast": {"compression": "none"},
    "balanced": {"compression": "zstd"},
    "small": {"compression": "zstd", "compression_level": 9},
}

ENDING = ".parquet"


class Parquet(TiffStore):
    """One Parquet file of images, or several if they are many, and one for each table."""

    format = "parquet"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tiff": {
            "Python": """
import io, pyarrow.parquet as pq, tifffile
image = pq.ParquetFile(place).read_row_group(0, columns=["image"])["image"][0].as_py()
print(tifffile.imread(io.BytesIO(image)))
""",
            "R": """
table <- arrow::read_parquet(place)
tiff::readTIFF(as.raw(table$image[[1]]), as.is = TRUE)
""",
        },
        "pixels": {
            "Python": """
import numpy as np, pyarrow.parquet as pq
row = pq.ParquetFile(place).read_row_group(0).slice(0, 1).to_pylist()[0]
print(np.frombuffer(row["image"], row["dtype"]).reshape(row["shape"]))
""",
            "R": """
row <- arrow::read_parquet(place)[1, ]  # dtype |u1: size = 1; <u2: size = 2
t(matrix(readBin(row$image[[1]], "integer", 1e9, size = 1, signed = FALSE), rev(row$shape[[1]])))
""",
        },
        "tensor": {
            "Python": """
import pyarrow.parquet as pq
image = pq.ParquetFile(place).read_row_group(0, columns=["image"])["image"]
print(image.combine_chunks().to_numpy_ndarray()[0])
""",
        },
        "nested": {
            "Python": """
import numpy as np, pyarrow.parquet as pq
row = pq.ParquetFile(place).read_row_group(0).slice(0, 1).to_pylist()[0]
print(np.array(row["image"], row["dtype"]))
""",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one file, batch by batch; several if each image has a row group and they are many.

        Raises Unsupported for tensors and nested lists of different shapes or dtypes, and for more
        than `MOST_BYTES_AS_RECORDS` of pixels that would become Python records.
        """
        settings = self._settings
        images = self._encoded(images)
        schema = image_schema(images, self.layout, widened=self._widened)
        if self._widened and images.pixel_bytes > MOST_BYTES_AS_RECORDS:
            raise Unsupported(
                "awkward takes about 5 s per image to convert Python records; platebench limits"
                f" this layout to {MOST_BYTES_AS_RECORDS >> 20} MiB of pixels"
            )
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        batches = image_batches(images, self.layout, schema, BATCH if settings.one_row_group else 1)
        if settings.one_row_group or len(images) <= MOST_ROW_GROUPS:
            self._write_file(batches, schema, images_place(path, images.tables, ENDING))
        else:
            for rows in split_rows(len(images), MOST_ROW_GROUPS):
                place = split_place(path, rows, len(images), ENDING)
                self._write_file(islice(batches, len(rows)), schema, place)
        tables.write(images.tables)

    def _write_file(
        self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, place: Path
    ) -> None:
        """Write one file: one row group, or one for each batch."""
        settings = self._settings
        encodings = _encodings(schema, settings.encoding)
        with pq.ParquetWriter(place, schema, **settings.options, **encodings) as writer:
            for batch in batches:
                if settings.one_row_group:
                    writer.write_batch(batch)
                else:
                    writer.write_table(pa.Table.from_batches([batch]))

    @property
    def _codec(self) -> TiffCodec | None:
        return self._settings.tiff

    def _opened(self, path: Path, layout: str) -> OpenStore:
        """Open the file: by row group if each image has one, otherwise through a dataset.

        Several files are opened when one of their images is asked for.
        """
        tables = self.tables_at(path)
        if is_split(path):
            split = SplitImages(path, ENDING, lambda file: OpenRowGroups(file, layout))
            return split.with_tables(tables)
        opened = OpenWholeFile if self._settings.one_row_group else OpenRowGroups
        return opened(stored_images(path, ENDING), layout).with_tables(tables)

    def tables_at(self, path: Path) -> StoredTables:
        """Keep one Parquet file for each table."""
        return ParquetTables(path / TABLES, for_tables(_TABLE_WRITER, self.tuning))

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)

    @property
    def _widened(self) -> bool:
        return self.layout == "nested" and self.tuning == "default"


def _encodings(schema: pa.Schema, encoding: str | None) -> dict[str, Any]:
    """Return the writer's option for the encoding of the image's values."""
    value, path = schema.field(IMAGE).type, IMAGE
    if isinstance(value, pa.FixedShapeTensorType):
        value = value.storage_type
    while pa.types.is_large_list(value) or pa.types.is_fixed_size_list(value):
        value, path = value.value_type, f"{path}.list.element"
    if encoding is None or pa.types.is_boolean(value):  # booleans have no byte streams
        return {}
    if encoding == _DELTA and pa.types.is_floating(value):  # for integers only
        return {}
    return {"column_encoding": {path: encoding}}
