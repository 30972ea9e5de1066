"""Zarr version 3, through zarr-python: one array of (images, *shape).

The table is the group's attribute `images`, since OME-Zarr also keeps metadata in attributes.

- `default`: `create_array` without options: zarr chooses the chunks, which divide images, and
  compresses with Zstandard. Images are written in blocks of whole chunks; otherwise every chunk
  would be compressed once per image.
- `fast`: one chunk per image, uncompressed, and zarr's `threading.max_workers` set to 1.
- `balanced`: one chunk per image, Blosc's LZ4 after a bit shuffle: cold, single images are read as
  fast as uncompressed ones, from 0.42 of the bytes, and written in 1.2 times the time. Zstandard
  level 1 makes 0.36, and takes twice as long to write.
- `small`: Zstandard level 9, chunks of a quarter by a quarter of an image, which compress 2% better
  than whole images, and 16 images per shard.

How `balanced` and `small` were chosen is in docs/tuning.md. A delta filter makes 2 to 6% fewer
bytes than without it. It is no part of Zarr's specification, and rows take twice as long.

All but `default` write with `write_empty_chunks`: otherwise zarr compares every chunk with the
fill value (128 images: 289 ms, 70 ms with it). They scan 16 images per request into the reader's
memory (`out=`), and read rows by `getitem` of the asynchronous array, 16 at a time. `default` reads
by `array[i : i + 4]` and `array[i]`. `oindex` is several times slower.

Zarr reads every chunk in a thread of a pool, and opening a group already starts three threads.
Without decompression several threads bring no gain, and each uses memory that is no longer in the
processor's cache. Scanning 128 images of 1.4 MB took (minimum of 25 on a busy machine, relative to
the floor): 5.4 by `array[i]` with three threads, 4.4 with one; 16 scattered rows took 5.3 with
three and 4.0 with one (zarr 3.1.6, warm, 4 cores).

Tables that belong to the images are groups of one array for each column (see `zarr_tables`).

The number of threads applies to the whole process. Other Zarr arrays in it have one thread too,
which makes those slower that decompress many chunks at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import zarr
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.contract import OpenStore, Store, check_rows, require_common_image
from platebench.stores.table_files import TABLES
from platebench.stores.tables import StoredTables
from platebench.stores.variants import Variants, for_tables
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


@dataclass(frozen=True)
class Settings:
    """How an array is chunked, compressed and read.

    A chunk is one image, or `tiles` by `tiles` make one; `images` is the number of images that a
    chunk spans, `shard` that of a shard. `delta` filters integers. `one_thread` is zarr's pool.
    """

    quick_start: bool = False
    compressor: ZstdCodec | BloscCodec | None = None
    images: int = 1
    tiles: int = 1
    shard: int | None = None
    delta: bool = False
    one_thread: bool = False

    def options(self, shape: tuple[int, ...], dtype: np.dtype) -> dict[str, Any]:
        """Return the options of `create_array` for images of this shape and dtype."""
        if self.quick_start:
            return {}
        first = len(shape) - 2
        sides = [
            -(-side // self.tiles) if axis >= first else side for axis, side in enumerate(shape)
        ]
        whole = [-(-side // tile) * tile for side, tile in zip(shape, sides, strict=True)]
        options: dict[str, Any] = {
            "chunks": (self.images, *sides),
            "config": {"write_empty_chunks": True},
            "compressors": self.compressor,
        }
        if self.shard is not None:
            options["shards"] = (self.shard, *whole)
        if self.delta and dtype.kind in "ui":
            from zarr.codecs.numcodecs import Delta  # absent before zarr 3.1.3

            options["filters"] = [Delta(dtype=dtype.str)]
        return options


def _zstd(level: int, **more: Any) -> Settings:
    return Settings(compressor=ZstdCodec(level=level), **more)


def _blosc(name: str, level: int) -> Settings:
    return Settings(compressor=BloscCodec(cname=name, clevel=level, shuffle="bitshuffle"))


CANDIDATES: Mapping[str, Variants[Settings]] = {
    "tensor": Variants(
        {
            "default": Settings(quick_start=True),
            "uncompressed": Settings(one_thread=True),
            "zstd-1": _zstd(1),
            "zstd-3": _zstd(3),
            "zstd-1-shard": _zstd(1, shard=SHARD),
            "bitshuffle-lz4": _blosc("lz4", 5),
            "bitshuffle-zstd-1": _blosc("zstd", 1),
            "delta-zstd-1": _zstd(1, delta=True),
            "zstd-9-shard": _zstd(9, shard=SHARD),
            "zstd-9-tiles": _zstd(9, tiles=4, shard=SHARD),
            "zstd-9-blocks": _zstd(9, tiles=4, images=4, shard=SHARD),
            "delta-zstd-9": _zstd(9, delta=True, shard=SHARD),
            "zstd-12-tiles": _zstd(12, tiles=4, shard=SHARD),
        },
        {
            "default": "default",
            "fast": "uncompressed",
            "balanced": "bitshuffle-lz4",
            "small": "zstd-9-tiles",
        },
    )
}


class Zarr(Store):
    """A Zarr group with one array."""

    format = "zarr"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tensor": {
            "Python": """
