"""Parquet, through pyarrow alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.arrow_values import batches, images_in, schema_of
from platebench.stores.direct.calls import (
    About,
    Calls,
    Images,
    Reading,
    Reason,
    TableReading,
    Writing,
)
from platebench.stores.direct.tiff_values import values_of

_PLAIN = {"use_dictionary": False, "write_statistics": False}
_CODECS: dict[str, dict[str, Any]] = {
    "fast": {"compression": "none"},
    "balanced": {"compression": "lz4"},
    "small": {"compression": "brotli", "compression_level": 6},
}


def _options(layout: str, tuning: str, images: ImageSet) -> dict[str, Any]:
    """Return the options of `ParquetWriter`: compressed TIFF files are left as they are."""
    options = _PLAIN | _CODECS["fast" if layout.startswith("tiff") else tuning]
    depth = {"tensor": 1, "nested": len(images.shapes[0])}.get(layout, 0)
    if depth and tuning != "fast":
        options |= {"column_encoding": {"image" + ".list.element" * depth: "BYTE_STREAM_SPLIT"}}
    if depth and tuning == "balanced":
        options |= {"compression": "zstd", "compression_level": 1}
    return options


REASONS = (
    Reason(
        "parquet:*:[!d]*",
        "scan",
        "Images in order are read without a map, as pyarrow does by default: 0.8 of the time from"
        " the disk, 1.1 to 1.3 times as long from the page cache.",
    ),
    Reason(
        "parquet:*",
        "table",
        "The store makes sure that the columns have the types of an image set. This takes 0.1 ms.",
    ),
)


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    layout = values_of(layout, tuning)
    tables = [
        TableReading("pq.read_table(columns=)", _read_table),
        TableReading("ParquetFile(pre_buffer=False).read", _file_table),
    ]
    if tuning == "default":
        readings = [
            Reading("iter_batches", pq.ParquetFile, scan=partial(_batches, layout)),
            Reading("dataset.take", _dataset, take=partial(_dataset_take, layout)),
        ]
        writing = Writing("ParquetWriter, write_batch of 16", partial(_write_default, layout))
        # Nested default values are Python records, as the talk made them.
        return Calls([] if layout == "nested" else [writing], readings, tables[:1])
    take = partial(_row_groups, layout)
    readings = [
        Reading("read_row_group, pre_buffer=False", _unbuffered, take),
        Reading("read_row_group, pre_buffer=False, memory_map", _mapped, take),
        Reading("read_row_group, pre_buffer=True", pq.ParquetFile, take),
    ]
    if tuning != "default":
        readings.append(Reading("memory_map, posix_fadvise", _advised, partial(_ahead, layout)))
    writing = Writing("ParquetWriter.write_table per row", partial(_write_rows, layout, tuning))
    return Calls([writing], readings, tables)


def _unbuffered(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, pre_buffer=False)


def _mapped(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, pre_buffer=False, memory_map=True)


def _row_groups(
    layout: str, file: pq.ParquetFile, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    for row in rows:
        group = file.read_row_group(row, columns=["image"], use_threads=False)
        yield from images_in(group["image"].chunk(0), layout, about, memory)


@contextmanager
def _advised(path: Path) -> Iterator[tuple[int, pq.ParquetFile]]:
    descriptor = os.open(path, os.O_RDONLY)
    with _mapped(path) as file:
        yield descriptor, file
    os.close(descriptor)


def _ahead(
    layout: str,
    opened: tuple[int, pq.ParquetFile],
    rows: Sequence[int],
    about: About,
    memory: np.ndarray,
) -> Images:
    descriptor, file = opened
    column = file.schema_arrow.get_field_index("image")
    for place, row in enumerate(rows):
        for ahead in rows[place + 7 : place + 8] if place else rows[:8]:
            chunk = file.metadata.row_group(ahead).column(column)
            span = chunk.data_page_offset, chunk.total_compressed_size
            os.posix_fadvise(descriptor, *span, os.POSIX_FADV_WILLNEED)
        group = file.read_row_group(row, columns=["image"], use_threads=False)
        yield from images_in(group["image"].chunk(0), layout, about, memory)


def _batches(layout: str, file: pq.ParquetFile, about: About, memory: np.ndarray) -> Images:
    for batch in file.iter_batches(batch_size=16, columns=["image"]):
        yield from images_in(batch.column("image"), layout, about, memory)


def _dataset(path: Path) -> AbstractContextManager[pa.dataset.Dataset]:
    return nullcontext(pa.dataset.dataset(path))


def _dataset_take(
    layout: str, dataset: pa.dataset.Dataset, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    for chunk in dataset.take(pa.array(rows, pa.int64()), columns=["image"])["image"].chunks:
        yield from images_in(chunk, layout, about, memory)


def _read_table(path: Path) -> pa.Table:
    return pq.read_table(path, columns=IMAGE_SCHEMA.names)


def _file_table(path: Path) -> pa.Table:
    with _unbuffered(path) as file:
        return file.read(columns=IMAGE_SCHEMA.names)


def _write_rows(layout: str, tuning: str, images: ImageSet, path: Path) -> None:
    options = _options(layout, tuning, images)
    with pq.ParquetWriter(path, schema_of(images, layout), **options) as writer:
        for batch in batches(images, layout):
            writer.write_table(pa.Table.from_batches([batch]))


def _write_default(layout: str, images: ImageSet, path: Path) -> None:
    with pq.ParquetWriter(path, schema_of(images, layout)) as writer:
        for batch in batches(images, layout, 16):
            writer.write_batch(batch)
