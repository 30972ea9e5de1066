"""Zarr version 3 through TensorStore, Google's C++ library for large arrays.

- On disk it is a Zarr group as `zarr` writes it: one array of (images, *shape), a file per chunk.
- One image is `ts.open({"driver": "zarr3", "kvstore": "file:///..."}).result()[i].read().result()`.
- A random row costs one read of one file, here straight into the reader's memory.
- It keeps no versions, knows no groups and no table (zarr-python writes those here), and a spec is
  JSON that must be written out in full.
- Everything that opens Zarr version 3 opens it; TensorStore itself is for Python and C++.
- Its document: https://google.github.io/tensorstore/driver/zarr3/index.html

The tunings:

- `default`: `ts.open(spec, create=True, dtype=, shape=)`: TensorStore chooses the chunks, cubes of
  a million pixels across many images, uncompressed, and waits for the disk after every file. Images
  are written in blocks of whole chunks, and read by `store[i].read()`.
- `fast`: one image per chunk, uncompressed. Files are not synced one by one (`file_io_sync`); who
  needs them on the disk syncs all of them afterwards. Several images at once are copied by
  `ts.array(memory).write`.
- `balanced`: as `fast`, with Blosc's LZ4 after a bit shuffle: cold, single images take 1.3 times as
  long, from 0.42 of the bytes, and writing takes as long.
- `small`: as `fast`, with Zstandard level 9. Shards of 16 images are as small and written slower.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import tensorstore as ts
import zarr

from platebench.images.changed import check_same_kinds
from platebench.images.imageset import ImageSet
from platebench.stores.by_request import by_request
from platebench.stores.contract import (
    OpenByRow,
    OpenInBlocks,
    OpenStore,
    Store,
    check_rows,
    copied_into,
    require_common_image,
)
from platebench.stores.crops import Crop
from platebench.stores.tables import StoredTables
from platebench.stores.variants import Variants
from platebench.stores.zarr_images import (
    IMAGES,
    SHARD,
    create_group,
    read_images_table,
    replace_in_table,
    zarr_tables,
)

AHEAD = 4
"""Images that are read or written at once, as far as the reader's memory has room."""


@dataclass(frozen=True)
class Settings:
    """How an array is stored: by TensorStore's own choice, or one image per chunk with a codec.

    `codec` is the name of Zarr's codec and its configuration. `shard` is images per shard.
    """

    quick_start: bool = False
    codec: tuple[str, Mapping[str, Any]] | None = None
    shard: int | None = None

    def metadata(self, images: int, shape: tuple[int, ...], dtype: np.dtype) -> dict[str, Any]:
        """Return the array's metadata, as its `zarr.json` has it."""
        codecs: list[dict[str, Any]] = [
            {"name": "bytes", "configuration": {"endian": "little"}}
            if dtype.itemsize > 1
            else {"name": "bytes"}
        ]
        if self.codec is not None:
            name, configuration = self.codec
            if name == "blosc":
                configuration = {**configuration, "typesize": dtype.itemsize}
            codecs.append({"name": name, "configuration": dict(configuration)})
        if self.shard is not None:
            inner = {"chunk_shape": [1, *shape], "codecs": codecs}
            codecs = [{"name": "sharding_indexed", "configuration": inner}]
        chunk = [self.shard or 1, *shape]
        return {
            "shape": [images, *shape],
            "data_type": dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
            "codecs": codecs,
        }


def _zstd(level: int, **more: Any) -> Settings:
    return Settings(codec=("zstd", {"level": level}), **more)


def _blosc(name: str, level: int) -> Settings:
    return Settings(codec=("blosc", {"cname": name, "clevel": level, "shuffle": "bitshuffle"}))


CANDIDATES: Mapping[str, Variants[Settings]] = {
    "tensor": Variants(
        {
            "default": Settings(quick_start=True),
            "uncompressed": Settings(),
            "zstd-1": _zstd(1),
            "bitshuffle-lz4": _blosc("lz4", 5),
            "bitshuffle-zstd-1": _blosc("zstd", 1),
            "zstd-9": _zstd(9),
            "zstd-9-shard": _zstd(9, shard=SHARD),
        },
        {
            "default": "default",
            "fast": "uncompressed",
            "balanced": "bitshuffle-lz4",
            "small": "zstd-9",
        },
    )
}


