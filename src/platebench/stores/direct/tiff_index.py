"""An index over TIFF files, through virtual-tiff, VirtualiZarr and zarr alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import xarray
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtual_tiff import VirtualTIFF
from virtualizarr import open_virtual_dataset
from virtualizarr.parsers import KerchunkJSONParser
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from platebench.images.imageset import ImageSet
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing
from platebench.stores.direct.tiff_files import read_csv, write_csv


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of the one store."""
    readings = [
        Reading("array[i]; array[i:i+16] into memory", _opened, _rows, _blocks),
        Reading("gather of getitem", _opened, _gathered),
    ]
    writing = Writing("open_virtual_dataset, xarray.concat, to_kerchunk", _write)
    return Calls([writing], readings, [TableReading("pyarrow.csv.read_csv", read_csv)])


def _registry(path: Path) -> ObjectStoreRegistry:
    return ObjectStoreRegistry({"file:///": LocalStore(prefix=str(path))})


def _opened(path: Path) -> AbstractContextManager[zarr.Array]:
    parse = KerchunkJSONParser(fs_root="file:///")
    store = parse("file:///references.json", _registry(path))
    return nullcontext(zarr.open_array(store, path="images", mode="r"))


def _rows(array: zarr.Array, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for row in rows:
        out[...] = array[row]
        yield out


def _blocks(array: zarr.Array, about: About, memory: np.ndarray) -> Images:
    for first in range(0, about.images, 16):
        out = about.block(memory, min(16, about.images - first))
        buffer = default_buffer_prototype().nd_buffer.from_numpy_array(out)
        array.get_basic_selection(slice(first, first + len(out)), out=buffer)
        yield from out


async def _all(waiting: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    return await asyncio.gather(*waiting)


def _gathered(array: zarr.Array, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    out = about.image(memory)
    for first in range(0, len(rows), 16):
        reads = [array.async_array.getitem(row) for row in rows[first : first + 16]]
        for image in sync(_all(reads)):
            out[...] = image
            yield out


def _write(images: ImageSet, path: Path) -> None:
    (path / "sources").mkdir(parents=True)
    registry = _registry(path)
    described = []
    for row in range(len(images)):
        name = f"sources/{row:06d}.tif"
        (path / name).write_bytes(images.file(row))
        dataset = open_virtual_dataset(
            f"file:///{name}", registry=registry, parser=VirtualTIFF(), loadable_variables=[]
        )
        described.append(dataset.rename({"0": "images"}))
    whole = xarray.concat(
        described, "row", coords="minimal", compat="override", combine_attrs="override"
    )
    index = path / "references.json"
    whole.drop_attrs().vz.to_kerchunk(str(index), format="json", zarr_format=3)
    references = json.loads(index.read_text())
    for reference in references["refs"].values():
        if isinstance(reference, list):
            reference[0] = reference[0].lstrip("/")
    index.write_text(json.dumps(references))
    write_csv(images, path)
