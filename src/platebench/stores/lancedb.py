"""LanceDB tables, through lancedb and its Lance dataset (pylance).

- `default`: what `create_table` writes from an Arrow table: file version 2.1 or later, which
  compresses binary columns by default. A scan is `to_batches` without options; rows are read by
  `take_offsets` and reordered as requested.
- `fast`: for TIFF files and raw pixels a blob column (`lancedb.blob`), which Lance's guide
  recommends for images. It is not compressed, and rows are read by `take_blobs`. Scans
  request one image per batch.
- `balanced`: raw pixels with the field's compression Zstandard level 1, and scans as `fast`. TIFF
  files are compressed anew (`tiff_codec`), in the blob column of `fast`.
- `small`: TIFF files as lossless JPEG XL. For raw pixels there is none: Zstandard level 9 saves 2%
  of what `default` writes, and level 12 saves 5%, in 5 and 10 times the time.

How `balanced` and `small` were chosen is in docs/tuning.md. Without metadata Lance compresses
binary values by Zstandard level 3, and it does so for `lz4` too (pylance 14).

Tensors have only `default`. Lance stores a long list of fixed size as it is, whatever the field's
metadata, since it compresses values of fixed width only in blocks of up to 8 KiB (`miniblock`).

Scans, blobs and the table open the dataset with `lance.dataset`, and `take_offsets` opens the
LanceDB table: `open_table().to_lance()` opens the same dataset twice.

Lance files are immutable. A version is a manifest that lists them.

Tables that belong to the images are tables of the same database (see `lance_tables`). With `small`
their columns are compressed as the images are; `default` and `fast` leave it to Lance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import lancedb
import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores.contract import (
    check_rows,
)
from platebench.stores.lance_images import (
    TABLE,
    UNCOMPRESSED,
    OpenDataset,
    OpenStreaming,
    Settings,
    zstd,
)
from platebench.stores.lance_store import LanceStore
from platebench.stores.lance_tables import LanceTables
from platebench.stores.tiff_codec import CODECS
from platebench.stores.values import (
    COMMON,
    IMAGE,
    decode,
)
from platebench.stores.variants import Variants

_BLOBS = {"default": Settings(quick_start=True), "blobs": Settings(UNCOMPRESSED, blobs=True)}
CANDIDATES: Mapping[str, Variants[Settings]] = {
    "pixels": Variants(
        {
            **_BLOBS,
            "uncompressed": Settings(UNCOMPRESSED),
            **{f"zstd-{level}": zstd(level) for level in (-3, 1, 2, 3, 9, 12)},
        },
        {"default": "default", "fast": "blobs", "balanced": "zstd-1"},
    ),
    "tiff": Variants(
        {
            **_BLOBS,
            "zstd-1": zstd(1),
            **{
                f"tiff-{name}": Settings(UNCOMPRESSED, blobs=True, tiff=codec)
                for name, codec in CODECS.items()
            },
        },
        {
            "default": "default",
            "fast": "blobs",
            "balanced": "tiff-zstd-1",
            "small": "tiff-jpeg-xl-2",
        },
    ),
    "tensor": Variants({"default": Settings(quick_start=True)}, {"default": "default"}),
}


def _table(path: Path) -> lancedb.table.Table:
    return lancedb.connect(str(path)).open_table(TABLE)


class _OpenLance(OpenDataset):
    """The calls that LanceDB's documentation shows."""

    @cached_property
    def _table(self) -> lancedb.table.Table:
        table = _table(self._path)
        if self._version is not None:
            table.checkout(self._version)
        return table

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        if not hasattr(self._table, "take_offsets"):  # lancedb 0.14 has none yet
            return super().take(rows)
        return self._taken(rows)

    def _taken(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        if min(rows, default=0) < 0:
            check_rows(rows, len(self))
        column = self._table.take_offsets(list(rows)).select([IMAGE]).to_arrow()[IMAGE]
        if len(column) != len(rows):  # it leaves out rows that do not exist; counting takes longer
            check_rows(rows, len(self))
        # take_offsets returns rows sorted, so a requested row is at the place of its rank.
        ranks = np.argsort(np.argsort(rows, kind="stable"), kind="stable")
        kinds = self._kinds(self._table.schema)
        images = list(decode(column, self._layout, kinds, sorted(rows)))
        return (images[rank] for rank in ranks)


class _OpenTuned(OpenStreaming, _OpenLance):
    """Rows by offset, and one image per batch of a scan."""


class LanceDb(LanceStore):
    """A LanceDB database with one table of images, and the tables that belong to them.

    Each table has versions of its own; `lance_tables` says which belong to one of the images.
    """

    format = "lancedb"
    reader, streaming = _OpenLance, _OpenTuned
    tables = LanceTables

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        **LanceStore.reading,
        "tensor": {
            "Python": """
import lance
images = lance.dataset(f"{place}/images.lance").scanner(limit=1, columns=["image"])
print(images.to_table()["image"].combine_chunks().to_numpy_ndarray()[0])
""",
        },
    }

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)

    def write(self, images: ImageSet, path: Path) -> None:
        """Create the table from a stream of batches of one image each."""
        batches = self._stream(images, self._schema(images))
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        lancedb.connect(str(path)).create_table(TABLE, batches)
        tables.write(images.tables)

    def _dataset(self, path: Path) -> Any:
        return _table(path).to_lance()

    def _listed(self, path: Path) -> list[dict[str, Any]]:
        return list(_table(path).list_versions())

    def _blob_field(self) -> pa.Field:
        if not hasattr(lancedb, "blob"):
            raise Unsupported(f"lancedb {lancedb.__version__} has no blob columns")
        return lancedb.blob(IMAGE, nullable=False)

    def append(self, images: ImageSet, path: Path) -> int:
        """Add rows. Raises Unsupported if the table has one shape and dtype and these differ."""
        schema = self._schema(images)
        table = _table(path)
        stored, added = (
            (each.field(IMAGE).metadata or {}).get(COMMON) for each in (table.schema, schema)
        )
        if stored not in (None, added):
            named = images.table["path"][0]
            raise Unsupported(f"{named} differs in shape or dtype from the table's images")
        tables = self.tables_at(path)
        tables.check_appendable(images.tables)
        table.add(self._stream(images, schema))
        tables.append_all(images.tables)
        return int(table.version)

    def _merge(self, path: Path, stream: pa.RecordBatchReader) -> None:
        _table(path).merge_insert("row").when_matched_update_all().execute(stream)

    def _delete_where(self, path: Path, condition: str) -> None:
        _table(path).delete(condition)

    def compact(self, path: Path) -> None:
        """Have LanceDB `optimize` the table. It also removes versions older than seven days."""
        _table(path).optimize()

    def restore(self, path: Path, version: int) -> int:
        """Check out the old version and make it the newest."""
        table, tables = _table(path), self._tables(path, version)
        table.checkout(version)
        table.restore()
        tables.restore()
        return int(table.version)
