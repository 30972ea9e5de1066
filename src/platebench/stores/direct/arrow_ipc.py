"""Arrow IPC files, through pyarrow alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import feather, ipc

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

_IMAGE = ipc.IpcReadOptions(included_fields=[len(IMAGE_SCHEMA)])
_TABLE = ipc.IpcReadOptions(included_fields=list(range(len(IMAGE_SCHEMA))))

REASONS = [
    Reason(
        "arrow-ipc:*",
        "table",
        "The store looks whether its path is a file or a folder, and makes sure that the columns"
        " have the types of an image set. This takes 0.03 to 0.05 ms.",
    ),
    Reason(
        "arrow-ipc:*",
        "cold scan",
        "Images are read through a map, as Arrow's documentation does. From the page cache that"
        " takes 0.5 to 0.8 of the time of OSFile, from the disk 1.2 to 1.5 times as long.",
    ),
]


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    layout = values_of(layout, tuning)
    tables = [
        TableReading("memory_map, included_fields, read_all", _mapped_table),
        TableReading("OSFile, included_fields, read_all", _file_table),
        TableReading("feather.read_table(columns=)", _feather_table),
    ]
    take = partial(_taken, layout) if tuning == "default" else partial(_batches_of, layout)
    scan = partial(_scanned, layout)
    readings = [
        Reading("memory_map", partial(_opened, pa.memory_map, None), take, scan),
        Reading("memory_map, included_fields", partial(_opened, pa.memory_map, _IMAGE), take, scan),
        Reading("OSFile", partial(_opened, pa.OSFile, None), take, scan),
        Reading("OSFile, included_fields", partial(_opened, pa.OSFile, _IMAGE), take, scan),
    ]
    if tuning != "default":
        advised = Reading("memory_map, posix_fadvise", _advised, partial(_batches_ahead, layout))
        readings.append(advised)
    if tuning == "default":
        readings = readings[:1]
        writing = Writing("feather.write_feather", partial(_write_feather, layout))
    else:
        writing = Writing("RecordBatchFileWriter per row", partial(_write_rows, layout, tuning))
    return Calls([writing], readings, tables)


@contextmanager
def _opened(source: Any, options: ipc.IpcReadOptions | None, path: Path) -> Iterator[Any]:
    with source(str(path)) as file:
        yield ipc.open_file(file, options=options)


def _batches_of(
    layout: str,
    file: ipc.RecordBatchFileReader,
    rows: Sequence[int],
    about: About,
    memory: np.ndarray,
) -> Images:
    for row in rows:
        yield from images_in(file.get_batch(row).column("image"), layout, about, memory)


@contextmanager
def _advised(path: Path) -> Iterator[Any]:
    file = os.open(path, os.O_RDONLY)
    with pa.memory_map(str(path)) as mapped:
        yield file, mapped.size(), ipc.open_file(mapped)
    os.close(file)


def _batches_ahead(
    layout: str,
    opened: tuple[int, int, ipc.RecordBatchFileReader],
    rows: Sequence[int],
    about: About,
    memory: np.ndarray,
) -> Images:
    descriptor, size, file = opened
    size //= about.images
    for place, row in enumerate(rows):
        for ahead in rows[place + 7 : place + 8] if place else rows[:8]:
            os.posix_fadvise(descriptor, ahead * size, size + 4096, os.POSIX_FADV_WILLNEED)
        yield from images_in(file.get_batch(row).column("image"), layout, about, memory)


def _scanned(
    layout: str, file: ipc.RecordBatchFileReader, about: About, memory: np.ndarray
) -> Images:
    return _batches_of(layout, file, range(file.num_record_batches), about, memory)


def _taken(
    layout: str,
    file: ipc.RecordBatchFileReader,
    rows: Sequence[int],
    about: About,
    memory: np.ndarray,
) -> Images:
    for chunk in file.read_all()["image"].take(pa.array(rows, pa.int64())).chunks:
        yield from images_in(chunk, layout, about, memory)


def _mapped_table(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        return ipc.open_file(file, options=_TABLE).read_all()


def _file_table(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file:
        return ipc.open_file(file, options=_TABLE).read_all()


def _feather_table(path: Path) -> pa.Table:
    return feather.read_table(path, columns=IMAGE_SCHEMA.names)


def _write_rows(layout: str, tuning: str, images: ImageSet, path: Path) -> None:
    codecs = {"balanced": pa.Codec("lz4"), "small": pa.Codec("zstd", 12)}
    codec = None if layout.startswith("tiff") else codecs.get(tuning)
    options = ipc.IpcWriteOptions(compression=codec)
    with (
        pa.OSFile(str(path), "wb") as sink,
        ipc.new_file(sink, schema_of(images, layout), options=options) as writer,
    ):
        for batch in batches(images, layout):
            writer.write_batch(batch)


def _write_feather(layout: str, images: ImageSet, path: Path) -> None:
    feather.write_feather(pa.Table.from_batches(batches(images, layout, len(images))), str(path))