class TensorStore(Store):
    """A Zarr group with one array, which TensorStore writes and reads."""

    format = "tensorstore"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tensor": {
            "Python": """
import tensorstore as ts
files = {"driver": "file", "path": f"{place}/images"}
print(ts.open({"driver": "zarr3", "kvstore": files}).result()[0].read().result())
""",
            "Fiji": "File > Import > HDF5/N5/Zarr/OME-NGFF, then name the folder `images`.",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Write the images of one chunk at a time, several chunks at once."""
        shape, dtype = require_common_image(images, self.layout)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        create_group(path, images)
        if self._settings.quick_start:
            whole = (len(images), *shape)
            array = ts.open(_spec(path), create=True, dtype=dtype, shape=whole).result()
        else:
            spec = _spec(path) | {
                "metadata": self._settings.metadata(len(images), shape, dtype),
                "context": {"file_io_sync": False},
            }
            array = ts.open(spec, create=True).result()
        _write_blocks(array, images)
        tables.write(images.tables)

    def open(self, path: Path) -> OpenStore:
        """Open the array for reading, when it is first needed."""
        opened = _OpenDefault if self._settings.quick_start else _OpenTuned
        return opened(path).with_tables(self.tables_at(path))

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Write rows of the array, then the group's attribute, as `zarr` does."""
        array = ts.open(_spec(path), open=True, read=True, write=True).result()
        check_rows(rows, array.shape[0])
        kind = (tuple(array.shape[1:]), array.dtype.numpy_dtype)
        check_same_kinds([kind] * len(rows), images, "an array of Zarr")
        for place, row in enumerate(rows):
            array[row].write(images.pixels(place)).result()
        replace_in_table(zarr.open_group(path, mode="r+"), rows, images)

    def tables_at(self, path: Path) -> StoredTables:
        """Keep one Zarr array for each column, as `zarr` does."""
        return zarr_tables(path, self.tuning)

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)


def _spec(path: Path) -> dict[str, Any]:
    return {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path / IMAGES)}}


def _write_blocks(array: Any, images: ImageSet) -> None:
    """Write blocks of whole chunks. The next block is drawn while one is written."""
    block = array.chunk_layout.write_chunk.shape[0]
    waiting: deque[Any] = deque()
    for first in range(0, len(images), block):
        rows = range(first, min(first + block, len(images)))
        pixels = (
            images.pixels(first)[np.newaxis]
            if block == 1
            else np.stack([images.pixels(row) for row in rows])
        )
        waiting.append(array[rows.start : rows.stop].write(pixels))
        if len(waiting) > max(1, AHEAD // block):
            waiting.popleft().result()
    for each in waiting:
        each.result()


class _OpenTensorStore(OpenByRow):
    """The array and the table, each opened when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _array(self) -> Any:
        return ts.open(_spec(self._path), open=True, read=True).result()

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return (self._array[row].read().result() for row in rows)

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read the chunks that hold the crops, all at once: TensorStore limits that itself."""
        check_rows([crop.row for crop in crops], len(self))
        shape = self._array.shape[1:]
        coming = [self._array[(crop.row, *crop.index(shape))].read() for crop in crops]
        return copied_into(memory, (each.result() for each in coming))

    def table(self) -> pa.Table:
        return read_images_table(self._path)


class _OpenDefault(_OpenTensorStore, OpenInBlocks):
    """Chunks that span images, each of which a scan or a request for several rows reads once."""

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return by_request(rows, lambda some: self._array[some].read().result())

    def scan(self) -> Iterator[np.ndarray]:
        block = self._array.chunk_layout.read_chunk.shape[0]
        for first in range(0, len(self), block):
            yield from self._array[first : min(first + block, len(self))].read().result()


class _OpenTuned(_OpenTensorStore):
    """One image per chunk: several are copied at once, each to its place in memory."""

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        return self._into(range(len(self)), memory)

    def take_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        check_rows(rows, len(self))
        return self._into(rows, memory)

    def _into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        array = self._array
        shape, dtype = array.shape[1:], array.dtype.numpy_dtype
        size = int(np.prod(shape)) * dtype.itemsize
        places = max(1, min(2 * AHEAD, memory.size // max(1, size)))
        coming: deque[tuple[np.ndarray, Any]] = deque()
        try:
            for number, row in enumerate(rows):
                start = number % places * size
                image = memory[start : start + size].view(dtype).reshape(shape)
                coming.append((image, ts.array(image, copy=False).write(array[row])))
                if len(coming) == places:
                    yield _arrived(*coming.popleft())
            while coming:
                yield _arrived(*coming.popleft())
        finally:
            for _, copying in coming:  # nothing writes to the caller's memory after this
                copying.result()


def _arrived(image: np.ndarray, copying: Any) -> np.ndarray:
    copying.result()
    return image
