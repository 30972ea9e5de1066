"""A Blosc2 NDArray in one file, through python-blosc2: one image per chunk.

- On disk, the file is a contiguous frame: a header, the chunks one after another, an index of where
  each begins, and the metadata. The table of the images is the metadata `images`.
- One image is `blosc2.open(path)[i]`.
- A random row costs one read of its chunk; the index is read when the file is opened.
- It keeps no versions, every image has one shape and dtype and less than 2 GB, and there is one
  writer at a time.
- Python opens it (also HDF5 through hdf5plugin knows the codec, but not this file), and C.
- Its document: https://www.blosc.org/python-blosc2/

The tunings:

- `default`: `blosc2.empty(shape, dtype, urlpath=)`: Blosc2 chooses chunks of many images and blocks
  of a part of one, and compresses them with Zstandard level 5 after a byte shuffle. Images are read
  by `array[i]`.
- `fast`: one image per chunk, uncompressed, decompressed by `decompress_chunk(i, dst=)` straight
  into the reader's memory.
- `balanced`: as `fast`, with LZ4 after a bit shuffle: 0.42 of the bytes, and cold single images are
  read and written as fast as uncompressed ones. Zstandard level 1 makes 0.36 in twice the time.
- `small`: as `fast`, with Zstandard level 3, and a byte shuffle for pixels of several bytes. It is
  about as small as `default`, and cold single images are read in half the time. Level 5 makes 2%
  more bytes of 8-bit and 1% fewer of 16-bit images, and takes twice as long to write.

A chunk is compressed in blocks of whole rows of the image, in one thread per processor.

Tables that belong to the images are Arrow IPC files beside it (see `arrow_tables`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import blosc2
import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.changed import check_same_kinds, with_rows
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.arrow_tables import ArrowTables
from platebench.stores.contract import (
    OpenInBlocks,
    OpenIntoMemory,
    OpenStore,
    Store,
    check_rows,
    copied_into,
    require_common_image,
)
from platebench.stores.crops import Crop
from platebench.stores.read_ahead import AdvisedFile
from platebench.stores.table_files import TABLES, images_place, stored_images
from platebench.stores.tables import StoredTables
from platebench.stores.variants import Variants

ENDING = ".b2nd"
IMAGES = "images"

BLOCK = 2**18
"""The most bytes per block, unless one row of an image has more."""


@dataclass(frozen=True)
class Settings:
    """How chunks are compressed.

    `shuffle` is the name of a filter; without it, pixels of several bytes are shuffled by byte.
    """

    quick_start: bool = False
    codec: str = "ZSTD"
    level: int = 0
    shuffle: str | None = None

    def options(self, shape: tuple[int, ...], dtype: np.dtype) -> dict[str, Any]:
        """Return the options of `blosc2.empty` for images of this shape and dtype."""
        if self.quick_start:
            return {}
        shuffle = self.shuffle or ("SHUFFLE" if dtype.itemsize > 1 else "NOFILTER")
        return {
            "chunks": (1, *shape),
            "blocks": (1, *_block(shape, dtype)),
            "cparams": blosc2.CParams(
                codec=blosc2.Codec[self.codec],
                clevel=self.level,
                filters=[blosc2.Filter[shuffle]],
            ),
        }


def _block(shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, ...]:
    """Return a block of whole rows that divides an image, so that blocks follow each other in it.

    Blocks that do not divide a chunk are padded, and a chunk is then no longer the image's bytes.
    """
    if len(shape) < 2:
        return shape
    height, row = shape[-2], shape[-1] * dtype.itemsize
    most = max(1, BLOCK // row)
    rows = max(each for each in range(1, min(height, most) + 1) if height % each == 0)
    return (*(1 for _ in shape[:-2]), rows, shape[-1])


CANDIDATES: Mapping[str, Variants[Settings]] = {
    "tensor": Variants(
        {
            "default": Settings(quick_start=True),
            "uncompressed": Settings(shuffle="NOFILTER"),
            "bitshuffle-lz4": Settings(codec="LZ4", level=5, shuffle="BITSHUFFLE"),
            "bitshuffle-zstd-1": Settings(level=1, shuffle="BITSHUFFLE"),
            "zstd-1": Settings(level=1),
            "zstd-3": Settings(level=3),
            "zstd-5": Settings(level=5),
        },
        {
            "default": "default",
            "fast": "uncompressed",
            "balanced": "bitshuffle-lz4",
            "small": "zstd-3",
        },
    )
}


class Blosc2(Store):
    """One NDArray of all images."""

    format = "blosc2"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tensor": {
            "Python": """
