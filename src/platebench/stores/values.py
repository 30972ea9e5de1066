"""Images as values of an Arrow column: encode and decode the four layouts.

The column is named `image` and is added to the columns of `ImageSet.table`.

- `tiff`: binary, the TIFF file's own bytes.
- `pixels`: binary, the raw pixel bytes in native byte order.
- `tensor`: `arrow.fixed_shape_tensor`, one shape and type for all images.
- `nested`: lists of lists, as awkward writes them.

A column of TIFF files can also be read in the layout `FILE`: each image is then its file's bytes.

If all images share a shape and dtype, the field's metadata holds them under `COMMON`. Otherwise a
reader of raw pixels also reads the columns `shape` and `dtype`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.contract import common_image, require_common_image
from platebench.stores.plain_tiff import Kind, read_tiff

IMAGE = "image"
COMMON = b"platebench:image"
FILE = "file"


class Kinds(Protocol):
    """The shape and dtype of each row."""

    def __getitem__(self, row: int, /) -> Kind: ...


class SameKind:
    """One shape and dtype for every row."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def __getitem__(self, row: int, /) -> Kind:
        return self._kind


def image_schema(
    images: ImageSet,
    layout: str,
    metadata: dict[str, str] | None = None,
    widened: bool = False,
) -> pa.Schema:
    """Return the schema of a table that holds `images` in `layout`.

    `metadata` is added to the image column's field. `widened` is for `nested`: awkward converts
    values of Python records to int64 or float64.
    """
    common = common_image(images)
    extra = {key.encode(): value.encode() for key, value in (metadata or {}).items()}
    if common is not None:
        shape, dtype = common
        extra[COMMON] = json.dumps({"shape": list(shape), "dtype": dtype.str}).encode()
    field = pa.field(IMAGE, _value_type(images, layout, widened), nullable=False, metadata=extra)
    return pa.schema([*IMAGE_SCHEMA, field])


def _value_type(images: ImageSet, layout: str, widened: bool) -> pa.DataType:
    if layout in ("tiff", "pixels"):
        return pa.binary()
    shape, dtype = require_common_image(images, layout)
    value = pa.from_numpy_dtype(dtype)
    if layout == "tensor":
        if dtype.kind == "b":  # pyarrow 26 writes it, and raises ArrowTypeError when it is read
            raise Unsupported("pyarrow does not read back tensors of bool")
        return pa.fixed_shape_tensor(value, shape)
    if widened:
        value = pa.float64() if dtype.kind == "f" else pa.int64()
    for _ in shape:
        value = pa.large_list(pa.field("item", value, nullable=False))
    return value


def check_same_kind(images: ImageSet, stored: pa.Schema, added: pa.Schema) -> None:
    """Raise Unsupported if all stored images have one shape and dtype and the added ones do not."""
    kind, other = ((each.field(IMAGE).metadata or {}).get(COMMON) for each in (stored, added))
    if kind not in (None, other):
        raise Unsupported(f"{images.name} differs in shape or dtype from the table's images")


def image_batches(
    images: ImageSet, layout: str, schema: pa.Schema, images_per_batch: int
) -> Iterator[pa.RecordBatch]:
    """Yield `images` as record batches of `schema`, at most `images_per_batch` at a time."""
    for table in images.table.combine_chunks().to_batches():  # one: chunks are combined
        for first in range(0, len(table), images_per_batch):
            rows = range(first, min(first + images_per_batch, len(table)))
            values = _encode(images, rows, layout, schema.field(IMAGE).type)
            columns = [*table.slice(first, len(rows)).columns, values]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _encode(images: ImageSet, rows: range, layout: str, value_type: pa.DataType) -> pa.Array:
    if layout == "tiff":
        return _binary([images.file(row) for row in rows])
    if layout == "pixels":
        return _binary([images.pixels(row).reshape(-1).view(np.uint8).data for row in rows])
    if layout == "tensor":
        return _tensors(images, rows, value_type)
    return _nested(images, rows, value_type)


def _binary(values: Sequence[bytes | memoryview]) -> pa.Array:
    """Return a binary array; a single value is not copied."""
    if sum(len(value) for value in values) >= 2**31:
        raise Unsupported("one batch of images is 2 GiB or more; Arrow binary offsets are 32-bit")
    offsets = np.cumsum([0, *(len(value) for value in values)], dtype=np.int32)
    data = values[0] if len(values) == 1 else b"".join(values)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(values), buffers)


def _tensors(images: ImageSet, rows: range, value_type: pa.DataType) -> pa.Array:
    if len(rows) == 1:
        flat = images.pixels(rows[0]).reshape(-1)
    else:
        flat = np.concatenate([images.pixels(row).reshape(-1) for row in rows])
    storage = pa.FixedSizeListArray.from_arrays(pa.array(flat), type=value_type.storage_type)
    return pa.ExtensionArray.from_storage(value_type, storage)


