"""LanceDB tables, through lancedb and its Lance dataset (pylance).

- `default`: what `create_table` writes from an Arrow table: file version 2.1 or later, which
  compresses binary columns by default. A scan is `to_batches` without options; rows are read by
  `take_offsets` and reordered as requested.
- `fast`: for TIFF files and raw pixels a blob column (`lancedb.blob`), which Lance's guide
  recommends for images. It is not compressed, and rows are read by `take_blobs`. For tensors the
  field's compression is `none`. Scans request one image per batch.
- `small`: the field's compression is Zstandard level 9, and scans are those of `fast`. Tensors
  are not compressed, here and with `default`: Lance writes long lists of fixed size as they are.

Scans, blobs and the table open the dataset with `lance.dataset`, and `take_offsets` opens the
LanceDB table: `open_table().to_lance()` opens the same dataset twice.

Lance files are immutable. A version is a manifest that lists them.

Tables that belong to the images are tables of the same database (see `lance_tables`). With `small`
their columns are compressed as the images are; `default` and `fast` leave it to Lance.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from datetime import UTC, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import lance
import lancedb
import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.contract import OpenStore, Version, VersionedStore, check_rows
from platebench.stores.lance_tables import LanceTables, time_of
from platebench.stores.tables import StoredTables
from platebench.stores.values import (
    COMMON,
    IMAGE,
    Kinds,
    decode,
    decode_all,
    decode_value,
    image_batches,
    image_schema,
    kinds_of,
    table_of,
)

TABLE = "images"

_FIELD: dict[str, dict[str, str]] = {
    "default": {},
    "fast": {"lance-encoding:compression": "none"},
    "small": {
        "lance-encoding:compression": "zstd",
        "lance-encoding:compression-level": "9",
    },
}

_TABLE_FIELD: dict[str, dict[str, str]] = {**_FIELD, "fast": {}}
"""Features are not compressed by default, apart from what reading them gains by."""

_STREAMING: dict[str, int] = {"batch_size": 1, "batch_readahead": 8, "io_buffer_size": 32 << 20}
"""Options of a scan with one image per batch. Without them Lance reads up to 2 GiB ahead of a slow
reader. They cost no time (480 images of 0.4 MB, zstd: 326 ms with them, 414 ms without) and hold
11 MB in place of 131 MB."""


class LanceDb(VersionedStore):
    """A LanceDB database with one table of images, and the tables that belong to them.

    Each table has versions of its own; `lance_tables` says which belong to one of the images.
    """

    format = "lancedb"

    @property
    def _blobs(self) -> bool:
        return self.tuning == "fast" and self.layout in ("tiff", "pixels")

    def write(self, images: ImageSet, path: Path) -> None:
        """Create the table from a stream of batches of one image each."""
        schema = image_schema(images, self.layout, metadata=_FIELD[self.tuning])
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        database = lancedb.connect(str(path))
        database.create_table(TABLE, self._stream(images, schema))
        tables.write(images.tables)

    def open(self, path: Path, version: int | None = None) -> OpenStore:
        """Open the newest version, or check out an older one."""
        if version is not None and version not in {each.number for each in self.versions(path)}:
            raise KeyError(version)
        opened: type[_OpenLance] = _OpenLance if self.tuning == "default" else _OpenTuned
        if self._blobs:
            opened = _OpenBlobs
        return opened(path, self.layout, version).with_tables(self._tables(path, version))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep each table as a table of the database."""
        return self._tables(path, None)

    def _tables(self, path: Path, version: int | None) -> LanceTables:
        """Return the tables as a version of the images has them."""
        before = None
        if version is not None:
            later = [each for each in _table(path).list_versions() if each["version"] > version]
            before = time_of(later[0]) if later else None
        return LanceTables(path, TABLE, _TABLE_FIELD[self.tuning], before)

    def append(self, images: ImageSet, path: Path) -> int:
        """Add rows. Raises Unsupported if the table has one shape and dtype and these differ."""
        schema = image_schema(images, self.layout, metadata=_FIELD[self.tuning])
        table = _table(path)
        stored, added = (
            (each.field(IMAGE).metadata or {}).get(COMMON) for each in (table.schema, schema)
        )
        if stored not in (None, added):
            raise Unsupported(f"{images.name} differs in shape or dtype from the table's images")
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
        _prune(_table(path).to_lance(), keep)
        oldest = self.versions(path)[0].number
        self._tables(path, oldest).prune(_prune)

    def _stream(self, images: ImageSet, schema: pa.Schema) -> pa.RecordBatchReader:
        batches = image_batches(images, self.layout, schema, 1)
        if not self._blobs:
            return pa.RecordBatchReader.from_batches(schema, batches)
        field = schema.field(IMAGE)
        blob = _blob_field().with_metadata(field.metadata)
        blob_schema = schema.set(schema.get_field_index(IMAGE), blob)
        return pa.RecordBatchReader.from_batches(
            blob_schema, (_as_blobs(batch, blob_schema) for batch in batches)
        )


