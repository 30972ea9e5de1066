"""HDF5, through h5py alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.calls import Calls, TableReading, Writing
from platebench.stores.direct.h5py_reads import chunks, deflated, readings


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    ways = readings(lambda path: lambda row: (path, "images", (row,)))
    writings = [Writing("d[i] = image", partial(_write, tuning, False))]
    if tuning == "fast":
        writings.append(Writing("d.id.write", partial(_write, tuning, True)))
    if tuning == "balanced":
        writings.append(Writing("write_direct_chunk, libdeflate", partial(_write, tuning, True)))
        ways.append(chunks(lambda path: lambda row: (path, "images", (row,))))
    return Calls(
        writings, ways[:1] if tuning == "default" else ways, [TableReading("d[()]", _table)]
    )


def _write(tuning: str, low: bool, images: ImageSet, path: Path) -> None:
    shape, dtype = images.shapes[0], images.dtypes[0]
    options: dict[str, Any] = {}
    if tuning == "balanced":
        options = {"chunks": (1, *shape), "compression": "gzip", "compression_opts": 1}
    if tuning == "small":
        options = {"chunks": (1, *shape), "compression": "szip", "compression_opts": ("nn", 32)}
    pages = {"alignment_threshold": 4096, "alignment_interval": 4096} if tuning == "fast" else {}
    with h5py.File(path, "w", **pages) as file:
        pixels = file.create_dataset("images", (len(images), *shape), dtype, **options)
        here, there = h5py.h5s.create_simple(shape), pixels.id.get_space()
        for row in range(len(images)):
            if low and tuning == "balanced":
                origin = (row, *(0 for _ in shape))
                pixels.id.write_direct_chunk(origin, deflated(images.pixels(row)))
            elif low:
                there.select_hyperslab((row, *(0 for _ in shape)), (1, *shape))
                pixels.id.write(here, there, images.pixels(row))
            else:
                pixels[row] = images.pixels(row)
        rows = images.table.to_pylist()
        columns = {name: [row[name] for row in rows] for name in IMAGE_SCHEMA.names}
        kinds: list[Any] = []
        for field in IMAGE_SCHEMA:
            if pa.types.is_string(field.type):
                length = max(len(value or "") for value in columns[field.name])
                kinds.append((field.name, h5py.string_dtype("utf-8", max(1, length))))
            elif pa.types.is_list(field.type):
                kinds.append((field.name, np.int32, (len(shape),)))
            else:
                kinds.append((field.name, field.type.to_pandas_dtype()))
        records = np.zeros(len(rows), kinds)
        missing = np.zeros(len(rows), [(name, bool) for name in columns])
        for name, values in columns.items():
            missing[name] = [value is None for value in values]
            empty = b"" if records.dtype[name].kind == "S" else 0
            records[name] = [empty if value is None else value for value in values]
        file["table"] = records
        file["missing"] = missing


def _table(path: Path) -> pa.Table:
    with h5py.File(path, "r") as file:
        records, missing = file["table"][()], file["missing"][()]
    columns = []
    for field in IMAGE_SCHEMA:
        values, mask = np.ascontiguousarray(records[field.name]), missing[field.name]
        if pa.types.is_string(field.type):
            columns.append(pa.array(values, pa.binary(), mask=mask).cast(pa.string()))
        elif pa.types.is_list(field.type):
            columns.append(pa.array(list(values), field.type))
        else:
            columns.append(pa.array(values, field.type, mask=mask))
    return pa.Table.from_arrays(columns, schema=IMAGE_SCHEMA)
