"""Images as values of an Arrow column, as a person writes and reads them with pyarrow alone.

A layout is one of the registry's, or what `tiff_values.values_of` makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa

from platebench.images.imageset import ImageSet
from platebench.stores.direct.calls import About, Images
from platebench.stores.direct.tiff_values import decode_tiff, files_of


def image_type(images: ImageSet, layout: str) -> pa.DataType:
    """Return the type of the column `image`."""
    value = pa.from_numpy_dtype(images.dtypes[0])
    if layout == "tensor":
        return pa.fixed_shape_tensor(value, images.shapes[0])
    if layout == "nested":
        for _ in images.shapes[0]:
            value = pa.large_list(value)
        return value
    return pa.binary()


def schema_of(images: ImageSet, layout: str) -> pa.Schema:
    """Return the schema of the images' table with a column `image`."""
    return images.table.schema.append(pa.field("image", image_type(images, layout)))


def batches(images: ImageSet, layout: str, rows: int = 1) -> Iterator[pa.RecordBatch]:
    """Yield batches of `rows` images with their table."""
    schema = schema_of(images, layout)
    kind = schema.field("image").type
    (table,) = images.table.combine_chunks().to_batches()
    for first in range(0, len(images), rows):
        numbers = range(first, min(first + rows, len(images)))
        values = _values(images, numbers, layout, kind)
        columns = [*table.slice(first, len(numbers)).columns, values]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _values(images: ImageSet, rows: range, layout: str, kind: pa.DataType) -> pa.Array:
    if layout.startswith("tiff"):
        file = files_of(images, layout)
        return _binary([file(row) for row in rows])
    flat = [images.pixels(row).reshape(-1) for row in rows]
    if layout == "pixels":
        return _binary([array.view(np.uint8).data for array in flat])
    values = pa.array(flat[0] if len(rows) == 1 else np.concatenate(flat))
    if layout == "tensor":
        storage = pa.FixedSizeListArray.from_arrays(values, type=kind.storage_type)
        return pa.ExtensionArray.from_storage(kind, storage)
    for length in reversed(images.shapes[0]):
        offsets = np.arange(0, len(values) + 1, length, dtype=np.int64)
        values = pa.LargeListArray.from_arrays(pa.array(offsets), values)
    return values


def _binary(values: list[bytes | memoryview]) -> pa.Array:
    """Return a binary array of one value without a copy; `pa.array` copies."""
    ends = np.cumsum([0, *map(len, values)], dtype=np.int32)
    data = values[0] if len(values) == 1 else b"".join(values)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(values), buffers)


def images_in(column: pa.Array, layout: str, about: About, memory: np.ndarray) -> Images:
    """Copy or decode each value of the column into `memory`."""
    out = about.image(memory)
    if layout.startswith("tiff"):
        for value in binary_values(column):
            decode_tiff(value, layout, out)
            yield out
        return
    if layout == "pixels":
        arrays = (np.frombuffer(value, about.dtype) for value in binary_values(column))
    elif layout == "tensor":
        arrays = column.to_numpy_ndarray()
    else:
        while pa.types.is_large_list(column.type):
            column = column.flatten()
        arrays = column.to_numpy().reshape(-1, *about.shape)
    for array in arrays:
        out[...] = array.reshape(about.shape)
        yield out


def binary_values(column: pa.Array) -> Iterator[memoryview]:
    """Yield views of a binary column's values; `column[i].as_buffer()` copies in pyarrow 26."""
    wide = pa.types.is_large_binary(column.type)
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int64 if wide else np.int32)
    ends = ends[column.offset : column.offset + len(column) + 1].tolist()
    view = memoryview(data).cast("B")
    for start, end in pairwise(ends):
        yield view[start:end]
