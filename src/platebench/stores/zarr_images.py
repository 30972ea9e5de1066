"""What stores of Zarr have in common: one group with one array of (images, *shape).

The table of the images is the group's attribute `images`. Tables that belong to the images are
groups of one array for each column (see `zarr_tables`). The stores differ in chunks, shards and
codecs (`Settings`), and in the library that reads and writes chunks.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import zarr
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from platebench.images.changed import check_same_kinds, with_rows
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.by_request import by_request
from platebench.stores.contract import (
    OpenStore,
    Store,
    check_rows,
    copied_into,
    require_common_image,
)
from platebench.stores.crops import Crop
from platebench.stores.table_files import TABLES
from platebench.stores.tables import StoredTables
from platebench.stores.together import Begun, OfStore, Together
from platebench.stores.variants import for_tables
from platebench.stores.zarr_tables import ZarrTables

IMAGES = "images"
SHARD = 16
"""Images per shard."""

TOGETHER = 4
"""Images per request of a scan or a compressed write, rounded up to whole chunks."""

AT_ONCE = 16
"""Images per request with the tuned stores, as far as the reader's memory has room."""

_TABLE_OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "fast": {"compressors": None},
    "balanced": {"compressors": ZstdCodec(level=1)},
    "small": {"compressors": ZstdCodec(level=9)},
}
_TABLE_ROWS = {"default": None, "fast": 65_536, "balanced": 65_536, "small": 1_048_576}


def zarr_tables(path: Path, tuning: str) -> StoredTables:
    """Return the tables of a store at `path`: one array for each column, compressed by tuning."""
    return ZarrTables(
        path / TABLES, for_tables(_TABLE_OPTIONS, tuning), for_tables(_TABLE_ROWS, tuning)
    )


def create_group(path: Path, images: ImageSet) -> zarr.Group:
    """Create the group of a store, with the table of the images."""
    return zarr.create_group(path, attributes={IMAGES: images.table.to_pylist()})


def read_images_table(path: Path) -> pa.Table:
    """Return the table of the images."""
    group = zarr.open_group(path, mode="r")
    return pa.Table.from_pylist(group.attrs[IMAGES], IMAGE_SCHEMA)


def assign_rows(group: zarr.Group, array: Any, rows: Sequence[int], images: ImageSet) -> None:
    """Assign images to rows of the array, and to the table in the group's attributes."""
    check_rows(rows, array.shape[0])
    check_same_kinds([(array.shape[1:], array.dtype)] * len(rows), images, "an array of Zarr")
    for place, row in enumerate(rows):
        array[row] = images.pixels(place)
    replace_in_table(group, rows, images)


def replace_in_table(group: zarr.Group, rows: Sequence[int], images: ImageSet) -> None:
    """Put the rows of other images into the table in the group's attributes."""
    table = pa.Table.from_pylist(group.attrs[IMAGES], IMAGE_SCHEMA)
    group.attrs[IMAGES] = with_rows(table, rows, images.table).to_pylist()


