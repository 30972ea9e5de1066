"""The floor: the pixels of all images in one bare file, read and written in the quickest known way.

The floor shows what the machine can do. It is not a format to use: it has no checksums, and only
platebench reads it. The quickest way depends on the machine, see `stores/floor/choice.py`.

The file is the images, each padded with zeros to whole pages, then the table as Arrow IPC, then a
JSON footer and the footer's length in 8 bytes. Nothing in it depends on the way it was written.
If the image set has further tables, `path` is a folder with this file and one bare file for each
table (`stores/floor/tables.py`).
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from platebench.images.changed import check_same_kinds, kept, with_rows
from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenStore, Store, check_rows
from platebench.stores.crops import Crop
from platebench.stores.floor import residency
from platebench.stores.floor.choice import Choice, current
from platebench.stores.floor.footer import as_footer, read_footer, truncated
from platebench.stores.floor.places import PAGE, Places, padded, page_aligned
from platebench.stores.floor.tables import BareTables
from platebench.stores.floor.variants import READERS, WRITERS
from platebench.stores.raw_crops import RawImage, crops_of_file
from platebench.stores.table_files import TABLES, images_place, stored_images
from platebench.stores.tables import StoredTables
from platebench.stores.together import Begun, OfStore, Together

_OWN_IMAGES, _OWN_BYTES = 16, 64 * 2**20
"""Images, and bytes unless one image has more, of the memory of a reader that brings none."""

ENDING = ".pixels"


@dataclass(frozen=True)
class BareFile(Store):
    """Raw pixels in one file. `choice` is that of the environment unless it is given."""

    choice: Choice | None = None

    format = "floor"

    def write(self, images: ImageSet, path: Path) -> None:
        """Write the images in the chosen way, then the table and the footer."""
        places = Places.of_images(images)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        place = images_place(path, images.tables, ENDING)
        file = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            WRITERS[(self.choice or current()).write](images, places, file)
            with open(file, "wb", closefd=False) as sink:
                sink.seek(places.end)
                sink.write(_ending(images.table, places))
        except BaseException:
            place.unlink()
            raise
        finally:
            os.close(file)
        tables.write(images.tables)

    def open(self, path: Path) -> OpenStore:
        """Read the footer."""
        place = stored_images(path, ENDING)
        return _OpenBareFile(place, self.choice or current()).with_tables(self.tables_at(path))

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Write the images over those in the file, then the table and the footer."""
        with _changed(stored_images(path, ENDING)) as (file, places, table):
            check_rows(rows, len(places))
            check_same_kinds([places.kind(row) for row in rows], images, "the floor")
            for place, row in enumerate(rows):
                _write_at(file, images.pixels(place).reshape(-1).view(np.uint8), places.edges[row])
            _end(file, with_rows(table, rows, images.table), places)

    def delete(self, path: Path, rows: Sequence[int]) -> None:
        """Cut the images' pages out of the file, then write the table and the footer.

        No other image is read or moved (fallocate with FALLOC_FL_COLLAPSE_RANGE, on ext4 and XFS).
        Elsewhere the file is written again.
        """
        place = stored_images(path, ENDING)
        with _changed(place) as (file, places, table):
            check_rows(rows, len(places))
            ranges = [
                (places.edges[row], places.edges[row + 1] - places.edges[row])
                for row in sorted(set(rows), reverse=True)
            ]
            cut = _cut(file, ranges)
            if cut:
                left = kept(len(places), rows)
                kinds = places.kinds
                if len(kinds) > 1:
                    kinds = [places.kind(row) for row in left]
                remaining = Places.of_sizes([places.sizes[row] for row in left], kinds)
                _end(file, table.take(pa.array(left, pa.int64())), remaining)
        if not cut:
            super().delete(path, rows)

    def together(self) -> Together:
        """Have each process write its images at their places in the file."""
        return BareRegions(self)

    def tables_at(self, path: Path) -> StoredTables:
        """Keep the columns of each table in one bare file."""
        return BareTables(path / TABLES)


def _ending(table: pa.Table, places: Places) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    stream: bytes = sink.getvalue().to_pybytes()
    kinds = [(shape, dtype.str) for shape, dtype in places.kinds]
    return stream + as_footer({"sizes": places.sizes, "kinds": kinds, "table": len(stream)})


class BareRegions(OfStore):
    """One file; each process writes its images at their places, which are known before."""

    way = "one file, each image at its place"

    def begin(self, images: ImageSet, path: Path) -> Begun:
        """Make the file as large as its images."""
        self._store.tables_at(path).check_all(images.tables)
        place = images_place(path, images.tables, ENDING)
        file = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            os.truncate(file, Places.of_images(images).end)
        finally:
            os.close(file)
        return Begun(str(place))

    def share(self, images: ImageSet, path: Path, rows: range, state: Any) -> None:
        """Write the images with pwrite."""
        places = Places.of_images(images)
        file = os.open(state, os.O_WRONLY)
        try:
            for row in rows:
                _write_at(file, images.pixels(row).reshape(-1).view(np.uint8), places.edges[row])
        finally:
            os.close(file)

    def end(self, images: ImageSet, path: Path, written: Sequence[Any]) -> None:
        """Write the table and the footer, then the other tables."""
        file = os.open(stored_images(path, ENDING), os.O_WRONLY)
        try:
            _end(file, images.table, Places.of_images(images))
        finally:
            os.close(file)
        self._store.tables_at(path).write(images.tables)


