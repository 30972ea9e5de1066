"""LanceDB, through lancedb and pylance alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import lance
import lancedb
import numpy as np
import pyarrow as pa

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.arrow_values import batches, images_in, schema_of
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing
from platebench.stores.direct.tiff_values import values_of

_AHEAD = {"batch_size": 1, "batch_readahead": 8, "io_buffer_size": 32 << 20}
_FIELD: dict[str, dict[str, str]] = {
    "default": {},
    "fast": {"lance-encoding:compression": "none"},
    "balanced": {"lance-encoding:compression": "zstd", "lance-encoding:compression-level": "1"},
}


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    layout = values_of(layout, tuning)
    tables = [
        TableReading("lance.dataset.to_table(columns=)", _lance_table),
        TableReading("open_table.search.select.to_arrow", _lancedb_table),
    ]
    if tuning == "fast" or (layout.startswith("tiff") and tuning != "default"):
        readings = [
            Reading(
                "lance.dataset.read_blobs; scanner(all_binary)",
                _dataset,
                partial(_blobs, layout),
                partial(_scanned, layout, {**_AHEAD, "blob_handling": "all_binary"}),
            ),
            Reading(
                "lance.dataset.take_blobs",
                _dataset,
                partial(_blob_files, layout),
            ),
        ]
        writing = Writing("create_table of lancedb.blob", partial(_write_blobs, layout))
        return Calls([writing], readings, tables)
    offsets = Reading("open_table.take_offsets", _table, partial(_offsets, layout))
    if tuning == "default":
        scan = Reading("to_lance().to_batches", _to_lance, scan=partial(_scanned, layout, {}))
        readings = [scan, offsets]
    else:
        take, ahead = partial(_taken, layout), partial(_scanned, layout, _AHEAD)
        readings = [Reading("lance.dataset.take; to_batches", _dataset, take, ahead), offsets]
    writing = Writing("create_table of a RecordBatchReader", partial(_write, layout, tuning))
    return Calls([writing], readings, tables)


def _dataset(path: Path) -> AbstractContextManager[Any]:
    return nullcontext(lance.dataset(str(path / "images.lance")))


def _table(path: Path) -> AbstractContextManager[Any]:
    return nullcontext(lancedb.connect(str(path)).open_table("images"))


def _to_lance(path: Path) -> AbstractContextManager[Any]:
    return nullcontext(lancedb.connect(str(path)).open_table("images").to_lance())


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


def _offsets(
    layout: str, table: Any, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    column = table.take_offsets(list(rows)).select(["image"]).to_arrow()["image"]
    ranks = np.argsort(np.argsort(rows))  # take_offsets sorts
    for rank in ranks.tolist():
        yield from images_in(column.slice(rank, 1).chunk(0), layout, about, memory)


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


def _lance_table(path: Path) -> pa.Table:
    return lance.dataset(str(path / "images.lance")).to_table(columns=IMAGE_SCHEMA.names)


def _lancedb_table(path: Path) -> pa.Table:
    table = lancedb.connect(str(path)).open_table("images")
    return table.search().select(IMAGE_SCHEMA.names).to_arrow()


def _write(layout: str, tuning: str, images: ImageSet, path: Path) -> None:
    schema = schema_of(images, layout)
    field = schema.field("image").with_metadata(_FIELD[tuning] or None)
    schema = schema.set(len(IMAGE_SCHEMA), field)
    rows = (pa.RecordBatch.from_arrays(b.columns, schema=schema) for b in batches(images, layout))
    database = lancedb.connect(str(path))
    database.create_table("images", pa.RecordBatchReader.from_batches(schema, rows))


def _write_blobs(layout: str, images: ImageSet, path: Path) -> None:
    blob = lancedb.blob("image", nullable=False).with_metadata(_FIELD["fast"])
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

    database = lancedb.connect(str(path))
    database.create_table("images", pa.RecordBatchReader.from_batches(schema, rows()))
