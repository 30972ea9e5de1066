"""OME-Zarr 0.5 plates, written by ngff-zarr and read by zarr-python.

- On disk, each plate is a Zarr group `<plate>.ome.zarr` with a group per row, well and field, as
  OME-NGFF's HCS layout has it. A field is an array of (t, c, z, y, x) and smaller copies of it.
- One image is `zarr.open_array(".../<plate>.ome.zarr/B/3/0/scale0/image")[t, c, z]`.
  Which image lies where is in the attributes of the folder's group.
- A random row costs the metadata of its field (a file) and its chunks: with `default` 24 of them.
- It keeps no versions, and a plate of 384 wells is at least 2,000 small files before its pixels.
- napari (napari-ome-zarr), Fiji (MoBIE), OMERO, QuPath, Vizarr and Neuroglancer open it.
- Its document: https://ngff.openmicroscopy.org/0.5/

The tunings:

- `default`: ngff-zarr's quick start: `to_multiscales(image)` and `HCSPlateWriter`. Chunks are 256
  by 256, compressed by Zstandard. Smaller copies are made with a Gaussian filter in WebAssembly,
  which is compiled once per machine (half a minute) and then takes 0.4 s per image. Images are
  read by `array[t, c, z]`.
- `fast`: one image per chunk, uncompressed, and no smaller copies.
- `balanced`: one image per chunk, Blosc's LZ4 after a bit shuffle, and no smaller copies.
- `small`: as `balanced`, with Zstandard level 9.

Smaller copies let a viewer show a whole plate at once. They cost a third of the bytes and five
times the time to write, even by local mean (`bitshuffle-lz4-pyramid` among the candidates: 0.56 of
the raw size for 0.42). Reading an image takes as long with them.

Wells named like B03 lie in row B and column 3; others are laid out in the order of their images.
Images that differ in shape or dtype are in fields of their own, so mixed sets are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import dask.array
import ngff_zarr
import numpy as np
import pyarrow as pa
import zarr
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.core.buffer import default_buffer_prototype

from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenByRow, OpenStore, Store, check_rows, copied_into
from platebench.stores.crops import Crop
from platebench.stores.ome_plates import Field, Plate, paths_of, plates_of
from platebench.stores.tables import StoredTables
from platebench.stores.variants import Variants
from platebench.stores.zarr_images import IMAGES, read_images_table, zarr_tables

FIELDS = "fields"
"""The attribute with the path of each image's field and its place: see `paths_of`."""

VERSION = "0.5"
LARGEST = "scale0/image"
"""The array of a field's full resolution, as ngff-zarr names it."""

SMALLEST_SIDE = 128
"""Copies are made until a side is shorter than this many pixels: ngff-zarr's default."""

OPEN_FIELDS = 256
"""Arrays that stay open."""


@dataclass(frozen=True)
class Settings:
    """How fields are written. `compressors` are Zarr's codecs; `pyramid` makes smaller copies."""

    quick_start: bool = False
    compressors: tuple[Any, ...] = ()
    pyramid: bool = False


def _blosc(name: str, level: int, pyramid: bool = False) -> Settings:
    return Settings(False, (BloscCodec(cname=name, clevel=level, shuffle="bitshuffle"),), pyramid)


CANDIDATES: Mapping[str, Variants[Settings]] = {
    "tensor": Variants(
        {
            "default": Settings(quick_start=True),
            "uncompressed": Settings(),
            "uncompressed-pyramid": Settings(pyramid=True),
            "bitshuffle-lz4": _blosc("lz4", 5),
            "bitshuffle-lz4-pyramid": _blosc("lz4", 5, pyramid=True),
            "zstd-1": Settings(compressors=(ZstdCodec(level=1),)),
            "zstd-9": Settings(compressors=(ZstdCodec(level=9),)),
        },
        {
            "default": "default",
            "fast": "uncompressed",
            "balanced": "bitshuffle-lz4",
            "small": "zstd-9",
        },
    )
}