def _nested(images: ImageSet, rows: range, value_type: pa.DataType) -> pa.Array:
    import awkward as ak

    arrays = [images.pixels(row) for row in rows]
    leaf = value_type
    while pa.types.is_large_list(leaf):
        leaf = leaf.value_type
    if leaf == pa.from_numpy_dtype(arrays[0].dtype):
        values = ak.from_regular(ak.from_numpy(np.stack(arrays)), axis=None)
    else:
        values = ak.Array([{IMAGE: array} for array in arrays])[IMAGE]
    return ak.to_arrow(values, extensionarray=False).cast(value_type)


def table_of(columns: pa.Table) -> pa.Table:
    """Return the columns of an image set's table, without those that a format added."""
    if columns.schema.equals(IMAGE_SCHEMA, check_metadata=True):
        return columns
    table = columns.select(IMAGE_SCHEMA.names)
    if table.schema.equals(IMAGE_SCHEMA):  # but for metadata; a cast takes 0.2 ms
        return pa.Table.from_arrays(table.columns, schema=IMAGE_SCHEMA)
    return table.cast(IMAGE_SCHEMA).replace_schema_metadata(None)


def kinds_of(schema: pa.Schema, columns: Callable[[list[str]], pa.Table]) -> Kinds:
    """Return each row's shape and dtype, from the schema's metadata if all rows share them.

    Otherwise `columns` is called to read the columns `shape` and `dtype`.
    """
    metadata = schema.field(IMAGE).metadata or {}
    if COMMON in metadata:
        common = json.loads(metadata[COMMON])
        return SameKind((tuple(common["shape"]), np.dtype(common["dtype"])))
    table = columns(["shape", "dtype"])
    shapes, dtypes = table["shape"].to_pylist(), table["dtype"].to_pylist()
    return [(tuple(shape), np.dtype(dtype)) for shape, dtype in zip(shapes, dtypes, strict=True)]


def decode(
    column: pa.Array | pa.ChunkedArray,
    layout: str,
    kinds: Kinds,
    rows: Sequence[int],
    memory: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Yield the images in `column`, whose values are those of `rows`, without copying pixels.

    With `memory`, a compressed TIFF file is decoded to its start.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    first = 0
    for chunk in chunks:
        here = rows[first : first + len(chunk)]
        yield from _DECODERS[layout](chunk, kinds, here, memory)
        first += len(chunk)


def decode_all(
    columns: Iterable[pa.Array], layout: str, kinds: Kinds, memory: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield the images in `columns`, which hold all rows from row 0, as `decode` does."""
    first = 0
    for column in columns:
        yield from decode(column, layout, kinds, range(first, first + len(column)), memory)
        first += len(column)


def binary_views(column: pa.Array) -> Iterator[memoryview]:
    """Yield each value of a binary array as a view of its buffer.

    A binary scalar of pyarrow 26 copies its value (0.2 ms for 1.4 MB); the buffers do not.
    """
    wide = pa.types.is_large_binary(column.type)
    _, offset_buffer, data = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64 if wide else np.int32)
    offsets = offsets[column.offset : column.offset + len(column) + 1]
    view = memoryview(data).cast("B")
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        yield view[start:end]


def _decode_tiff(
    column: pa.Array, kinds: Kinds, rows: Sequence[int], memory: np.ndarray | None
) -> Iterator[np.ndarray]:
    for value, row in zip(binary_views(column), rows, strict=True):
        yield read_tiff(value, kinds[row], memory)


def _decode_file(
    column: pa.Array, kinds: Kinds, rows: Sequence[int], memory: np.ndarray | None
) -> Iterator[np.ndarray]:
    for value in binary_views(column):
        yield np.frombuffer(value, np.uint8)


def _decode_pixels(
    column: pa.Array, kinds: Kinds, rows: Sequence[int], memory: np.ndarray | None
) -> Iterator[np.ndarray]:
    for value, row in zip(binary_views(column), rows, strict=True):
        yield decode_value(value, "pixels", kinds[row])


def _decode_tensor(
    column: pa.Array, kinds: Kinds, rows: Sequence[int], memory: np.ndarray | None
) -> Iterator[np.ndarray]:
    return iter(column.to_numpy_ndarray())


def _decode_nested(
    column: pa.Array, kinds: Kinds, rows: Sequence[int], memory: np.ndarray | None
) -> Iterator[np.ndarray]:
    """Yield each image in its original dtype, which awkward may have widened."""
    import awkward as ak

    for value, row in zip(ak.from_arrow(column), rows, strict=True):
        yield ak.to_numpy(value).astype(kinds[row][1], copy=False)


def decode_value(
    value: bytes | memoryview, layout: str, kind: Kind, memory: np.ndarray | None = None
) -> np.ndarray:
    """Return the image in one value of a `tiff` or `pixels` column, as `decode` does.

    For the layout `FILE` it is the file's bytes.
    """
    if layout == "tiff":
        return read_tiff(value, kind, memory)
    if layout == FILE:
        return np.frombuffer(value, np.uint8)
    shape, dtype = kind
    return np.frombuffer(value, dtype).reshape(shape)


_DECODERS = {
    FILE: _decode_file,
    "tiff": _decode_tiff,
    "pixels": _decode_pixels,
    "tensor": _decode_tensor,
    "nested": _decode_nested,
}
