"""Zarr version 3 with shards, through zarr-python: many images per file, one image per chunk.

- On disk, a file `images/c/<n>/0/0` is a shard: 16 images as chunks, one after another, and an
  index of where each begins. So a plate of 10,000 images is 625 files.
- One image is read by `zarr.open_array(path)[i]`.
- A random row costs two reads of one file: the shard's index, then the image's chunk.
- It keeps no versions, every image has one shape and dtype, and a shard is written as a whole: two
  processes that write one shard lose images (`platebench findings zarr-partial-shards`).
- Readers of Zarr version 3 open it: Python, napari (napari-ome-zarr), Neuroglancer, C++ and Java.
- Its document: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/

Shards are for file systems and buckets that charge per file. On a local disk they bring no speed.

The tunings:

- `default`: `create_array(chunks=, shards=)` with nothing else, so with zarr's Zstandard. Images
  are read by `array[i]`, and scanned a shard at a time.
- `fast`: uncompressed, with `write_empty_chunks`, and with zarr's threads, unlike
  `zarr:tensor:fast`: one thread takes twice as long to write, and 1.4 times for cold single images.
- `balanced`: Blosc's LZ4 after a bit shuffle, as `zarr:tensor:balanced`. Zstandard level 1 makes a
  seventh fewer bytes and takes twice as long to write.

There is no `small`: that of `zarr` has shards of this size already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from platebench.stores.variants import Variants
from platebench.stores.zarr_images import SHARD, Settings, ZarrStore, blosc, zstd

CANDIDATES: Mapping[str, Variants[Settings]] = {
    "tensor": Variants(
        {
            "default": Settings(quick_start=True, shard=SHARD),
            "uncompressed": Settings(shard=SHARD),
            "uncompressed-one-thread": Settings(one_thread=True, shard=SHARD),
            "uncompressed-64": Settings(shard=4 * SHARD),
            "zstd-1": zstd(1, shard=SHARD),
            "bitshuffle-lz4": blosc("lz4", 5, shard=SHARD),
            "bitshuffle-zstd-1": blosc("zstd", 1, shard=SHARD),
        },
        {"default": "default", "fast": "uncompressed", "balanced": "bitshuffle-lz4"},
    )
}


class ZarrSharded(ZarrStore):
    """A Zarr group with one array of shards."""

    format = "zarr-sharded"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tensor": {
            "Python": """
import zarr
print(zarr.open_array(f"{place}/images", mode="r")[0])
""",
            "Fiji": "File > Import > HDF5/N5/Zarr/OME-NGFF, then name the folder `images`.",
        },
    }

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)