import blosc2
print(blosc2.open(place)[0])
""",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Write the images of one chunk at a time, then the table."""
        shape, dtype = require_common_image(images, self.layout)
        if not shape or 0 in shape or images.image_bytes(0) > blosc2.MAX_BUFFERSIZE:
            raise Unsupported(f"a chunk of Blosc2 holds no image of shape {shape}")
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        place = images_place(path, images.tables, ENDING)
        array = blosc2.empty(
            (len(images), *shape),
            dtype=dtype,
            urlpath=str(place),
            **self._settings.options(shape, dtype),
        )
        block = array.chunks[0]
        for first in range(0, len(images), block):
            rows = range(first, min(first + block, len(images)))
            array[first : rows.stop] = np.stack([images.pixels(row) for row in rows])
        array.schunk.vlmeta[IMAGES] = images.table.to_pylist()
        tables.write(images.tables)

    def open(self, path: Path) -> OpenStore:
        """Open the file for reading."""
        opened = _OpenIndexed if self._settings.quick_start else _OpenChunks
        return opened(stored_images(path, ENDING)).with_tables(self.tables_at(path))

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Assign rows of the array, whose chunks are compressed again, and its metadata."""
        array = blosc2.open(str(stored_images(path, ENDING)), mode="a")
        check_rows(rows, array.shape[0])
        check_same_kinds([(array.shape[1:], array.dtype)] * len(rows), images, "an NDArray")
        for place, row in enumerate(rows):
            array[row] = images.pixels(place)
        table = pa.Table.from_pylist(array.schunk.vlmeta[IMAGES], IMAGE_SCHEMA)
        array.schunk.vlmeta[IMAGES] = with_rows(table, rows, images.table).to_pylist()

    def tables_at(self, path: Path) -> StoredTables:
        """Keep tables as Arrow IPC files, compressed with `balanced` and `small`."""
        codec = {"balanced": "lz4", "small": "zstd"}.get(self.tuning)
        return ArrowTables(path / TABLES, pa.Codec(codec) if codec else None)

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)


class _OpenArray(OpenStore):
    """What both ways of reading share: the array, the number of images and their metadata."""

    def __init__(self, place: Path) -> None:
        self._place = place

    @cached_property
    def _array(self) -> Any:
        return blosc2.open(str(self._place), mode="r")

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def table(self) -> pa.Table:
        return pa.Table.from_pylist(self._array.schunk.vlmeta[IMAGES], IMAGE_SCHEMA)

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Decompress the blocks that hold a crop, one crop after another."""
        check_rows([crop.row for crop in crops], len(self))
        shape = self._array.shape[1:]
        parts = (self._array[(crop.row, *crop.index(shape))] for crop in crops)
        return copied_into(memory, parts)


class _OpenIndexed(_OpenArray, OpenInBlocks):
    """Images by `array[i]`, and in a scan by whole chunks."""

    def scan(self) -> Iterator[np.ndarray]:
        block = self._array.chunks[0]
        for first in range(0, len(self), block):
            yield from self._array[first : first + block]

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return (self._array[row] for row in rows)


class _OpenChunks(_OpenArray, OpenIntoMemory):
    """Images by `decompress_chunk`, straight into memory.

    The file is mapped. From the page cache that takes half the time of read calls, from the disk
    the same: 16 of 32 images of 1.4 MB 3.0 and 36 ms, by read calls 7.3 and 37 ms (blosc2 4.14.1).
    But the kernel reads ahead in a map: docs/access.md has the bytes. It is advised of images in
    order: 128 uncompressed ones take 138 ms from the disk so, and 173 without.
    """

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self._advised = AdvisedFile(place)

    @cached_property
    def _array(self) -> Any:
        return blosc2.open(str(self._place), mode="r", mmap_mode="r")

    def close(self) -> None:
        super().close()
        self._advised.close()

    @property
    def largest_image(self) -> int:
        return int(np.prod(self._array.shape[1:])) * int(self._array.dtype.itemsize)

    def images_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        chunks, shape, dtype = self._array.schunk, self._array.shape[1:], self._array.dtype
        image = memory[: self.largest_image].view(dtype).reshape(shape)
        in_order = isinstance(rows, range)
        for row in self._advised.ahead_evenly(rows, len(self)) if in_order else rows:
            chunks.decompress_chunk(row, dst=image)
            yield image
