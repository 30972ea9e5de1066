"""The floor: the pixels of all images end to end in one bare file.

A scan reads through a memory map, so pixels are copied only once, into the reader's memory. Rows
are read with pread, which reads only the requested bytes from the disk. The floor shows what the
machine can do. It is not a format to use: it has no checksums, and only platebench reads it.

The file is the pixels, then the table as Arrow IPC, then a JSON footer and the footer's length
in 8 bytes.
"""

from __future__ import annotations

import itertools
import json
import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenStore, Store, check_rows

_ENDING = 16_384
"""Bytes read at once from the end. They hold the whole footer of up to a thousand images."""


class BareFile(Store):
    """Raw pixels in one file."""

    format = "floor"

    def write(self, images: ImageSet, path: Path) -> None:
        """Write the pixels of all images, one after another."""
        ends = list(itertools.accumulate(images.image_bytes(row) for row in range(len(images))))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb", buffering=0) as sink:
            for image in images:
                sink.write(image.reshape(-1).view(np.uint8).data)
            sink.write(_ending(images.table, ends))

    def open(self, path: Path) -> OpenStore:
        """Read the footer."""
        return _OpenBareFile(path)


def _ending(table: pa.Table, ends: list[int]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream: bytes = sink.getvalue().to_pybytes()
    kinds = [table["shape"].to_pylist(), table["dtype"].to_pylist()]
    if all(len(set(map(repr, kind))) == 1 for kind in kinds):
        kinds = [kind[:1] for kind in kinds]
    footer = json.dumps({"ends": ends, "kinds": kinds, "table": len(stream)}).encode()
    return stream + footer + len(footer).to_bytes(8, "little")


class _OpenBareFile(OpenStore):
    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_RDONLY)
        size = os.fstat(self._file).st_size
        ending = os.pread(self._file, _ENDING, max(0, size - _ENDING))
        footer_bytes = int.from_bytes(ending[-8:], "little")
        if footer_bytes + 8 > len(ending):
            ending = os.pread(self._file, footer_bytes + 8, size - footer_bytes - 8)
        footer = json.loads(ending[-8 - footer_bytes : -8])
        self._size = size
        self._table = (size - 8 - footer_bytes - footer["table"], footer["table"])
        self._starts: list[int] = [0, *footer["ends"]]
        shapes, dtypes = footer["kinds"]
        self._kinds = [
            (tuple(shape), np.dtype(dtype)) for shape, dtype in zip(shapes, dtypes, strict=True)
        ]

    def close(self) -> None:
        os.close(self._file)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def scan(self) -> Iterator[np.ndarray]:
        mapped = mmap.mmap(self._file, self._size, access=mmap.ACCESS_READ)
        for row, start in enumerate(self._starts[:-1]):
            shape, dtype = self._kind(row)
            count = (self._starts[row + 1] - start) // dtype.itemsize
            yield np.frombuffer(mapped, dtype, count, start).reshape(shape)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        check_rows(rows, len(self))
        return self._read(rows)

    def table(self) -> pa.Table:
        start, size = self._table
        return pa.ipc.open_stream(os.pread(self._file, size, start)).read_all()

    def _read(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        memory = np.empty(max(np.diff(self._starts)), np.uint8)
        for row in rows:
            start, end = self._starts[row], self._starts[row + 1]
            shape, dtype = self._kind(row)
            read = memory[: end - start]
            if os.preadv(self._file, [read.data], start) != len(read):
                raise EOFError(f"image {row} is truncated")
            yield read.view(dtype).reshape(shape)

    def _kind(self, row: int) -> tuple[tuple[int, ...], np.dtype]:
        return self._kinds[row if len(self._kinds) > 1 else 0]