@contextmanager
def _changed(place: Path) -> Iterator[tuple[int, Places, pa.Table]]:
    """Open a bare file for changes; yield the descriptor, the images' places and their table."""
    file = os.open(place, os.O_RDWR)
    try:
        places, (start, size) = _read_ending(file, place)
        yield file, places, pa.ipc.open_stream(os.pread(file, size, start)).read_all()
    finally:
        os.close(file)


def _write_at(file: int, data: np.ndarray, start: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(file, data[done:].data, start + done)


def _end(file: int, table: pa.Table, places: Places) -> None:
    """Write the table and the footer after the images, where the file then ends."""
    ending = _ending(table, places)
    _write_at(file, np.frombuffer(ending, np.uint8), places.end)
    os.truncate(file, places.end + len(ending))


_COLLAPSE_RANGE = 0x08
_libc = ctypes.CDLL(None, use_errno=True)


def _cut(file: int, ranges: Sequence[tuple[int, int]]) -> bool:
    """Remove ranges, given by start and size and the last one first, from a file.

    Returns False, and has changed nothing, if the file system cannot do that.
    """
    block = os.fstatvfs(file).f_bsize
    if not hasattr(_libc, "fallocate") or any(each % block for pair in ranges for each in pair):
        return False
    arguments = (ctypes.c_int(file), ctypes.c_int(_COLLAPSE_RANGE))
    for number, (start, size) in enumerate(each for each in ranges if each[1]):
        if _libc.fallocate(*arguments, ctypes.c_int64(start), ctypes.c_int64(size)) == 0:
            continue
        error = ctypes.get_errno()
        if number == 0 and error in (errno.EOPNOTSUPP, errno.EINVAL):
            return False
        raise OSError(error, os.strerror(error))
    return True


class _OpenBareFile(OpenStore):
    def __init__(self, path: Path, choice: Choice) -> None:
        self._choice = choice
        self._file = os.open(path, os.O_RDONLY)
        try:
            self._places, self._table = _read_ending(self._file, path)
        except BaseException:
            os.close(self._file)
            raise

    def close(self) -> None:
        os.close(self._file)

    def __len__(self) -> int:
        return len(self._places)

    def scan(self) -> Iterator[np.ndarray]:
        return self.scan_into(self._memory)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return self.take_into(rows, self._memory)

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        choice = self._choice
        return self._read(range(len(self)), memory, choice.scan, choice.cold_scan)

    def take_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        check_rows(rows, len(self))
        return self._read(rows, memory, self._choice.take, self._choice.cold_take)

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        check_rows([crop.row for crop in crops], len(self))
        return crops_of_file(self._file, crops, self._image_at, memory)

    def batch_into(self, rows: Sequence[int], memory: np.ndarray) -> list[np.ndarray]:
        """Read each image straight to its place, if the images are in the page cache."""
        check_rows(rows, len(self))
        if not residency.is_resident(self._file, self._places, rows):
            return super().batch_into(rows, memory)
        starts = [0, *accumulate(padded(self._places.sizes[row]) for row in rows)]
        read = READERS["pread"]
        return [
            image
            for row, start in zip(rows, starts, strict=False)
            for image in read(self._places, self._file, [row], memory[start:])
        ]

    def _image_at(self, row: int) -> RawImage:
        shape, dtype = self._places.kind(row)
        return RawImage(self._places.edges[row], shape, dtype)

    def table(self) -> pa.Table:
        start, size = self._table
        return pa.ipc.open_stream(os.pread(self._file, size, start)).read_all()

    @cached_property
    def _memory(self) -> np.ndarray:
        slot = self._places.slot
        return page_aligned(max(slot, min(_OWN_IMAGES * slot, _OWN_BYTES)))

    def _read(
        self, rows: Sequence[int], memory: np.ndarray, warm: str, cold: str
    ) -> Iterator[np.ndarray]:
        """Read in one way if the images are in the page cache, and in another if they are not."""
        if memory.ctypes.data % PAGE or len(memory) < self._places.slot:
            return self._copied(rows, memory, warm, cold)
        is_warm = warm == cold or residency.is_resident(self._file, self._places, rows)
        return READERS[warm if is_warm else cold](self._places, self._file, rows, memory)

    def _copied(
        self, rows: Sequence[int], memory: np.ndarray, warm: str, cold: str
    ) -> Iterator[np.ndarray]:
        """Read for memory that has no room for whole pages."""
        largest = max((self._places.sizes[row] for row in rows), default=0)
        if len(memory) < largest:
            raise ValueError(f"memory of {len(memory)} bytes for images of up to {largest}")
        for image in self._read(rows, self._memory, warm, cold):
            copy = memory[: image.nbytes].view(image.dtype).reshape(image.shape)
            copy[...] = image
            yield copy


def _read_ending(file: int, path: Path) -> tuple[Places, tuple[int, int]]:
    """Return the images' places, and the start and size of the table."""
    footer, end = read_footer(file, path)
    try:
        kinds = [(tuple(shape), np.dtype(dtype)) for shape, dtype in footer["kinds"]]
        places = Places.of_sizes(footer["sizes"], kinds)
        table: int = footer["table"]
    except (ValueError, TypeError, LookupError) as error:
        raise truncated(path) from error
    return places, (end - table, table)
