"""Zarr version 3, through zarr-python with the codec pipeline `zarrs`, which is written in Rust.

- On disk it is what `zarr` writes: one array of (images, *shape), a file per chunk.
- One image is `zarr.open_array(path)[i]` after one line: `zarr.config.set({"codec_pipeline.path":
  "zarrs.ZarrsCodecPipeline"})`. Chunks are then read and decompressed by Rust, in its own threads.
- A random row costs one read of one file, as with zarr-python alone, and less time in Python.
- It keeps no versions, and knows the stores of local files, HTTP and object_store only. What it
  lacks it leaves to zarr-python without a word, such as `array[i]` of an image in several chunks
  (zarrs 0.2.3). Here that is an error (`codec_pipeline.strict`), but for `default`.
- Everything that opens Zarr version 3 opens it, without zarrs too.
- Its document: https://github.com/zarrs/zarrs-python

The pipeline is zarr's setting for the whole process. It is set while the array is created or
opened, which fixes it for that array, and then put back: other Zarr arrays of the process have
zarr-python's own. The tables that belong to the images are read and written by that one.

The tunings:

- `default`: as `zarr:tensor:default`, with the same bytes on disk.
- `fast`: one image per chunk, uncompressed, as `zarr:tensor:fast`, read in several threads.
- `balanced`: Blosc's LZ4 after a bit shuffle, as `zarr:tensor:balanced`.
- `small`: Zstandard level 9, one image per chunk. There are no shards: zarrs writes chunks into one
  in the order in which its threads end, so that the same images make other bytes each time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import zarr

from platebench.stores.variants import Variants
from platebench.stores.zarr_images import Settings, ZarrStore, blosc, zstd

CANDIDATES: Mapping[str, Variants[Settings]] = {
    "tensor": Variants(
        {
            "default": Settings(quick_start=True),
            "uncompressed": Settings(),
            "uncompressed-one-thread": Settings(one_thread=True),
            "zstd-1": zstd(1),
            "bitshuffle-lz4": blosc("lz4", 5),
            "bitshuffle-zstd-1": blosc("zstd", 1),
            "zstd-9": zstd(9),
        },
        {
            "default": "default",
            "fast": "uncompressed",
            "balanced": "bitshuffle-lz4",
            "small": "zstd-9",
        },
    )
}

_PIPELINE = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}

_setting = threading.Lock()
"""zarr's settings are those of the process: two threads must not put them back in turns."""


class Zarrs(ZarrStore):
    """A Zarr group with one array, whose chunks zarrs reads and writes."""

    format = "zarrs"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tensor": {
            "Python": """
import zarr
zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
print(zarr.open_array(f"{place}/images", mode="r")[0])
""",
            "Fiji": "File > Import > HDF5/N5/Zarr/OME-NGFF, then name the folder `images`.",
        },
    }

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)

    @contextmanager
    def _configured(self) -> Iterator[None]:
        """Have zarrs read and write the chunks of arrays that are created or opened meanwhile."""
        more = {
            "threading.max_workers": 1 if self._settings.one_thread else None,
            "codec_pipeline.strict": not self._settings.quick_start,
        }
        with _setting, zarr.config.set(_PIPELINE | more):
            yield
