"""Filters of an HDF5 dataset, one image or a few tiles of it per chunk.

`gzip` and `shuffle` are in every HDF5 library, `szip` in most. HDF5's gzip is zlib, which
compresses 90 MB/s at level 1. libdeflate (in imagecodecs) makes the same format at 250 MB/s and
decodes it twice as fast. So chunks of one image are compressed by it, in threads ahead of the
writer, and passed to HDF5 as they are (`write_direct_chunk`, `read_direct_chunk`). Every reader of
HDF5 reads them.

`bitshuffle` (with LZ4) and `zstd` come with hdf5plugin. Readers need that plugin too: MATLAB, R and
Fiji do not have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import imagecodecs
import numpy as np

from platebench.errors import Unsupported
from platebench.optional import how_to_get, missing

PLUGIN = ("bitshuffle", "zstd")
"""Filters of hdf5plugin."""

_SZIP_BLOCK = 32
"""The most pixels per block. 16 makes 2% more bytes."""


@dataclass(frozen=True)
class Filter:
    """How chunks are compressed: `gzip`, `szip`, `lzf`, or `bitshuffle` or `zstd` of hdf5plugin.

    A chunk is one image, or `tiles` by `tiles` make one. `direct` compresses by libdeflate.
    `shuffle` applies to pixels of several bytes.
    """

    name: str
    level: int | None = None
    tiles: int = 1
    direct: bool = False
    shuffle: bool = True

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise Unsupported if images of this shape, or this HDF5 library, cannot be filtered."""
        if 0 in shape or not shape:
            raise Unsupported("HDF5 cannot make chunks of images without pixels")
        if self.name in PLUGIN and missing("hdf5plugin"):
            raise Unsupported(how_to_get(["hdf5plugin"]))
        if self.name == "szip" and not _writes_szip():
            raise Unsupported("this HDF5 library cannot write szip")

    def options(self, axes: int, shape: tuple[int, ...], dtype: np.dtype) -> dict[str, Any]:
        """Return the options of `create_dataset`, whose first `axes` axes count images."""
        sides = tuple(
            max(1, side // self.tiles) if axis >= len(shape) - 2 else side
            for axis, side in enumerate(shape)
        )
        chunks = (*(1 for _ in range(axes)), *sides)
        if self.name in PLUGIN:
            return {"chunks": chunks, **self._plugin_options()}
        options: dict[str, Any] = {
            "chunks": chunks,
            "compression": self.name,
            "compression_opts": self.level,
            "shuffle": self.shuffle and dtype.itemsize > 1 and self.name != "szip",
        }
        if self.name == "szip":
            block = min(_SZIP_BLOCK, int(np.prod(sides)) // 2 * 2)
            if block < 2:
                return {"chunks": options["chunks"]}
            options["compression_opts"] = ("nn", block)
        return options

    def _plugin_options(self) -> Mapping[str, Any]:
        """Return the plugin's options; importing it makes its filters known to HDF5."""
        import hdf5plugin

        if self.name == "bitshuffle":
            return hdf5plugin.Bitshuffle(cname="lz4")  # type: ignore[no-any-return]
        return hdf5plugin.Zstd(clevel=self.level)  # type: ignore[no-any-return]

    def make_readable(self) -> None:
        """Make the filter known to HDF5, if that takes a plugin."""
        if self.name in PLUGIN:
            self._plugin_options()


def _writes_szip() -> bool:
    if not h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
        return False
    can = h5py.h5z.get_filter_info(h5py.h5z.FILTER_SZIP)
    return bool(can & h5py.h5z.FILTER_CONFIG_ENCODE_ENABLED)


def encode_chunk(image: np.ndarray, level: int, shuffle: bool) -> bytes:
    """Return an image as HDF5's filters shuffle and gzip store it."""
    flat = image.reshape(-1).view(np.uint8)
    if shuffle and image.itemsize > 1:
        flat = np.ascontiguousarray(flat.reshape(-1, image.itemsize).T)
    compressed: bytes = imagecodecs.deflate_encode(flat.reshape(-1), level=level)
    return compressed


def decode_chunk(data: bytes, shuffle: bool, image: np.ndarray) -> None:
    """Decode what `encode_chunk` returned into `image`. Raises ValueError for another size."""
    flat = image.reshape(-1).view(np.uint8)
    out = np.empty(flat.size, np.uint8) if shuffle and image.itemsize > 1 else flat
    decoded = imagecodecs.deflate_decode(data, out=out)
    if len(decoded) != flat.size:
        raise ValueError(f"a chunk has {len(decoded)} bytes, not {flat.size}")
    if out is not flat:
        flat.reshape(-1, image.itemsize)[...] = out.reshape(image.itemsize, -1).T


def is_direct(pixels: h5py.h5d.DatasetID, axes: int) -> tuple[bool, bool]:
    """Say whether each chunk is one image under gzip alone, and whether its bytes are shuffled."""
    plan = pixels.get_create_plist()
    if plan.get_layout() != h5py.h5d.CHUNKED:
        return False, False
    filters = [plan.get_filter(number)[0] for number in range(plan.get_nfilters())]
    one_image = plan.get_chunk() == (*(1 for _ in range(axes)), *pixels.shape[axes:])
    gzip, shuffled = [h5py.h5z.FILTER_DEFLATE], [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE]
    return one_image and filters in (gzip, shuffled), filters == shuffled