import zarr
print(zarr.open_array(f"{place}/images", mode="r")[0])
""",
            "R": """
Rarr::read_zarr_array(paste0(place, "/images"), index = list(1, NULL, NULL))
""",
            "Fiji": "File > Import > HDF5/N5/Zarr/OME-NGFF, then name the folder `images`.",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one block at a time: the images of one chunk or shard."""
        self._configure()
        shape, dtype = require_common_image(images, self.layout)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        group = zarr.create_group(path, attributes={IMAGES: images.table.to_pylist()})
        array = group.create_array(
            IMAGES, shape=(len(images), *shape), dtype=dtype, **self._settings.options(shape, dtype)
        )
        block = (array.shards or array.chunks)[0]
        if self._settings.compressor is not None:
            block *= -(-TOGETHER // block)  # zarr compresses the chunks of a request in threads
        for first in range(0, len(images), block):
            rows = range(first, min(first + block, len(images)))
            if block == 1:
                array[first] = images.pixels(first)
            else:
                array[first : rows.stop] = np.stack([images.pixels(row) for row in rows])
        tables.write(images.tables)

    def open(self, path: Path) -> OpenStore:
        """Open the group for reading."""
        self._configure()
        opened = _OpenZarr if self._settings.quick_start else _OpenTuned
        return opened(path).with_tables(self.tables_at(path))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep one array for each column, compressed as the images are."""
        return ZarrTables(
            path / TABLES,
            for_tables(_TABLE_OPTIONS, self.tuning),
            for_tables(_TABLE_ROWS, self.tuning),
        )

    def _configure(self) -> None:
        """Set zarr's number of threads, before its first read or write fixes it."""
        if self._settings.one_thread:
            zarr.config.set({"threading.max_workers": 1})

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)


class _OpenZarr(OpenStore):
    """The array and the group's attributes, each opened when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _array(self) -> zarr.Array:
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
        check_rows(rows, len(self))
        return (np.asarray(self._array[row]) for row in rows)

    def table(self) -> pa.Table:
        group = zarr.open_group(self._path, mode="r")
        return pa.Table.from_pylist(group.attrs[IMAGES], IMAGE_SCHEMA)


class _OpenTuned(_OpenZarr):
    """One chunk per image: blocks of images into memory, and rows by concurrent requests."""

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
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
        check_rows(rows, len(self))
        return self._gathered(rows)

    def _gathered(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        for first in range(0, len(rows), AT_ONCE):
            some = rows[first : first + AT_ONCE]
            for image in sync(_gather([self._array.async_array.getitem(row) for row in some])):
                yield np.asarray(image)


async def _gather(reads: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    return await asyncio.gather(*reads)
