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

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import lance
import lancedb
import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.contract import (
    OpenStore,
    Version,
    VersionedStore,
    check_rows,
    copied_into,
)
from platebench.stores.lance_tables import LanceTables, time_of
from platebench.stores.tables import StoredTables
from platebench.stores.tiff_codec import CODECS, CompressedTiffs, TiffCodec
from platebench.stores.values import (
    COMMON,
    FILE,
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
from platebench.stores.variants import Variants, for_tables

TABLE = "images"


@dataclass(frozen=True)
class Settings:
    """How a table is written and read.

    `field` is the metadata of the image's field. With `blobs` its type is a blob. `quick_start`
    reads as LanceDB's documentation shows. `tiff` compresses the TIFF files anew.
    """

    field: Mapping[str, str] = dataclass_field(default_factory=dict)
    blobs: bool = False
    quick_start: bool = False
    tiff: TiffCodec | None = None


_COMPRESSION = "lance-encoding:compression"
_NONE = {_COMPRESSION: "none"}


def _zstd(level: int) -> Settings:
    return Settings({_COMPRESSION: "zstd", f"{_COMPRESSION}-level": str(level)})


_BLOBS = {"default": Settings(quick_start=True), "blobs": Settings(_NONE, blobs=True)}
CANDIDATES: Mapping[str, Variants[Settings]] = {
    "pixels": Variants(
        {
            **_BLOBS,
            "uncompressed": Settings(_NONE),
            **{f"zstd-{level}": _zstd(level) for level in (-3, 1, 2, 3, 9, 12)},
        },
        {"default": "default", "fast": "blobs", "balanced": "zstd-1"},
    ),
    "tiff": Variants(
        {
            **_BLOBS,
            "zstd-1": _zstd(1),
            **{
                f"tiff-{name}": Settings(_NONE, blobs=True, tiff=codec)
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
    "balanced": _zstd(1).field,
    "small": _zstd(9).field,
}
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
        opened: type[_OpenLance] = _OpenLance if self._settings.quick_start else _OpenTuned
        if self._settings.blobs:
            opened = _OpenBlobs
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
        _prune(_table(path).to_lance(), keep)
        oldest = self.versions(path)[0].number
        self._tables(path, oldest).prune(_prune)

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
        return self._scanned()

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        return copied_into(memory, self._scanned(memory))

    def _scanned(self, memory: np.ndarray | None = None) -> Iterator[np.ndarray]:
        columns = (batch.column(IMAGE) for batch in self._batches())
        return decode_all(columns, self._layout, self._kinds(self._dataset.schema), memory)

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
        return self._read(rows)

    def take_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        check_rows(rows, len(self))
        return copied_into(memory, self._read(rows, memory))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        scanner = self._dataset.scanner(columns=[IMAGE], blob_handling="all_binary", **_STREAMING)
        return iter(scanner.to_batches())

    def _read(self, rows: Sequence[int], memory: np.ndarray | None = None) -> Iterator[np.ndarray]:
        kinds = self._kinds(self._dataset.schema)
        # take_blobs: 31 ms for 16 images, read_blobs 51, which returns all at once; readinto 36.
        blobs = self._dataset.take_blobs(IMAGE, indices=list(rows))
        for row, blob in zip(rows, blobs, strict=True):
            yield decode_value(blob.readall(), self._layout, kinds[row], memory)
