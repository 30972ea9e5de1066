"""Iceberg, through pyiceberg and pyarrow alone.

A table is opened where it was written, so that pyiceberg's own file access reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.arrow_values import schema_of
from platebench.stores.direct.calls import (
    About,
    Calls,
    Images,
    Reading,
    Reason,
    TableReading,
    Writing,
)
from platebench.stores.direct.lake_reads import CODECS, Groups, in_order, reader, row_groups, taken

REASONS = (
    Reason(
        "iceberg:*",
        "write",
        "The adapter keeps the table's files where they can be moved, and syncs the catalogue.",
    ),
)


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    tables = [TableReading("scan(selected_fields=).to_arrow", _table)]
    if tuning == "default":
        readings = [Reading("scan(row_filter=).to_arrow", _opened, _filtered, _whole)]
        return Calls([Writing("table.append", _write_default)], readings, tables)
    readings = [Reading("plan_files; read_row_group", _groups, taken)]
    writing = Writing("ParquetWriter; table.add_files", partial(_write, tuning))
    return Calls([writing], readings, tables)


def _catalogue(path: Path) -> SqlCatalog:
    address, warehouse = f"sqlite:///{path / 'catalog.db'}", str(path / "warehouse")
    return SqlCatalog("platebench", uri=address, warehouse=warehouse)


def _load(path: Path) -> Any:
    with closing(_catalogue(path)) as catalogue:
        return catalogue.load_table(("platebench", "images"))


def _opened(path: Path) -> AbstractContextManager[Any]:
    return nullcontext(_load(path))


def _groups(path: Path) -> AbstractContextManager[Groups]:
    return row_groups([task.file.file_path for task in _load(path).scan().plan_files()])


def _filtered(table: Any, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    wanted = f"row in ({', '.join(map(str, rows))})"
    found = table.scan(row_filter=wanted, selected_fields=("row", "image")).to_arrow()
    yield from in_order(found, rows, about, memory)


def _whole(table: Any, about: About, memory: np.ndarray) -> Images:
    found = table.scan(selected_fields=("row", "image")).to_arrow()
    yield from in_order(found, None, about, memory)


def _table(path: Path) -> pa.Table:
    fields = tuple(IMAGE_SCHEMA.names)
    return _load(path).scan(selected_fields=fields).to_arrow().sort_by("row").cast(IMAGE_SCHEMA)


@contextmanager
def _created(images: ImageSet, path: Path) -> Iterator[Any]:
    (path / "warehouse").mkdir(parents=True)
    with closing(_catalogue(path)) as catalogue:
        catalogue.create_namespace("platebench")
        yield catalogue.create_table(("platebench", "images"), schema_of(images, "pixels"))


def _write_default(images: ImageSet, path: Path) -> None:
    with _created(images, path) as table:
        table.append(reader(images, 16))


def _write(tuning: str, images: ImageSet, path: Path) -> None:
    place = path / "warehouse" / "platebench" / "images" / "data" / "0.parquet"
    compression, level = CODECS[tuning]
    options = {"compression": compression, "compression_level": level, "use_dictionary": False}
    stream = reader(images)
    with _created(images, path) as table:
        place.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(place, stream.schema, **options) as writer:
            for batch in stream:
                writer.write_table(pa.table(batch))
        table.add_files([str(place)], check_duplicate_files=False)
