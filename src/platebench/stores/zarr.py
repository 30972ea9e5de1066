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

How `balanced` and `small` were chosen is in docs/tuning.md. A delta filter makes 5% fewer bytes
than without it. It is no part of Zarr's specification, and rows take 1.6 times as long.

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

from collections.abc import Mapping
from typing import ClassVar

from platebench.stores.variants import Variants
from platebench.stores.zarr_images import SHARD, Settings, ZarrStore, blosc, zstd

_DELTA = "Zarr's specification has no delta filter, so other libraries do not read it."

CANDIDATES: Mapping[str, Variants[Settings]] = {
    "tensor": Variants(
        {
            "default": Settings(quick_start=True),
            "uncompressed": Settings(one_thread=True),
            "zstd-1": zstd(1),
            "zstd-3": zstd(3),
            "zstd-1-shard": zstd(1, shard=SHARD),
            "bitshuffle-lz4": blosc("lz4", 5),
            "bitshuffle-zstd-1": blosc("zstd", 1),
            "delta-zstd-1": zstd(1, delta=True),
            "zstd-9-shard": zstd(9, shard=SHARD),
            "zstd-9-tiles": zstd(9, tiles=4, shard=SHARD),
            "zstd-9-blocks": zstd(9, tiles=4, images=4, shard=SHARD),
            "delta-zstd-9": zstd(9, delta=True, shard=SHARD),
            "zstd-12-tiles": zstd(12, tiles=4, shard=SHARD),
        },
        {
            "default": "default",
            "fast": "uncompressed",
            "balanced": "bitshuffle-lz4",
            "small": "zstd-9-tiles",
        },
        dict.fromkeys(("delta-zstd-1", "delta-zstd-9"), _DELTA),
    )
}


class Zarr(ZarrStore):
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

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)
