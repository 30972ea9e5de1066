"""Columns for formats that know numbers, truth values and text, but neither Arrow's other types nor
missing values.

A time is stored as its integer, a dictionary as what it stands for. A table's schema is stored
beside it, as the bytes of an Arrow IPC schema, and gives the types back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported


def check_plain(format_: str, name: str, table: pa.Table) -> None:
    """Raise Unsupported, which names the column, for what is not numbers, truth values or text.

    Refused are also dictionaries whose order has a meaning, which would be lost.
    """
    for field in table.schema:
        plain = plain_type(field.type)
        ordered = pa.types.is_dictionary(field.type) and field.type.ordered
        if plain is None or ordered:
            raise Unsupported(
                f"{format_} cannot hold {field.type}, the type of column {field.name!r} of {name!r}"
            )


def plain_type(kind: pa.DataType) -> pa.DataType | None:
    """Return the type in which values of this type are stored; None if there is none."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.large_string()
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return kind
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return pa.int32() if kind.bit_width == 32 else pa.int64()
    return None


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column in its `plain_type`."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return plain(column.cast(kind.value_type))
    wanted = plain_type(kind)
    if pa.types.is_temporal(kind):
        return pa.chunked_array([chunk.view(wanted) for chunk in column.chunks], wanted)
    return column.cast(wanted)


def restored(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Return a column of its `plain_type` in its own type again."""
    if pa.types.is_dictionary(kind):
        values = restored(column, kind.value_type).dictionary_encode()
        return pa.chunked_array(
            [
                pa.DictionaryArray.from_arrays(
                    chunk.indices.cast(kind.index_type), chunk.dictionary
                )
                for chunk in values.chunks
            ],
            kind,
        )
    if pa.types.is_temporal(kind):
        return pa.chunked_array([chunk.view(kind) for chunk in column.chunks], kind)
    return column.cast(kind)


def missing_of(column: pa.ChunkedArray) -> np.ndarray | None:
    """Return which values are missing, bool (n,), or None if none is."""
    if not column.null_count:
        return None
    mask: np.ndarray = column.is_null().to_numpy()
    return mask


def values_of(column: pa.ChunkedArray) -> np.ndarray:
    """Return the values of a plain column of numbers or truth values; 0 where one is missing."""
    filled = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
    values: np.ndarray = np.ascontiguousarray(filled.to_numpy())
    return values


def texts_of(column: pa.ChunkedArray) -> list[str]:
    """Return the values of a plain column of text; an empty one where one is missing."""
    texts: list[str] = column.fill_null("").to_pylist()
    return texts


def has_nul(column: pa.ChunkedArray) -> bool:
    """Return whether a text of a plain column contains the character NUL."""
    for chunk in column.chunks:
        _, offsets, data = chunk.buffers()
        if len(chunk) and data is not None:
            ends = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
            if not np.frombuffer(data, np.uint8)[ends[0] : ends[-1]].all():
                return True
    return False


def column_of(values: Any, missing: np.ndarray | None, kind: pa.DataType) -> pa.ChunkedArray:
    """Return stored values, an array of numbers or texts, as a column of this type."""
    wanted = plain_type(kind)
    if wanted == pa.large_string() and isinstance(values, np.ndarray) and values.dtype.kind == "S":
        array = pa.array(values, pa.large_binary(), mask=missing).cast(wanted)
    else:
        array = pa.array(values, wanted, mask=missing)
    return restored(pa.chunked_array([array]), kind)


def schema_bytes(schema: pa.Schema) -> bytes:
    """Return a schema as bytes."""
    data: bytes = schema.serialize().to_pybytes()
    return data


def schema_from(data: bytes) -> pa.Schema:
    """Return the schema of `schema_bytes`."""
    return pa.ipc.read_schema(pa.py_buffer(data))


def member(name: str) -> str:
    """Return a name for a member of a group: percent signs escape what a path gives a meaning."""
    escaped = "".join(
        f"%{ord(each):02x}" if each in "%/\\" or not each.isprintable() else each for each in name
    )
    if escaped in ("", "zarr.json") or escaped.startswith((".", "__")):
        return f"%{escaped[:1]}" if not escaped else f"%{ord(escaped[0]):02x}{escaped[1:]}"
    return escaped
