"""Read the first rows of an Arrow IPC file without decompressing the others."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

_MAGIC = 8
"""Bytes before the first message: "ARROW1" and padding."""

_NO_COLUMNS = pa.schema([])


def first_rows(path: Path, rows: int) -> tuple[pa.Table, int]:
    """Return the first `rows` and the number of rows in the file.

    Record batches with these rows are read completely; of the others, only the metadata. Raises
    ArrowInvalid for a file in another format.
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

    A batch read with an empty schema has a number of rows and no columns. The message is a view of
    the memory map, so no page of its body is read.
    """
    lengths: list[int] = []
    source.seek(_MAGIC)
    while len(lengths) < batches:
        message = pa.ipc.read_message(source)
        if message.type == "record batch":
            lengths.append(pa.ipc.read_record_batch(message, _NO_COLUMNS).num_rows)
    return lengths
