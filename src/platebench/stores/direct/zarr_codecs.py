"""Zarr with image codecs, through zarr-python and imagecodecs alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from platebench.images.imageset import ImageSet
from platebench.stores.direct import zarr_reads
from platebench.stores.direct.calls import Calls, TableReading, Writing
from platebench.stores.zarr_codecs import CANDIDATES


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    writing = Writing("array[i:i+4] = block", partial(_write, layout, tuning))
    return Calls(
        [writing], zarr_reads.readings(False), [TableReading("group.attrs", zarr_reads.table)]
    )


def _write(layout: str, tuning: str, images: ImageSet, path: Path) -> None:
    settings = {
        "chunks": (1, *images.shapes[0]),
        "serializer": CANDIDATES[layout].of(tuning).serializer,
        "compressors": None,
        "config": {"write_empty_chunks": True},
    }
    zarr_reads.write(images, path, 4, settings)
