"""Zarr, through zarr-python with the pipeline zarrs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import zarr
from zarr.codecs import BloscCodec, ZstdCodec

from platebench.images.imageset import ImageSet
from platebench.stores.direct import zarr_reads
from platebench.stores.direct.calls import Calls, TableReading, Writing

_PIPELINE = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    writing = Writing("array[i:i+4] = block, write_empty_chunks", partial(_write, tuning))
    readings = [replace(each, opened=_opened) for each in zarr_reads.readings(tuning == "default")]
    return Calls([writing], readings, [TableReading("group.attrs", zarr_reads.table)])


def _opened(path: Path) -> AbstractContextManager[zarr.Array]:
    with zarr.config.set(_PIPELINE):
        return zarr_reads.opened(path)


def _write(tuning: str, images: ImageSet, path: Path) -> None:
    codecs = {
        "fast": None,
        "balanced": BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),
        "small": ZstdCodec(level=9),
    }
    settings: dict[str, Any] = {}
    if tuning != "default":
        settings = {
            "chunks": (1, *images.shapes[0]),
            "compressors": codecs[tuning],
            "config": {"write_empty_chunks": True},
        }
    with zarr.config.set(_PIPELINE):
        zarr_reads.write(images, path, {"default": None, "fast": 1}.get(tuning, 4), settings)
