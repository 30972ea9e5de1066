"""Lance datasets of images: what the formats `lancedb` and `lance` share."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import IMAGE_SCHEMA
from platebench.stores.contract import OpenStore, check_rows, copied_into
from platebench.stores.tiff_codec import TiffCodec
from platebench.stores.values import (
    IMAGE,
    Kinds,
    decode,
    decode_all,
    decode_value,
    kinds_of,
    table_of,
)

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


COMPRESSION = "lance-encoding:compression"
UNCOMPRESSED = {COMPRESSION: "none"}


def zstd(level: int) -> Settings:
    """Return settings with Zstandard of a level."""
    return Settings({COMPRESSION: "zstd", f"{COMPRESSION}-level": str(level)})


STREAMING: dict[str, int] = {"batch_size": 1, "batch_readahead": 8, "io_buffer_size": 32 << 20}
"""Options of a scan with one image per batch. Without them Lance reads up to 2 GiB ahead of a slow
reader. They cost no time (480 images of 0.4 MB, zstd: 326 ms with them, 414 ms without) and hold
11 MB in place of 131 MB."""


def prune(dataset: Any, keep: int) -> None:
    """Remove all but the newest `keep` versions. No other process may write."""
    if "retain_versions" in inspect.signature(dataset.cleanup_old_versions).parameters:
        dataset.cleanup_old_versions(retain_versions=keep, delete_unverified=True)
    elif keep == 1:
        dataset.cleanup_old_versions(timedelta(0), delete_unverified=True)
    else:
        raise Unsupported(
            "this version of pylance has no option for the number of versions to keep"
        )


def as_blobs(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
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


class OpenDataset(OpenStore):
    """A Lance dataset, opened by pylance. A scan is in row order."""

    def __init__(self, path: Path, layout: str, version: int | None) -> None:
        self._path = path
        self._layout = layout
        self._version = version

    @cached_property
    def _dataset(self) -> Any:
        return lance.dataset(str(self._path / f"{TABLE}.lance"), version=self._version)

    def _kinds(self, schema: pa.Schema) -> Kinds:
        return kinds_of(schema, lambda names: self._dataset.to_table(columns=names))

    def __len__(self) -> int:
        return int(self._dataset.count_rows())

    def table(self) -> pa.Table:
        """Read the columns that are not pixels."""
        return table_of(self._dataset.to_table(columns=IMAGE_SCHEMA.names))

    def scan(self) -> Iterator[np.ndarray]:
        """Read batches."""
        return self._scanned()

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read batches; compressed TIFF files are decoded to `memory`."""
        return copied_into(memory, self._scanned(memory))

    def _scanned(self, memory: np.ndarray | None = None) -> Iterator[np.ndarray]:
        columns = (batch.column(IMAGE) for batch in self._batches())
        return decode_all(columns, self._layout, self._kinds(self._dataset.schema), memory)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Have the dataset take the rows, in one call."""
        check_rows(rows, len(self))
        column = self._dataset.take(list(rows), columns=[IMAGE])[IMAGE]
        return decode(column, self._layout, self._kinds(self._dataset.schema), rows)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self._dataset.to_batches(columns=[IMAGE]))


class OpenStreaming(OpenDataset):
    """One image per batch, so the first arrives before the last is decoded."""

    def _batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self._dataset.to_batches(columns=[IMAGE], **STREAMING))


class OpenBlobs(OpenDataset):
    """Blob columns: read as binary in a scan, as files by row."""

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Read one blob after another."""
        check_rows(rows, len(self))
        return self._read(rows)

    def take_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read the same; compressed TIFF files are decoded to `memory`."""
        check_rows(rows, len(self))
        return copied_into(memory, self._read(rows, memory))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        scanner = self._dataset.scanner(columns=[IMAGE], blob_handling="all_binary", **STREAMING)
        return iter(scanner.to_batches())

    def _read(self, rows: Sequence[int], memory: np.ndarray | None = None) -> Iterator[np.ndarray]:
        kinds = self._kinds(self._dataset.schema)
        # take_blobs: 31 ms for 16 images, read_blobs 51, which returns all at once; readinto 36.
        blobs = self._dataset.take_blobs(IMAGE, indices=list(rows))
        for row, blob in zip(rows, blobs, strict=True):
            yield decode_value(blob.readall(), self._layout, kinds[row], memory)