class OmeZarr(Store):
    """A folder of OME-Zarr plates."""

    format = "ome-zarr"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tensor": {
            "Python": """
import zarr
field, at = zarr.open_group(place, mode="r").attrs["fields"][0]
print(zarr.open_array(f"{place}/{field}/scale0/image", mode="r")[tuple(at)])
""",
            "Fiji": "Plugins > BigDataViewer > MoBIE > Open > Open HCS Dataset, then name a plate.",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one field after another, plane by plane."""
        plates = plates_of(images)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        attributes = {IMAGES: images.table.to_pylist(), FIELDS: paths_of(plates)}
        zarr.create_group(path, attributes=attributes)
        planes = _Planes(images)
        for plate in plates:
            self._write_plate(plate, planes, path / plate.group)
        tables.write(images.tables)

    def open(self, path: Path) -> OpenStore:
        """Open the folder's group; fields are opened when they are needed."""
        opened = _OpenIndexed if self._settings.quick_start else _OpenInto
        return opened(path).with_tables(self.tables_at(path))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep one Zarr array for each column, beside the plates."""
        return zarr_tables(path, self.tuning)

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)

    def _write_plate(self, plate: Plate, planes: _Planes, path: Path) -> None:
        described = ngff_zarr.Plate(
            rows=[ngff_zarr.PlateRow(name) for name in plate.rows],
            columns=[ngff_zarr.PlateColumn(name) for name in plate.columns],
            wells=[
                ngff_zarr.PlateWell(
                    well.path, plate.rows.index(well.row), plate.columns.index(well.column)
                )
                for well in plate.wells
            ],
            name=plate.name,
            field_count=max(len(well.fields) for well in plate.wells),
            version=VERSION,
        )
        with ngff_zarr.HCSPlateWriter(path, described) as writer:
            for well in plate.wells:
                for number, field in enumerate(well.fields):
                    writer.write_well_image(
                        self._pyramid(field, planes), well.row, well.column, number, **self._codecs
                    )

    @property
    def _codecs(self) -> dict[str, Any]:
        if self._settings.quick_start:
            return {}
        return {"compressors": list(self._settings.compressors)}

    def _pyramid(self, field: Field, planes: _Planes) -> Any:
        """Describe a field, whose planes are read when they are written."""
        image = ngff_zarr.to_ngff_image(planes.array(field), dims=["t", "c", "z", "y", "x"])
        if self._settings.quick_start:
            return ngff_zarr.to_multiscales(image, cache=False)
        chunks = dict(zip("tczyx", (1, 1, *_volume(field)), strict=True))
        return ngff_zarr.to_multiscales(
            image,
            scale_factors=_factors(field) if self._settings.pyramid else [],
            method=ngff_zarr.Methods.DASK_BIN_SHRINK,
            chunks=chunks,
            cache=False,
        )


def _volume(field: Field) -> tuple[int, ...]:
    """Return an image's shape as (z, y, x)."""
    return (1,) * (3 - len(field.shape)) + field.shape


def _factors(field: Field) -> list[dict[str, int]]:
    """Return the factors of the copies: 2, 4 and so on, in y and x."""
    factors, factor = [], 2
    while min(field.shape[-2:]) // factor >= SMALLEST_SIDE:
        factors.append({"z": 1, "y": factor, "x": factor})
        factor *= 2
    return factors


class _Planes:
    """The images as lazy arrays. They are read one at a time, by whatever thread."""

    def __init__(self, images: ImageSet) -> None:
        self._images = images
        self._one_at_a_time = threading.Lock()

    def array(self, field: Field) -> dask.array.Array:
        """Return the array of a field: (t, c, z, y, x)."""
        volume = _volume(field)
        blocks: Any = np.empty(field.grid, object)
        for place in field.rows:
            read = partial(self._read, field.rows[place], volume)
            lazy = dask.delayed(read, pure=False)()
            blocks[place] = dask.array.from_delayed(lazy, volume, field.dtype)
        rows = [
            dask.array.stack([dask.array.concatenate(list(depths)) for depths in channels])
            for channels in blocks
        ]
        return dask.array.stack(rows)

    def _read(self, row: int, volume: tuple[int, ...]) -> np.ndarray:
        with self._one_at_a_time:
            return self._images.pixels(row).reshape(volume)


class _OpenFields(OpenByRow):
    """The attributes of the folder, and fields that stay open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fields: dict[str, zarr.Array] = {}

    @cached_property
    def _places(self) -> list[tuple[str, tuple[int, ...]]]:
        places: list[Any] = zarr.open_group(self._path, mode="r").attrs[FIELDS]
        return [(field, tuple(place)) for field, place in places]

    def __len__(self) -> int:
        return len(self._places)

    def table(self) -> pa.Table:
        return read_images_table(self._path)

    def _at(self, row: int) -> tuple[zarr.Array, tuple[Any, ...], tuple[int, ...]]:
        """Return the array of an image's field, its place there, and its shape."""
        field, place = self._places[row]
        if field not in self._fields:
            if len(self._fields) >= OPEN_FIELDS:
                self._fields.clear()
            self._fields[field] = zarr.open_array(self._path / field / LARGEST, mode="r")
        array = self._fields[field]
        return array, place, array.shape[len(place) :]

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read the chunks that hold a crop, one crop after another."""
        check_rows([crop.row for crop in crops], len(self))
        return copied_into(memory, map(self._crop, crops))

    def _crop(self, crop: Crop) -> np.ndarray:
        array, place, shape = self._at(crop.row)
        return np.asarray(array[(*place, *crop.index(shape))])


class _OpenIndexed(_OpenFields):
    """Images by `array[t, c, z]`."""

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        for row in rows:
            array, place, _ = self._at(row)
            yield np.asarray(array[place])


class _OpenInto(_OpenFields):
    """Images by `get_basic_selection(out=)`, straight into memory."""

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return self._images(rows, None)

    def decoded_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        return self._images(rows, memory)

    def _images(self, rows: Sequence[int], memory: np.ndarray | None) -> Iterator[np.ndarray]:
        for row in rows:
            array, place, shape = self._at(row)
            size = int(np.prod(shape)) * array.dtype.itemsize
            place_of = np.empty(size, np.uint8) if memory is None else memory[:size]
            image = place_of.view(array.dtype).reshape(shape)
            buffer = default_buffer_prototype().nd_buffer.from_numpy_array(image)
            array.get_basic_selection(place, out=buffer)
            yield image
