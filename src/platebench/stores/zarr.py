"""Zarr version 3, through zarr-python: one array of (images, *shape).

The table is the group's attribute `images`, since OME-Zarr also keeps metadata in attributes.

- `default`: `create_array` without options: zarr chooses the chunks, which divide images, and
  compresses with Zstandard. Images are written in blocks of whole chunks; otherwise every chunk
  would be compressed once per image.
- `fast`: one chunk per image, uncompressed, and zarr's `threading.max_workers` set to 1.
- `small`: one chunk per image, Zstandard level 9, 16 chunks per shard, so 16 times fewer files.

Rows are read by `array[i]`, which in zarr 3.1 is several times faster than `oindex`, and scans by
`array[i : i + 4]` or whole chunks: one request then covers several chunks, which share its cost.

Zarr reads every chunk in a thread of a pool, and opening a group already starts three threads.
Without decompression several threads bring no gain, and each uses memory that is no longer in the
processor's cache. Scanning 128 images of 1.4 MB took (minimum of 25 on a busy machine, relative to
the floor): 5.4 by `array[i]` with three threads, 4.4 with one, 3.5 in blocks of four with one; 16
scattered rows took 5.3 with three and 4.0 with one (zarr 3.1.6, warm, 4 cores). `out=`, larger
blocks and the asynchronous interface gained almost nothing more.

The number of threads applies to the whole process. Other Zarr arrays in it have one thread too,
which makes those slower that decompress many chunks at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import zarr
from zarr.codecs import ZstdCodec

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.contract import OpenStore, Store, check_rows, require_common_image

IMAGES = "images"
SHARD = 16
"""Images per shard."""

TOGETHER = 4
"""Images per request of a scan, rounded up to whole chunks or shards."""


class Zarr(Store):
    """A Zarr group with one array."""

    format = "zarr"

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one block at a time: the images of one chunk or shard."""
        self._configure()
        shape, dtype = require_common_image(images, self.layout)
        group = zarr.create_group(path, attributes={IMAGES: images.table.to_pylist()})
        array = group.create_array(
            IMAGES, shape=(len(images), *shape), dtype=dtype, **self._settings(shape)
        )
        block = (array.shards or array.chunks)[0]
        for first in range(0, len(images), block):
            rows = range(first, min(first + block, len(images)))
            if block == 1:
                array[first] = images.pixels(first)
            else:
                array[first : rows.stop] = np.stack([images.pixels(row) for row in rows])

    def open(self, path: Path) -> OpenStore:
        """Open the group for reading."""
        self._configure()
        return _OpenZarr(path)

    def _configure(self) -> None:
        """Set zarr's number of threads, before its first read or write fixes it."""
        if self.tuning == "fast":
            zarr.config.set({"threading.max_workers": 1})

    def _settings(self, shape: tuple[int, ...]) -> dict[str, Any]:
        if self.tuning == "default":
            return {}
        if self.tuning == "fast":
            return {"chunks": (1, *shape), "compressors": None}
        return {
            "chunks": (1, *shape),
            "shards": (SHARD, *shape),
            "compressors": ZstdCodec(level=9),
        }


class _OpenZarr(OpenStore):
    def __init__(self, path: Path) -> None:
        self._group = zarr.open_group(path, mode="r")
        array = self._group[IMAGES]
        assert isinstance(array, zarr.Array)
        self._array = array

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
        return pa.Table.from_pylist(self._group.attrs[IMAGES], IMAGE_SCHEMA)