def _prune(dataset: Any, keep: int) -> None:
    if "retain_versions" in inspect.signature(dataset.cleanup_old_versions).parameters:
        dataset.cleanup_old_versions(retain_versions=keep, delete_unverified=True)
    elif keep == 1:
        dataset.cleanup_old_versions(timedelta(0), delete_unverified=True)
    else:
        raise Unsupported(
            "this version of pylance has no option for the number of versions to keep"
        )


def _table(path: Path) -> lancedb.table.Table:
    return lancedb.connect(str(path)).open_table(TABLE)


def _blob_field() -> pa.Field:
    if not hasattr(lancedb, "blob"):
        raise Unsupported(f"lancedb {lancedb.__version__} has no blob columns")
    return lancedb.blob(IMAGE, nullable=False)


def _as_blobs(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the batch with its binary values as inline blobs; pixels are not copied."""
    blob_type = schema.field(IMAGE).type
    rows = len(batch)
    _, offsets, data = batch.column(IMAGE).buffers()
    wide = np.frombuffer(offsets, np.int32).astype(np.int64)
    values = pa.Array.from_buffers(pa.large_binary(), rows, [None, pa.py_buffer(wide), data])
    others = [pa.nulls(rows, field.type) for field in list(blob_type.storage_type)[1:]]
    storage = pa.StructArray.from_arrays([values, *others], fields=list(blob_type.storage_type))
    images = pa.ExtensionArray.from_storage(blob_type, storage)
    columns = [images if name == IMAGE else batch.column(name) for name in schema.names]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


class _OpenLance(OpenStore):
    """The calls that LanceDB's documentation shows. A scan is in row order."""

    def __init__(self, path: Path, layout: str, version: int | None) -> None:
        self._path = path
        self._layout = layout
        self._version = version

    @cached_property
    def _table(self) -> lancedb.table.Table:
        table = _table(self._path)
        if self._version is not None:
            table.checkout(self._version)
        return table

    @cached_property
    def _dataset(self) -> Any:
        return lance.dataset(str(self._path / f"{TABLE}.lance"), version=self._version)

    def _kinds(self, schema: pa.Schema) -> Kinds:
        return kinds_of(schema, lambda names: self._dataset.to_table(columns=names))

    def __len__(self) -> int:
        return int(self._dataset.count_rows())

    def table(self) -> pa.Table:
        return table_of(self._dataset.to_table(columns=IMAGE_SCHEMA.names))

    def scan(self) -> Iterator[np.ndarray]:
        columns = (batch.column(IMAGE) for batch in self._batches())
        return decode_all(columns, self._layout, self._kinds(self._dataset.schema))

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        if not hasattr(self._table, "take_offsets"):  # lancedb 0.14 has none yet
            check_rows(rows, len(self))
            column = self._dataset.take(list(rows), columns=[IMAGE])[IMAGE]
            return decode(column, self._layout, self._kinds(self._dataset.schema), rows)
        return self._taken(rows)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self._dataset.to_batches(columns=[IMAGE]))

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


class _OpenTuned(_OpenLance):
    """One image per batch, so the first arrives before the last is decoded."""

    def _batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self._dataset.to_batches(columns=[IMAGE], **_STREAMING))


class _OpenBlobs(_OpenLance):
    """Blob columns: read as binary in a scan, as files by row."""

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        check_rows(rows, len(self))
        return self._read(rows, self._kinds(self._dataset.schema))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        scanner = self._dataset.scanner(columns=[IMAGE], blob_handling="all_binary", **_STREAMING)
        return iter(scanner.to_batches())

    def _read(self, rows: Sequence[int], kinds: Kinds) -> Iterator[np.ndarray]:
        # take_blobs: 31 ms for 16 images, read_blobs 51, which returns all at once; readinto 36.
        blobs = self._dataset.take_blobs(IMAGE, indices=list(rows))
        for row, blob in zip(rows, blobs, strict=True):
            yield decode_value(blob.readall(), self._layout, kinds[row])
