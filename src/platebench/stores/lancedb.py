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
from datetime import UTC
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import lancedb
import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores.contract import (
    OpenStore,
    Version,
    VersionedStore,
    check_rows,
)
from platebench.stores.lance_images import (
    TABLE,
    UNCOMPRESSED,
    OpenBlobs,
    OpenDataset,
    OpenStreaming,
    Settings,
    as_blobs,
    prune,
    zstd,
)
from platebench.stores.lance_tables import LanceTables, time_of
from platebench.stores.tables import StoredTables
from platebench.stores.tiff_codec import CODECS, CompressedTiffs
from platebench.stores.values import (
    COMMON,
    FILE,
    IMAGE,
    decode,
    image_batches,
    image_schema,
)
from platebench.stores.variants import Variants, for_tables

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

_TABLE_FIELD: dict[str, Mapping[str, str]] = {
    "default": {},
    "fast": {},
    "balanced": zstd(1).field,
    "small": zstd(9).field,
}
"""Features are not compressed by default, apart from what reading them gains by."""


class LanceDb(VersionedStore):
    """A LanceDB database with one table of images, and the tables that belong to them.

    Each table has versions of its own; `lance_tables` says which belong to one of the images.
    """

    format = "lancedb"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tiff": {
            "Python": """
import io, lance, tifffile
images = lance.dataset(f"{place}/images.lance").scanner(limit=1, blob_handling="all_binary")
print(tifffile.imread(io.BytesIO(images.to_table()["image"][0].as_py())))
""",
        },
        "pixels": {
            "Python": """
import lance, numpy as np
images = lance.dataset(f"{place}/images.lance").scanner(limit=1, blob_handling="all_binary")
row = images.to_table().to_pylist()[0]
print(np.frombuffer(row["image"], row["dtype"]).reshape(row["shape"]))
""",
        },
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

    def open(self, path: Path, version: int | None = None) -> OpenStore:
        """Open the newest version, or check out an older one."""
        return self._opened(path, version, self.layout)

    @property
    def keeps_files(self) -> bool:
        """True for TIFF files that are not compressed anew."""
        return self.layout == "tiff" and self._settings.tiff is None

    def open_files(self, path: Path, version: int | None = None) -> OpenStore:
        """Open a version as `open` does, for the bytes of its TIFF files."""
        if not self.keeps_files:
            return super().open_files(path)
        return self._opened(path, version, FILE)

    def _opened(self, path: Path, version: int | None, layout: str) -> OpenStore:
        if version is not None and version not in {each.number for each in self.versions(path)}:
            raise KeyError(version)
        opened: type[OpenDataset] = _OpenLance if self._settings.quick_start else _OpenTuned
        if self._settings.blobs:
            opened = OpenBlobs
        return opened(path, layout, version).with_tables(self._tables(path, version))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep each table as a table of the database."""
        return self._tables(path, None)

    def _tables(self, path: Path, version: int | None) -> LanceTables:
        """Return the tables as a version of the images has them."""
        before = None
        if version is not None:
            later = [each for each in _table(path).list_versions() if each["version"] > version]
            before = time_of(later[0]) if later else None
        return LanceTables(path, TABLE, dict(for_tables(_TABLE_FIELD, self.tuning)), before)

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

    def versions(self, path: Path) -> list[Version]:
        """List the table's versions."""
        return [
            Version(int(version["version"]), version["timestamp"].astimezone(UTC))
            for version in _table(path).list_versions()
        ]

    def restore(self, path: Path, version: int) -> int:
        """Check out the old version and make it the newest."""
        table, tables = _table(path), self._tables(path, version)
        table.checkout(version)
        table.restore()
        tables.restore()
        return int(table.version)

    def prune(self, path: Path, keep: int) -> None:
        """Remove old versions with Lance's `cleanup_old_versions`. No other process may write."""
        prune(_table(path).to_lance(), keep)
        oldest = self.versions(path)[0].number
        self._tables(path, oldest).prune(prune)

    def _schema(self, images: ImageSet) -> pa.Schema:
        return image_schema(images, self.layout, metadata=dict(self._settings.field))

    def _stream(self, images: ImageSet, schema: pa.Schema) -> pa.RecordBatchReader:
        if self._settings.tiff is not None:
            images = CompressedTiffs(images, self._settings.tiff)
        batches = image_batches(images, self.layout, schema, 1)
        if not self._settings.blobs:
            return pa.RecordBatchReader.from_batches(schema, batches)
        field = schema.field(IMAGE)
        blob = _blob_field().with_metadata(field.metadata)
        blob_schema = schema.set(schema.get_field_index(IMAGE), blob)
        return pa.RecordBatchReader.from_batches(
            blob_schema, (as_blobs(batch, blob_schema) for batch in batches)
        )


def _table(path: Path) -> lancedb.table.Table:
    return lancedb.connect(str(path)).open_table(TABLE)


def _blob_field() -> pa.Field:
    if not hasattr(lancedb, "blob"):
        raise Unsupported(f"lancedb {lancedb.__version__} has no blob columns")
    return lancedb.blob(IMAGE, nullable=False)


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
