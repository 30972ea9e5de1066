"""Digest of a table: equal tables have equal digests, whatever their chunks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import xxhash


def table_digest(table: pa.Table) -> str:
    """Return a digest of the columns, their types, values and missing values, as 32 hex digits.

    It detects accidental changes, not forgery, as `imageset.digest` does.
    """
    state = xxhash.xxh3_128(f"{table.num_rows}".encode())
    for field, column in zip(table.schema, table.columns, strict=True):
        state.update(repr((field.name, str(field.type), field.nullable)).encode())
        _update(state, column)
    return state.hexdigest()


def _update(state: xxhash.xxh3_128, column: pa.ChunkedArray) -> None:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    missing = column.is_null().to_numpy()
    state.update(np.packbits(missing).tobytes())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        _update_texts(state, column.fill_null("").cast(pa.large_string()))
    elif pa.types.is_boolean(kind):
        state.update(np.packbits(column.fill_null(False).to_numpy()).tobytes())
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values = column.fill_null(pa.scalar(0, kind)).to_numpy()
        state.update(np.ascontiguousarray(values).data)
    else:
        state.update(repr(column.to_pylist()).encode())


def _update_texts(state: xxhash.xxh3_128, column: pa.ChunkedArray) -> None:
    """Update with the lengths of all texts, then with their bytes."""
    spans = []
    for chunk in column.chunks:
        _, offsets, data = chunk.buffers()
        if len(chunk):
            ends = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
            state.update(np.diff(ends).data)
            spans.append((data, int(ends[0]), int(ends[-1])))
    for data, start, end in spans:
        if end > start:
            state.update(memoryview(data)[start:end])
