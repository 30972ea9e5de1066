"""An index over TIFF files that are there already: virtual references, which zarr reads.

- On disk, the TIFF files stay as they are. `references.json` (kerchunk's format, 80 bytes a strip)
  says in which file, at which offset and how long each strip is, and makes one Zarr array of
  (images, height, width) of them all. No pixel is copied into it.
- One image is `zarr.open_array(store, path="images")[i]`, with VirtualiZarr's `ManifestStore`.
- A random row costs one read per strip, of known offset and size; no TIFF header is read. Opening
  costs parsing the whole index.
- It cannot hold files of different shapes, dtypes, compressions or strips, or files of several
  pages, and it breaks when a file is moved or written anew. Nor can it hold files whose last strip
  has fewer rows than the others, as compressed files of microscopes often have: those of an
  ImageXpress (deflate, strips of 26 of 904 rows) must be converted.
- VirtualiZarr, kerchunk with fsspec, and xarray open the index; the files stay open to Fiji, napari
  and QuPath. The format's own document: https://fsspec.github.io/kerchunk/spec.html

What counts: the TIFF files are the sources of the index, and without them it is worth nothing. So
`write` first puts them in the folder `sources`, which a lab need not do, and both are in the bytes
stored, though the index alone is 0.0001 of them. Whoever asks "must I convert at all?" compares
the reads with those of `tiff-files:tiff:default`, and adds to a TIFF folder's write the index:
4 ms per file of one strip (VirtualiZarr 2.8). References are relative, so the folder can be moved.

Files are described by virtual-tiff, one after another, and put together by xarray, as VirtualiZarr
recommends. Images are read as `zarr:tensor:fast` does it: 16 per request. There is one tuning:
the files are what they are.

Tables that belong to the images are Arrow IPC files (see `arrow_tables`).
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import xarray
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtual_tiff import VirtualTIFF
from virtualizarr import open_virtual_dataset
from virtualizarr.parsers import KerchunkJSONParser
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores import csv_table
from platebench.stores.arrow_tables import ArrowTables
from platebench.stores.contract import (
    OpenByRow,
    OpenStore,
    Store,
    check_rows,
    copied_into,
    require_common_image,
)
from platebench.stores.crops import Crop
from platebench.stores.table_files import TABLES
from platebench.stores.tables import StoredTables
from platebench.stores.variants import Variants

IMAGES, INDEX, SOURCES, TABLE = "images", "references.json", "sources", "images.csv"

ROOT = "file:///"
"""The folder of the store in URLs, which cannot hold all characters that its path may have."""

AT_ONCE = 16
"""Images per request, as far as the reader's memory has room."""

CANDIDATES: Mapping[str, Variants[None]] = {
    "tiff": Variants({"files": None}, {"default": "files"}),
}


class TiffIndex(Store):
    """A folder with an index, and the TIFF files that it refers to."""

    format = "tiff-index"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tiff": {
            "Python": """
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr.parsers import KerchunkJSONParser
registry = ObjectStoreRegistry({"file:///": LocalStore(prefix=place)})
store = KerchunkJSONParser(fs_root="file:///")("file:///references.json", registry)
print(zarr.open_array(store, path="images", mode="r")[0])
""",
            "R": """
tiff::readTIFF(paste0(place, "/sources/000000.tif"), as.is = TRUE)
""",
            "Fiji": "File > Import > Image Sequence, then name the folder `sources`.",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Put the files in the folder, and write the index of their strips.

        Raises Unsupported for files that one Zarr array cannot describe; then nothing stays.
        """
        _, dtype = require_common_image(images, self.layout)
        if dtype.kind not in "uif":  # async-tiff 0.7 panics where a file has no BitsPerSample
            raise Unsupported(f"virtual-tiff cannot describe images of {dtype}")
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        path.mkdir(parents=True)
        try:
            _write_index(images, path)
        except BaseException:
            shutil.rmtree(path)  # it did not exist before
            raise
        csv_table.write_table(images.table, path / TABLE)
        tables.write(images.tables)

    def open(self, path: Path) -> OpenStore:
        """Open the folder. The index is parsed when the first image is read."""
        return _OpenIndex(path).with_tables(self.tables_at(path))

    @property
    def keeps_files(self) -> bool:
        """True: the files are as they were."""
        return True

    def open_files(self, path: Path) -> OpenStore:
        """Open the folder for the bytes of its files, without the index."""
        return _OpenSources(path).with_tables(self.tables_at(path))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep each table as Arrow IPC files."""
        return ArrowTables(path / TABLES)


