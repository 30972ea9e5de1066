"""Lance, through pylance alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.arrow_values import batches, images_in, schema_of
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing
from platebench.stores.direct.tiff_values import values_of

_AHEAD = {"batch_size": 1, "batch_readahead": 8, "io_buffer_size": 32 << 20}
_ZSTD = {"lance-encoding:compression": "zstd", "lance-encoding:compression-level": "1"}


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    layout = values_of(layout, tuning)
    tables = [TableReading("lance.dataset.to_table(columns=)", _table)]
    if tuning == "fast" or (layout.startswith("tiff") and tuning != "default"):
        scan = partial(_scanned, layout, {**_AHEAD, "blob_handling": "all_binary"})
        readings = [
            Reading("read_blobs; scanner(all_binary)", _dataset, partial(_blobs, layout), scan),
            Reading("take_blobs", _dataset, partial(_blob_files, layout)),
        ]
        writing = Writing("write_dataset of lance.blob_field", partial(_write_blobs, layout))
        return Calls([writing], readings, tables)
    options = {} if tuning == "default" else _AHEAD
    scan = partial(_scanned, layout, options)
    readings = [Reading("take; scanner", _dataset, partial(_taken, layout), scan)]
    field = {} if tuning == "default" else _ZSTD
    writing = Writing("write_dataset of a RecordBatchReader", partial(_write, layout, field))
    return Calls([writing], readings, tables)


def _dataset(path: Path) -> AbstractContextManager[Any]:
    return nullcontext(lance.dataset(str(path / "images.lance")))


def _scanned(
    layout: str, options: dict[str, Any], dataset: Any, about: About, memory: np.ndarray
) -> Images:
    for batch in dataset.scanner(columns=["image"], **options).to_batches():
        yield from images_in(batch.column("image"), layout, about, memory)


def _taken(
    layout: str, dataset: Any, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    for chunk in dataset.take(list(rows), columns=["image"])["image"].chunks:
        yield from images_in(chunk, layout, about, memory)


def _blobs(
    layout: str, dataset: Any, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    for _, value in dataset.read_blobs("image", indices=list(rows), preserve_order=True):
        yield from images_in(_one(value), layout, about, memory)


def _blob_files(
    layout: str, dataset: Any, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    for file in dataset.take_blobs("image", indices=list(rows)):
        yield from images_in(_one(file.readall()), layout, about, memory)


def _one(value: bytes) -> pa.Array:
    """Return an array of one value without a copy."""
    ends = pa.py_buffer(np.array([0, len(value)], np.int32))
    return pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(value)])


def _table(path: Path) -> pa.Table:
    return lance.dataset(str(path / "images.lance")).to_table(columns=IMAGE_SCHEMA.names)


def _write(layout: str, metadata: dict[str, str], images: ImageSet, path: Path) -> None:
    schema = schema_of(images, layout)
    field = schema.field("image").with_metadata(metadata or None)
    schema = schema.set(len(IMAGE_SCHEMA), field)
    rows = (pa.RecordBatch.from_arrays(b.columns, schema=schema) for b in batches(images, layout))
    reader = pa.RecordBatchReader.from_batches(schema, rows)
    lance.write_dataset(reader, str(path / "images.lance"))


def _write_blobs(layout: str, images: ImageSet, path: Path) -> None:
    blob = lance.blob_field("image", nullable=False)
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

    reader = pa.RecordBatchReader.from_batches(schema, rows())
    lance.write_dataset(reader, str(path / "images.lance"), data_storage_version="2.2")
