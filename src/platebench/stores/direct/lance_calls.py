"""Calls of pylance and Arrow streams that the formats `lance` and `lancedb` have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.arrow_values import batches, images_in, schema_of
from platebench.stores.direct.calls import About, Images

AHEAD = {"batch_size": 1, "batch_readahead": 8, "io_buffer_size": 32 << 20}
"""Options of a scan with one image per batch."""


def opened(path: Path) -> AbstractContextManager[Any]:
    """Open the dataset of images with pylance."""
    return nullcontext(lance.dataset(str(path / "images.lance")))


def scanned(
    layout: str, options: dict[str, Any], dataset: Any, about: About, memory: np.ndarray
) -> Images:
    """Scan the images with options of `scanner`."""
    for batch in dataset.scanner(columns=["image"], **options).to_batches():
        yield from images_in(batch.column("image"), layout, about, memory)


def taken(
    layout: str, dataset: Any, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    """Take rows in one call."""
    for chunk in dataset.take(list(rows), columns=["image"])["image"].chunks:
        yield from images_in(chunk, layout, about, memory)


def blobs(
    layout: str, dataset: Any, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    """Read blobs, all at once."""
    for _, value in dataset.read_blobs("image", indices=list(rows), preserve_order=True):
        yield from images_in(_one(value), layout, about, memory)


def blob_files(
    layout: str, dataset: Any, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    """Read blobs one by one, as files."""
    for file in dataset.take_blobs("image", indices=list(rows)):
        yield from images_in(_one(file.readall()), layout, about, memory)


def _one(value: bytes) -> pa.Array:
    """Return an array of one value without a copy."""
    ends = pa.py_buffer(np.array([0, len(value)], np.int32))
    return pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(value)])


def table(path: Path) -> pa.Table:
    """Read the metadata."""
    return lance.dataset(str(path / "images.lance")).to_table(columns=IMAGE_SCHEMA.names)


def blob_reader(layout: str, images: ImageSet, blob: pa.Field) -> pa.RecordBatchReader:
    """Return batches of one image each, whose values are blobs; pixels are not copied."""
    schema = images.table.schema.append(blob)

    def rows() -> Iterator[pa.RecordBatch]:
        fields = list(blob.type.storage_type)
        for batch in batches(images, layout):
            _, offsets, data = batch.column("image").buffers()
            wide = pa.py_buffer(np.frombuffer(offsets, np.int32).astype(np.int64))
            values = pa.Array.from_buffers(pa.large_binary(), 1, [None, wide, data])
            parts = [values, *(pa.nulls(1, field.type) for field in fields[1:])]
            storage = pa.StructArray.from_arrays(parts, fields=fields)
            column = pa.ExtensionArray.from_storage(blob.type, storage)
            yield pa.RecordBatch.from_arrays([*batch.columns[:-1], column], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, rows())


def value_reader(layout: str, images: ImageSet, metadata: dict[str, str]) -> pa.RecordBatchReader:
    """Return batches of one image each, with metadata of the image's field."""
    schema = schema_of(images, layout)
    field = schema.field("image").with_metadata(metadata or None)
    schema = schema.set(len(IMAGE_SCHEMA), field)
    rows = (pa.RecordBatch.from_arrays(b.columns, schema=schema) for b in batches(images, layout))
    return pa.RecordBatchReader.from_batches(schema, rows)
