"""DuckDB, through the duckdb package alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.arrow_values import batches, images_in, schema_of
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing
from platebench.stores.direct.tiff_values import decode_tiff, values_of


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    layout = values_of(layout, tuning)
    readings = [
        Reading(
            "WHERE id = ?; to_arrow_reader",
            _opened,
            partial(_selected, layout),
            partial(_all, layout),
        ),
        Reading("WHERE id IN (...)", _opened, partial(_at_once, layout)),
    ]
    writing = Writing("CREATE TABLE AS SELECT * FROM stream", partial(_write, layout, tuning))
    return Calls([writing], readings, [TableReading("SELECT", _table)])


def _opened(path: Path) -> AbstractContextManager[Any]:
    opened: AbstractContextManager[Any] = duckdb.connect(path / "images.duckdb", read_only=True)
    return opened


def _selected(
    layout: str, database: Any, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    out = about.image(memory)
    for row in rows:
        query = "SELECT image FROM images WHERE id = ?"
        ((value,),) = database.execute(query, (row,)).fetchall()
        _decode(value, layout, about, out)
        yield out


def _at_once(
    layout: str, database: Any, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    out = about.image(memory)
    wanted = ", ".join(map(str, rows))
    query = f"SELECT id, image FROM images WHERE id IN ({wanted})"
    values = dict(database.execute(query).fetchall())
    for row in rows:
        _decode(values[row], layout, about, out)
        yield out


def _decode(value: bytes, layout: str, about: About, out: np.ndarray) -> None:
    if layout.startswith("tiff"):
        decode_tiff(value, layout, out)
    else:
        out[...] = np.frombuffer(value, about.dtype).reshape(about.shape)


def _all(layout: str, database: Any, about: About, memory: np.ndarray) -> Images:
    for batch in database.sql("SELECT image FROM images").to_arrow_reader(1):
        yield from images_in(batch["image"], layout, about, memory)


def _table(path: Path) -> pa.Table:
    names = ", ".join(f'"{name}"' for name in IMAGE_SCHEMA.names)
    with _opened(path) as database:
        found = database.sql(f"SELECT {names} FROM images ORDER BY id").to_arrow_table()
    return found.cast(IMAGE_SCHEMA)


def _write(layout: str, tuning: str, images: ImageSet, path: Path) -> None:
    identified = pa.schema([pa.field("id", pa.int64()), *schema_of(images, layout)])

    def rows() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches(images, layout)):
            columns = [pa.array([number], pa.int64()), *batch.columns]
            yield pa.RecordBatch.from_arrays(columns, schema=identified)

    path.mkdir(parents=True)
    with duckdb.connect(path / "images.duckdb") as database:
        if tuning != "default":
            database.execute("SET force_compression = 'uncompressed'")
        database.register("stream", pa.RecordBatchReader.from_batches(identified, rows()))
        database.execute("CREATE TABLE images AS SELECT * FROM stream")
