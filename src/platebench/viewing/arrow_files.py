"""The first rows of an Arrow IPC file, without decompressing the others."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

_MAGIC = 8
"""Bytes before the first message: "ARROW1" and padding."""

_NO_COLUMNS = pa.schema([])


def first_rows(path: Path, rows: int) -> tuple[pa.Table, int]:
    """Return the first `rows`, and how many rows the file has.

    The record batches that hold them are read, each as a whole; of the others, only what says how
    many rows they have. Raises ArrowInvalid for another file.
    """
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        lengths = _lengths(source, file.num_record_batches)
        batches, read = [], 0
        for number, length in enumerate(lengths):
            if read >= rows:
                break
            batches.append(file.get_batch(number))
            read += length
        return pa.Table.from_batches(batches, file.schema).slice(0, rows), sum(lengths)


def _lengths(source: pa.MemoryMappedFile, batches: int) -> list[int]:
    """Return the number of rows of each record batch.

    A batch read by a schema without columns has its number of rows and nothing else. Its message
    is a view of the mapped file, so that no page of its body is touched.
    """
    lengths: list[int] = []
    source.seek(_MAGIC)
    while len(lengths) < batches:
        message = pa.ipc.read_message(source)
        if message.type == "record batch":
            lengths.append(pa.ipc.read_record_batch(message, _NO_COLUMNS).num_rows)
    return lengths