def _source(row: int) -> str:
    return f"{SOURCES}/{row:06d}.tif"


def _registry(path: Path) -> ObjectStoreRegistry:
    return ObjectStoreRegistry({ROOT: LocalStore(prefix=str(path.absolute()))})


def _write_index(images: ImageSet, path: Path) -> None:
    (path / SOURCES).mkdir()
    registry = _registry(path)
    described = []
    for row in range(len(images)):
        (path / _source(row)).write_bytes(images.file(row))
        one = _described(_source(row), registry)
        if one.sizes_of_image != (images.shapes[row], images.dtypes[row]):
            raise Unsupported(f"image {row} of {images.name}: Zarr gives a TIFF file another shape")
        described.append(one.dataset)
    try:
        whole = xarray.concat(
            described, "row", coords="minimal", compat="override", combine_attrs="override"
        )
    except (ValueError, NotImplementedError) as reason:
        raise Unsupported(f"one Zarr array cannot describe these TIFF files: {reason}") from reason
    whole.drop_attrs().vz.to_kerchunk(str(path / INDEX), format="json", zarr_format=3)
    _make_relative(path / INDEX)


class _Described:
    """What virtual-tiff says of a file: one array, whose chunks are the strips."""

    def __init__(self, dataset: xarray.Dataset) -> None:
        if list(dataset.variables) != ["0"]:
            raise Unsupported("the index has no place for TIFF files of several pages")
        self.dataset = dataset.rename({"0": IMAGES})
        array = dataset["0"]
        self.sizes_of_image = (array.shape, array.dtype)


def _described(source: str, registry: ObjectStoreRegistry) -> _Described:
    try:
        dataset = open_virtual_dataset(
            ROOT + source, registry=registry, parser=VirtualTIFF(), loadable_variables=[]
        )
    except (ValueError, NotImplementedError) as reason:
        raise Unsupported(f"virtual-tiff cannot describe {source}: {reason}") from reason
    return _Described(dataset)


def _make_relative(index: Path) -> None:
    """Write the index again with paths that begin in its folder."""
    whole = json.loads(index.read_text())
    for reference in whole["refs"].values():
        if isinstance(reference, list):
            reference[0] = reference[0].removeprefix(ROOT).lstrip("/")
    index.write_text(json.dumps(whole, separators=(",", ":")))


class _OpenIndex(OpenStore):
    """The Zarr array of all files."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _array(self) -> zarr.Array:
        parse = KerchunkJSONParser(fs_root=ROOT)
        return zarr.open_array(parse(ROOT + INDEX, _registry(self._path)), path=IMAGES, mode="r")

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def scan(self) -> Iterator[np.ndarray]:
        return self._gathered(range(len(self)))

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        check_rows(rows, len(self))
        return self._gathered(rows)

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        array = self._array
        shape, size = array.shape[1:], int(np.prod(array.shape[1:])) * array.dtype.itemsize
        block = max(1, min(AT_ONCE, memory.size // size))
        for first in range(0, len(self), block):
            images = min(block, len(self) - first)
            out = memory[: images * size].view(array.dtype).reshape(images, *shape)
            buffer = default_buffer_prototype().nd_buffer.from_numpy_array(out)
            array.get_basic_selection(slice(first, first + images), out=buffer)
            yield from out

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        check_rows([crop.row for crop in crops], len(self))
        shape = self._array.shape[1:]
        wanted = [(crop.row, *crop.index(shape)) for crop in crops]
        return copied_into(memory, self._gathered(wanted))

    def _gathered(self, wanted: Sequence[Any]) -> Iterator[np.ndarray]:
        for first in range(0, len(wanted), AT_ONCE):
            some = wanted[first : first + AT_ONCE]
            for image in sync(_gather([self._array.async_array.getitem(each) for each in some])):
                yield np.asarray(image)

    def table(self) -> pa.Table:
        return csv_table.read_table(self._path / TABLE)


async def _gather(reads: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    return await asyncio.gather(*reads)


class _OpenSources(OpenByRow):
    """The files, without the index."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __len__(self) -> int:
        return sum(1 for _ in (self._path / SOURCES).iterdir())

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return (np.fromfile(self._path / _source(row), np.uint8) for row in rows)

    def table(self) -> pa.Table:
        return csv_table.read_table(self._path / TABLE)
