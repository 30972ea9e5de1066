"""SQLite, through Python's sqlite3 alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing
from platebench.stores.direct.tiff_values import decode_tiff, files_of, values_of

_MAPPED = 0x7FFF0000


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    layout = values_of(layout, tuning)
    source = "images" if tuning == "default" else "pixels"
    opened = partial(_opened, tuning != "default")
    select = partial(_selected, source, layout)
    readings = [Reading("SELECT image", opened, select, partial(_all, source, layout))]
    if tuning != "default":
        readings += [
            Reading("blobopen.read", opened, partial(_blobs, source, layout)),
            Reading("SELECT image, without mmap_size", partial(_opened, False), select),
        ]
    writing = Writing("executemany(INSERT)", partial(_write, layout, tuning))
    return Calls([writing], readings, [TableReading("SELECT", _table)])


def _opened(mapped: bool, path: Path) -> AbstractContextManager[sqlite3.Connection]:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    if mapped:
        connection.execute(f"PRAGMA mmap_size = {_MAPPED}")
    return closing(connection)


def _into(value: bytes, layout: str, about: About, out: np.ndarray) -> np.ndarray:
    if layout.startswith("tiff"):
        decode_tiff(value, layout, out)
    else:
        out[...] = np.frombuffer(value, about.dtype).reshape(about.shape)
    return out


def _selected(
    source: str,
    layout: str,
    connection: sqlite3.Connection,
    rows: Sequence[int],
    about: About,
    memory: np.ndarray,
) -> Images:
    out = about.image(memory)
    query = f"SELECT image FROM {source} WHERE id = ?"
    for row in rows:
        (value,) = connection.execute(query, (row,)).fetchone()
        yield _into(value, layout, about, out)


def _all(
    source: str, layout: str, connection: sqlite3.Connection, about: About, memory: np.ndarray
) -> Images:
    out = about.image(memory)
    for (value,) in connection.execute(f"SELECT image FROM {source} ORDER BY id"):
        yield _into(value, layout, about, out)


def _blobs(
    source: str,
    layout: str,
    connection: sqlite3.Connection,
    rows: Sequence[int],
    about: About,
    memory: np.ndarray,
) -> Images:
    out = about.image(memory)
    for row in rows:
        with connection.blobopen(source, "image", row, readonly=True) as blob:
            value = blob.read()
        yield _into(value, layout, about, out)


def _table(path: Path) -> pa.Table:
    names = ", ".join(f'"{name}"' for name in IMAGE_SCHEMA.names)
    with _opened(False, path) as connection:
        rows = connection.execute(f"SELECT {names} FROM images ORDER BY id").fetchall()
    columns = [list(column) for column in zip(*rows, strict=True)]
    place = IMAGE_SCHEMA.get_field_index("shape")
    columns[place] = [json.loads(shape) for shape in columns[place]]
    arrays = [pa.array(col, field.type) for col, field in zip(columns, IMAGE_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=IMAGE_SCHEMA)


def _write(layout: str, tuning: str, images: ImageSet, path: Path) -> None:
    columns = ", ".join(
        f'"{field.name}" {"INTEGER" if pa.types.is_integer(field.type) else "TEXT"}'
        for field in IMAGE_SCHEMA
    )
    metadata = (
        (number, *(record | {"shape": json.dumps(record["shape"])}).values())
        for number, record in enumerate(images.table.to_pylist())
    )
    file = files_of(images, layout)
    values = (
        file(row)
        if layout.startswith("tiff")
        else images.pixels(row).reshape(-1).view(np.uint8).data
        for row in range(len(images))
    )
    marks = ", ".join("?" * (len(IMAGE_SCHEMA) + 1))
    with closing(sqlite3.connect(path)) as connection:
        if tuning != "default":
            connection.execute(f"PRAGMA page_size = {65536 if tuning == 'fast' else 8192}")
        with connection:
            if tuning == "default":
                connection.execute(
                    f"CREATE TABLE images (id INTEGER PRIMARY KEY, {columns}, image BLOB)"
                )
                rows = ((*row, value) for row, value in zip(metadata, values, strict=True))
                connection.executemany(f"INSERT INTO images VALUES ({marks}, ?)", rows)
            else:
                connection.execute(f"CREATE TABLE images (id INTEGER PRIMARY KEY, {columns})")
                connection.execute("CREATE TABLE pixels (id INTEGER PRIMARY KEY, image BLOB)")
                connection.executemany(f"INSERT INTO images VALUES ({marks})", metadata)
                connection.executemany("INSERT INTO pixels VALUES (?, ?)", enumerate(values))
