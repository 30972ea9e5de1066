"""Zarr with shards, through zarr-python alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from zarr.codecs import BloscCodec

from platebench.images.imageset import ImageSet
from platebench.stores.direct import zarr_reads
from platebench.stores.direct.calls import Calls, TableReading, Writing

_SHARD = 16


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    writing = Writing("array[i:i+16] = shard", partial(_write, tuning))
    return Calls(
        [writing],
        zarr_reads.readings(tuning == "default"),
        [TableReading("group.attrs", zarr_reads.table)],
    )


def _write(tuning: str, images: ImageSet, path: Path) -> None:
    shape = images.shapes[0]
    settings: dict[str, Any] = {"chunks": (1, *shape), "shards": (_SHARD, *shape)}
    if tuning != "default":
        blosc = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")
        settings |= {
            "compressors": blosc if tuning == "balanced" else None,
            "config": {"write_empty_chunks": True},
        }
    zarr_reads.write(images, path, _SHARD, settings)
