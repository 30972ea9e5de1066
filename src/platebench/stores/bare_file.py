"""The floor: the pixels of all images end to end in one bare file.

Read through a memory map, so that the one copy is the one that every read needs. It is what the
machine can do, not a format to use: nothing is checked and nothing but platebench can read it.

The file is the pixels, then the table as Arrow IPC, then a JSON footer and the footer's length
in 8 bytes.
"""

from __future__ import annotations

import itertools
import json
import mmap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenStore, check_rows
from platebench.stores.part_files import PartFiles


class BareFile(PartFiles):
    """Raw pixels in one file."""

    format = "floor"
    suffix = ".bin"

    def check(self, images: ImageSet) -> None:
        """Hold any images."""

    def write_part(self, images: ImageSet, file: Path) -> None:
        """Write each image's pixels after those of the one before."""
        ends = list(itertools.accumulate(images.image_bytes(row) for row in range(len(images))))
        with file.open("wb", buffering=0) as sink:
            for image in images:
                sink.write(image.reshape(-1).view(np.uint8).data)
            sink.write(_ending(images.table, ends))

    def extend_part(self, old: Path, images: ImageSet, file: Path) -> None:
        """Not needed: the floor has no `default` tuning and adds a part."""
        raise NotImplementedError

    def open_part(self, file: Path) -> OpenStore:
        """Map the file and read its footer."""
        return _OpenBareFile(file)


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
        with file.open("rb") as source:
            self._map = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        footer_end = len(self._map) - 8
        footer_start = footer_end - int.from_bytes(self._map[footer_end:], "little")
        footer = json.loads(self._map[footer_start:footer_end])
        self._table = (footer_start - footer["table"], footer_start)
        self._starts: list[int] = [0, *footer["ends"]]
        shapes, dtypes = footer["kinds"]
        self._kinds = [
            (tuple(shape), np.dtype(dtype)) for shape, dtype in zip(shapes, dtypes, strict=True)
        ]

    def close(self) -> None:
        """Nothing to do: the map goes when the last view of it does."""

    def __len__(self) -> int:
        return len(self._starts) - 1

    def scan(self) -> Iterator[np.ndarray]:
        return self._views(range(len(self)))

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        check_rows(rows, len(self))
        return self._views(rows)

    def table(self) -> pa.Table:
        start, end = self._table
        return pa.ipc.open_stream(self._map[start:end]).read_all()

    def _views(self, rows: Iterable[int]) -> Iterator[np.ndarray]:
        for row in rows:
            start, end = self._starts[row], self._starts[row + 1]
            shape, dtype = self._kinds[row if len(self._kinds) > 1 else 0]
            count = (end - start) // dtype.itemsize
            yield np.frombuffer(self._map, dtype, count, start).reshape(shape)
