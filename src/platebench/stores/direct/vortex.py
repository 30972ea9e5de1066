"""Vortex, through vortex-data alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import vortex

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

_IMAGE = pa.schema([pa.field("image", pa.binary())])


REASONS = (
    Reason(
        "vortex:tensor:*",
        "table",
        "The store opens the file of images too, and so notices one that is missing. This "
        "takes 0.15 ms.",
    ),
)


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    if layout == "tensor":
        readings = [
            Reading("execute(row_range), memory_map", partial(_opened, True), _ranges),
            Reading("execute(row_range)", partial(_opened, False), _ranges),
        ]
    else:
        readings = [
            Reading("to_arrow(indices), memory_map", partial(_opened, True), _taken, _scanned),
            Reading("to_arrow(indices)", partial(_opened, False), _taken, _scanned),
        ]
    table = "images" if layout == "pixels" else "table"
    writing = Writing("VortexWriteOptions.write", partial(_write, layout, tuning))
    return Calls([writing], readings, [TableReading("to_arrow", partial(_table, table))])


def _opened(mapped: bool, path: Path) -> AbstractContextManager[Any]:
    return nullcontext(vortex.open(str(path / "images.vortex"), memory_map=mapped))


def _ranges(
    file: vortex.VortexFile, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    out = about.image(memory)
    flat = out.reshape(-1)
    scan = file.to_repeated_scan(["pixels"])
    for row in rows:
        at = 0
        for piece in scan.execute(row_range=(row * len(flat), (row + 1) * len(flat))):
            numbers = piece.to_arrow_array().field(0).to_numpy()
            flat[at : at + len(numbers)] = numbers
            at += len(numbers)
        yield out


def _taken(
    file: vortex.VortexFile, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    out = about.image(memory)
    order = sorted(set(rows))
    indices = vortex.array(pa.array(order, pa.uint64()))
    column = file.to_arrow(["image"], indices=indices, schema=_IMAGE).read_all()["image"]
    values = [value for chunk in column.chunks for value in _values(chunk, about)]
    for row in rows:
        out[...] = values[order.index(row)]
        yield out


def _values(chunk: pa.Array, about: About) -> Iterator[np.ndarray]:
    _, ends, data = chunk.buffers()
    starts = np.frombuffer(ends, np.int32)[chunk.offset : chunk.offset + len(chunk)]
    for start in starts.tolist():
        count = int(np.prod(about.shape))
        yield np.frombuffer(data, about.dtype, count, start).reshape(about.shape)


def _scanned(file: vortex.VortexFile, about: About, memory: np.ndarray) -> Images:
    for batch in file.to_arrow(["image"], schema=_IMAGE, batch_size=16):
        yield from images_in(batch.column(0), "pixels", about, memory)


def _table(name: str, path: Path) -> pa.Table:
    file = vortex.open(str(path / f"{name}.vortex"))
    return file.to_arrow(IMAGE_SCHEMA.names, schema=IMAGE_SCHEMA).read_all()


def _write(layout: str, tuning: str, images: ImageSet, path: Path) -> None:
    path.mkdir()
    options = vortex.io.VortexWriteOptions
    chosen: Any = options.compact() if tuning == "small" else options.default()
    target = str(path / "images.vortex")
    if layout == "pixels":
        reader = pa.RecordBatchReader.from_batches(
            schema_of(images, layout), batches(images, layout)
        )
        chosen.write(reader, target)
        return
    value = pa.from_numpy_dtype(images.dtypes[0])
    schema = pa.schema([pa.field("pixels", value, nullable=False)])
    flat = (pa.array(images.pixels(row).reshape(-1)) for row in range(len(images)))
    rows = (pa.RecordBatch.from_arrays([array], schema=schema) for array in flat)
    chosen.write(pa.RecordBatchReader.from_batches(schema, rows), target)
    chosen.write(images.table.to_reader(), str(path / "table.vortex"))