@dataclass(frozen=True)
class Settings:
    """How an array is chunked, compressed and read.

    A chunk is one image, or `tiles` by `tiles` make one; `images` is the number of images that a
    chunk spans, `shard` that of a shard. `delta` filters integers. `serializer` is a codec of
    images, which takes one plane per chunk. `one_thread` is zarr's pool.
    """

    quick_start: bool = False
    compressor: Any = None
    images: int = 1
    tiles: int = 1
    shard: int | None = None
    delta: bool = False
    serializer: Any = None
    one_thread: bool = False

    @property
    def compresses(self) -> bool:
        """True for settings that name a codec."""
        return self.compressor is not None or self.serializer is not None

    def options(self, shape: tuple[int, ...], dtype: np.dtype) -> dict[str, Any]:
        """Return the options of `create_array` for images of this shape and dtype."""
        if self.quick_start and self.shard is None:
            return {}
        first = len(shape) - 2
        sides = [
            -(-side // self.tiles) if axis >= first else side for axis, side in enumerate(shape)
        ]
        whole = [-(-side // tile) * tile for side, tile in zip(shape, sides, strict=True)]
        if self.quick_start:
            return {"chunks": (1, *shape), "shards": (self.shard, *shape)}
        options: dict[str, Any] = {
            "chunks": (self.images, *sides),
            "config": {"write_empty_chunks": True},
            "compressors": self.compressor,
        }
        if self.serializer is not None:
            options["chunks"] = (*(1 for _ in shape[:-1]), *shape[-2:])
            options["serializer"] = self.serializer
        if self.shard is not None:
            options["shards"] = (self.shard, *whole)
        if self.delta and dtype.kind in "ui":
            from zarr.codecs.numcodecs import Delta  # absent before zarr 3.1.3

            options["filters"] = [Delta(dtype=dtype.str)]
        return options


def zstd(level: int, **more: Any) -> Settings:
    """Return settings that compress with Zstandard."""
    return Settings(compressor=ZstdCodec(level=level), **more)


def blosc(name: str, level: int, **more: Any) -> Settings:
    """Return settings that compress with Blosc after a bit shuffle."""
    return Settings(compressor=BloscCodec(cname=name, clevel=level, shuffle="bitshuffle"), **more)


class ZarrStore(Store):
    """A Zarr group with one array, which zarr-python writes and reads."""

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one block at a time: the images of one chunk or shard."""
        array = self.create(images, path)
        self.fill(array, images, range(len(images)))
        self.tables_at(path).write(images.tables)

    def create(self, images: ImageSet, path: Path) -> zarr.Array:
        """Create the group, with the table of the images, and the array. Raises as `write` does."""
        shape, dtype = require_common_image(images, self.layout)
        self.tables_at(path).check_all(images.tables)
        options = self._settings.options(shape, dtype)
        with self._configured():
            return create_group(path, images).create_array(
                IMAGES, shape=(len(images), *shape), dtype=dtype, **options
            )

    def fill(self, array: zarr.Array, images: ImageSet, rows: range) -> None:
        """Write the images of `rows`, which begin at a whole block, one block at a time."""
        block = (array.shards or array.chunks)[0]
        if self._settings.compresses:
            block *= -(-TOGETHER // block)  # zarr compresses the chunks of a request in threads
        for first in range(rows.start, rows.stop, block):
            some = range(first, min(first + block, rows.stop))
            if block == 1:
                array[first] = images.pixels(first)
            else:
                array[first : some.stop] = np.stack([images.pixels(row) for row in some])

    def reopened(self, path: Path) -> zarr.Array:
        """Open the array to write to it. As in `create`, tuned stores compare no chunk."""
        more = {} if self._settings.quick_start else {"array.write_empty_chunks": True}
        with self._configured(), zarr.config.set(more):
            return zarr.open_array(path / IMAGES, mode="r+")

    def together(self) -> Together:
        """Have each process write regions of whole chunks or shards."""
        return ZarrRegions(self)

    def open(self, path: Path) -> OpenStore:
        """Open the group for reading."""
        opened = OpenZarr if self._settings.quick_start else OpenTuned
        return opened(path, self._configured).with_tables(self.tables_at(path))

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Assign rows of the array, then the group's attribute. A chunk or shard is written again.

        A crash in between can leave a chunk of one state and the table of the other.
        """
        assign_rows(zarr.open_group(path, mode="r+"), self.reopened(path), rows, images)

    def tables_at(self, path: Path) -> StoredTables:
        """Keep one array for each column, compressed as the images are."""
        return zarr_tables(path, self.tuning)

    @property
    @abstractmethod
    def _settings(self) -> Settings:
        """How this tuning or variant is stored."""

    def _configured(self) -> AbstractContextManager[object]:
        """Set zarr's number of threads, before its first read or write fixes it.

        The array is created or opened within this context.
        """
        if self._settings.one_thread:
            zarr.config.set({"threading.max_workers": 1})
        return nullcontext()


class ZarrRegions(OfStore):
    """One array, made before; each process writes the chunks of its rows."""

    way = "one array, regions of whole chunks"

    def __init__(self, store: ZarrStore) -> None:
        super().__init__(store)
        self._zarr = store

    def begin(self, images: ImageSet, path: Path) -> Begun:
        """Create the array."""
        array = self._zarr.create(images, path)
        return Begun(unit=(array.shards or array.chunks)[0])

    def share(self, images: ImageSet, path: Path, rows: range, state: Any) -> None:
        """Open the array and write the rows."""
        self._zarr.fill(self._zarr.reopened(path), images, rows)

    def end(self, images: ImageSet, path: Path, written: Sequence[Any]) -> None:
        """Write the tables that belong to the images."""
        self._zarr.tables_at(path).write(images.tables)


class OpenZarr(OpenStore):
    """The array and the group's attributes, each opened when it is first needed."""

    def __init__(
        self, path: Path, configured: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._path = path
        self._configured = configured

    @cached_property
    def _array(self) -> zarr.Array:
        with self._configured():
            return zarr.open_array(self._path / IMAGES, mode="r")

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def scan(self) -> Iterator[np.ndarray]:
        """Read whole chunks or shards at a time, so that each is decompressed once."""
        whole = (self._array.shards or self._array.chunks)[0]
        block = whole * -(-TOGETHER // whole)
        for first in range(0, len(self), block):
            yield from np.asarray(self._array[first : first + block])

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Read these rows, several by one request, so that each chunk is decompressed once."""
        check_rows(rows, len(self))
        return by_request(rows, lambda some: list(np.asarray(self._array.oindex[some])))

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read the chunks that hold a crop, one crop after another."""
        parts = (np.asarray(self._array[index]) for index in self._indices(crops))
        return copied_into(memory, parts)

    def _indices(self, crops: Sequence[Crop]) -> list[tuple[int | slice, ...]]:
        check_rows([crop.row for crop in crops], len(self))
        return [(crop.row, *crop.index(self._array.shape[1:])) for crop in crops]

    def table(self) -> pa.Table:
        """Read the group's attributes."""
        return read_images_table(self._path)


class OpenTuned(OpenZarr):
    """One chunk per image: blocks of images into memory, and rows by concurrent requests."""

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read as many images per request as `memory` has room for."""
        array = self._array
        shape, size = array.shape[1:], int(np.prod(array.shape[1:])) * array.dtype.itemsize
        block = max(1, min(AT_ONCE, memory.size // max(1, size)))
        for first in range(0, len(self), block):
            images = min(block, len(self) - first)
            out = memory[: images * size].view(array.dtype).reshape(images, *shape)
            buffer = default_buffer_prototype().nd_buffer.from_numpy_array(out)
            array.get_basic_selection(slice(first, first + images), out=buffer)
            yield from out

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Read these rows, several at once."""
        check_rows(rows, len(self))
        return self._gathered(rows)

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read the chunks that hold the crops, several at once."""
        return copied_into(memory, self._gathered(self._indices(crops)))

    def _gathered(self, wanted: Sequence[Any]) -> Iterator[np.ndarray]:
        for first in range(0, len(wanted), AT_ONCE):
            some = wanted[first : first + AT_ONCE]
            for image in sync(_gather([self._array.async_array.getitem(each) for each in some])):
                yield np.asarray(image)


async def _gather(reads: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    return await asyncio.gather(*reads)
