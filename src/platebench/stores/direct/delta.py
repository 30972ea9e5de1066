"""Delta Lake, through deltalake and pyarrow alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import ColumnProperties, DeltaTable, WriterProperties, write_deltalake

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing
from platebench.stores.direct.lake_reads import Groups, in_order, reader, row_groups, taken


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    tables = [TableReading("to_pyarrow_dataset.to_table(columns=)", _table)]
    if tuning == "default":
        readings = [Reading("to_pyarrow_table(filters=)", _opened, _filtered, _whole)]
        return Calls([Writing("write_deltalake", _write_default)], readings, tables)
    readings = [Reading("file_uris; read_row_group", _groups, taken)]
    writing = Writing("write_deltalake(writer_properties=)", partial(_write, tuning))
    return Calls([writing], readings, tables)


def _opened(path: Path) -> AbstractContextManager[DeltaTable]:
    return nullcontext(DeltaTable(str(path / "images")))


def _groups(path: Path) -> AbstractContextManager[Groups]:
    return row_groups(DeltaTable(str(path / "images")).file_uris())


def _filtered(table: DeltaTable, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    wanted = [("row", "in", list(rows))]
    found = table.to_pyarrow_table(columns=["row", "image"], filters=wanted)
    yield from in_order(found, rows, about, memory)


def _whole(table: DeltaTable, about: About, memory: np.ndarray) -> Images:
    yield from in_order(table.to_pyarrow_table(columns=["row", "image"]), None, about, memory)


def _table(path: Path) -> pa.Table:
    dataset = DeltaTable(str(path / "images")).to_pyarrow_dataset()
    return dataset.to_table(columns=IMAGE_SCHEMA.names).sort_by("row")


def _write_default(images: ImageSet, path: Path) -> None:
    write_deltalake(str(path / "images"), reader(images, 16))


def _write(tuning: str, images: ImageSet, path: Path) -> None:
    compression = {"fast": "UNCOMPRESSED", "balanced": "LZ4_RAW", "small": "BROTLI"}[tuning]
    properties = WriterProperties(
        max_row_group_size=1,
        compression=compression,  # type: ignore[arg-type]
        compression_level=6 if tuning == "small" else None,
        default_column_properties=ColumnProperties(dictionary_enabled=False),
        column_properties={"image": ColumnProperties(statistics_enabled="NONE")},
    )
    write_deltalake(str(path / "images"), reader(images), writer_properties=properties)
