"""Zarr, through zarr-python alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from zarr.codecs import BloscCodec, ZstdCodec

from platebench.images.imageset import ImageSet
from platebench.stores.direct import zarr_reads
from platebench.stores.direct.calls import Calls, TableReading, Writing


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    writing = Writing("array[i:j] = block, write_empty_chunks", partial(_write, tuning))
    return Calls(
        [writing],
        zarr_reads.readings(tuning == "default"),
        [TableReading("group.attrs", zarr_reads.table)],
    )


def _write(tuning: str, images: ImageSet, path: Path) -> None:
    settings: dict[str, Any] = {
        "chunks": (1, *images.shapes[0]),
        "config": {"write_empty_chunks": True},
    }
    block: int | None = 1
    if tuning == "default":
        settings, block = {}, None
    elif tuning == "fast":
        settings |= {"compressors": None}
    elif tuning == "balanced":
        settings |= {"compressors": BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")}
    else:
        block = 16
        height, width = images.shapes[0]
        tile = -(-height // 4), -(-width // 4)
        settings |= {
            "chunks": (1, *tile),
            "shards": (block, 4 * tile[0], 4 * tile[1]),
            "compressors": ZstdCodec(level=9),
        }
    zarr_reads.write(images, path, block, settings)
