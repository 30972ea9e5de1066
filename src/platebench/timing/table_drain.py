"""Receive a table from a store in the suite's own memory.

A table of Arrow can be a view of a mapped file of which no page was read. So a read of a table ends
when all its values are copied into the suite's memory, as an Arrow IPC stream: that copies every
buffer of every type once, and a dictionary, a slice or many chunks are no special case. What is
compared later is read from that memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

from platebench.errors import Mismatch

T = TypeVar("T")

_PAGE = mmap.PAGESIZE
_SPARE = 1 << 20
"""Bytes for the schema, and for the metadata and padding of many batches."""

_BYTES_OF_A_BATCH = 128
"""Upper estimate of a column's metadata and padding in one batch."""


class TableDrain:
    """Memory with room for one table like `expected`, in up to `batches` batches."""

    def __init__(self, expected: pa.Table, batches: int = 1000) -> None:
        columns = expected.num_columns + 1
        size = expected.nbytes + batches * columns * _BYTES_OF_A_BATCH + _SPARE
        self._rows = expected.num_rows
        self._memory = np.frombuffer(mmap.mmap(-1, size), np.uint8)
        self._memory.fill(1)  # page faults now, not while a cell is timed
        self._arrived = False
        self.on_arrival: Callable[[], None] = lambda: None
        """Called when a table arrives, before it is copied."""
        self.lengths: list[int] = []
        """The rows of each table that arrived since `spoil`."""

    def __call__(self, table: pa.Table) -> None:
        """Copy all values of a table.

        Raises Mismatch for what is not a table of Arrow, and for one with many more values than
        were asked for.
        """
        for _ in self.beside([None], [table]):
            pass

    def beside(self, images: Iterable[T], tables: Sequence[pa.Table]) -> Iterator[T]:
        """Yield every image, each after all values of its table were copied.

        All tables have the schema of the first. Raises Mismatch as a call does, and if there are
        more or fewer images than tables.
        """
        for table in tables:
            if type(table) is not pa.Table:
                raise Mismatch(f"a {type(table).__name__} came back, not a table of Arrow")
        self.lengths = []
        sink = pa.FixedSizeBufferWriter(pa.py_buffer(self._memory))
        with pa.ipc.new_stream(sink, tables[0].schema) as writer:
            number = -1
            for number, image in enumerate(images):
                if number == len(tables):
                    raise Mismatch(f"more than {len(tables)} images came back")
                self._write(writer, tables[number])
                yield image
        if number + 1 < len(tables):
            raise Mismatch(f"{number + 1} of {len(tables)} images came back")
        self._arrived = True

    def _write(self, writer: pa.RecordBatchWriter, table: pa.Table) -> None:
        self.lengths.append(table.num_rows)
        self.on_arrival()
        try:
            writer.write_table(table)
        except (pa.ArrowException, OSError) as error:
            found = sum(self.lengths)
            if found <= self._rows:
                raise
            raise Mismatch(f"{found} rows came back, not {self._rows}") from error

    def received(self) -> pa.Table:
        """Return the table that is in the memory. Raises Mismatch if none arrived since `spoil`."""
        if not self._arrived:
            raise Mismatch("no table arrived in the suite's memory")
        return pa.ipc.open_stream(pa.py_buffer(self._memory)).read_all()

    def spoil(self) -> None:
        """Change one byte of each page, so what an earlier sample left does not count as read."""
        self._arrived, self.lengths = False, []
        np.invert(self._memory[::_PAGE], out=self._memory[::_PAGE])
