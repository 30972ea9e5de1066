"""An image set's table as bytes of an Arrow IPC stream, for formats that keep values as bytes."""

from __future__ import annotations

import pyarrow as pa


def to_bytes(table: pa.Table) -> bytes:
    """Return the table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def from_bytes(data: bytes | memoryview) -> pa.Table:
    """Return the table that `to_bytes` made bytes of."""
    return pa.ipc.open_stream(data).read_all()
