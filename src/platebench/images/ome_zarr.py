"""Read the planes of OME-Zarr images and plates (0.4 in Zarr 2, 0.5 in Zarr 3) as images.

Of each image, level 0 is taken. Smaller levels, labels and whatever else a group has are left out
by name. Chunks that are not there have the fill value, as in Zarr.

The metadata of a stranger are data: each file is read up to a size, no path leaves the folder, and
codecs that are not in `_CODECS` are refused before Zarr sees them (numcodecs has one that runs
pickles). Sizes that an array claims are checked before memory is allocated.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from platebench.errors import UserError
from platebench.images import tiff
from platebench.images.names import NOWHERE, Place
from platebench.limits import refuse_larger_than_memory

LEVEL, LABELS, OTHER = "pyramid level", "label image", "no image of the OME-Zarr"
"""Reasons for leaving something out."""

_KINDS = ("plate", "well", "multiscales", "bioformats2raw.layout")
_LARGEST = 2**24
"""Bytes of a file of metadata that are read at most."""

_MOST_PLANES = 10**6
"""Planes of an array. More than that is a mistake in its shape."""

_BLOCK = 2**26
"""Bytes of planes that share chunks, which are kept while successive ones are read."""

_AXES = "tczyx"
_CODECS = {
    *("bytes", "transpose", "sharding_indexed", "crc32c"),
    *("blosc", "gzip", "zlib", "zstd", "lz4", "bz2", "lzma", "delta", "shuffle"),
}


@dataclass(frozen=True)
class ZarrPlane:
    """One plane of level 0 of an OME-Zarr image, as an image of an image set.

    `path` is the folder's path below the image set's, followed by that of the array in it and the
    plane's index along the axes before y and x.
    """

    file_path: Path
    array: str
    index: tuple[int, ...]
    path: str
    place: Place
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def changes_with(self) -> Path:
        """The folder of the array."""
        return self.file_path / self.array

    @property
    def is_file(self) -> bool:
        """False: it is never the TIFF file of one image."""
        return False

    @property
    def filesize(self) -> int:
        """Size in bytes of the plane encoded as a TIFF file, as the layout `tiff` stores it."""
        return tiff.encoded_size(self.shape, self.dtype)

    def pixels(self) -> np.ndarray:
        """Return the plane, (y, x), in native byte order."""
        folder = self.changes_with
        try:
            opened = _opened(folder, _stamp(folder))
            if opened.shape[-2:] != self.shape or opened.ndim != len(self.index) + 2:
                raise UserError(f"{folder}: changed while in use; run again")
            plane = np.ascontiguousarray(_plane(folder, opened, self.index), dtype=self.dtype)
        except UserError:
            raise
        except Exception as error:  # on damaged chunks, codecs raise errors of their own
            raise UserError(
                f"{self.file_path}: cannot read {self.path} ({_line(error)})"
            ) from error
        return plane

    def file(self) -> bytes:
        """Return the plane as an uncompressed TIFF file."""
        return tiff.encode(self.pixels())


def is_ome_zarr(folder: Path) -> bool:
    """True if a folder is a group of Zarr with the metadata of an OME-Zarr image or plate.

    Raises UserError if its metadata cannot be read.
    """
    return any(kind in _attributes(folder) for kind in _KINDS)


def planes_of(
    folder: Path, relative: str, leave_out: Callable[[str, str], None] = lambda name, why: None
) -> list[ZarrPlane]:
    """Return every plane of the images below an OME-Zarr folder, image by image.

    `relative` is the folder's path below the image set's. `leave_out` is called with the path and
    the reason of what is not taken. Raises UserError, which names the folder, if an image cannot be
    read or claims impossible sizes.
    """
    return list(_Reader(folder, relative, leave_out).group("", NOWHERE))


@dataclass(frozen=True)
class _Reader:
    folder: Path
    relative: str
    leave_out: Callable[[str, str], None]

    def group(self, group: str, place: Place) -> Iterator[ZarrPlane]:
        """Yield the planes below a group, which has no name if it is the folder itself."""
        attributes = _attributes(self.folder / group)
        if "plate" in attributes:
            yield from self._plate(group, _object(self.folder, attributes["plate"], "plate"))
        elif "well" in attributes:
            yield from self._well(group, _object(self.folder, attributes["well"], "well"), place)
        elif "multiscales" in attributes:
            yield from self._image(group, attributes, place)
        elif "bioformats2raw.layout" in attributes:
            yield from self._series(group)
        else:
            raise UserError(f"{self.folder / group}: a group without an OME-Zarr image")

    def _plate(self, group: str, plate: Mapping[str, Any]) -> Iterator[ZarrPlane]:
        name = plate.get("name")
        named = name if isinstance(name, str) and name else self.folder.name.partition(".")[0]
        wells = [_path(self.folder, each) for each in _list(self.folder, plate, "wells")]
        self._others(group, {well.split("/")[0] for well in wells})
        for well in wells:
            place = NOWHERE._replace(plate=named, well="".join(well.split("/")))
            yield from self.group(_join(group, well), place)

    def _well(self, group: str, well: Mapping[str, Any], place: Place) -> Iterator[ZarrPlane]:
        images = [_path(self.folder, each) for each in _list(self.folder, well, "images")]
        self._others(group, {image.split("/")[0] for image in images})
        for image in images:
            yield from self.group(_join(group, image), place._replace(site=image))

    def _series(self, group: str) -> Iterator[ZarrPlane]:
        found = [
            each.name
            for each in sorted((self.folder / group).iterdir(), key=lambda each: _number(each.name))
            if each.is_dir() and "multiscales" in _attributes(each)
        ]
        if not found:
            raise UserError(f"{self.folder / group}: contains no image")
        self._others(group, set(found))
        for each in found:
            yield from self.group(_join(group, each), NOWHERE)

    def _image(
        self, group: str, attributes: Mapping[str, Any], place: Place
    ) -> Iterator[ZarrPlane]:
        scales = [
            (each, [_path(self.folder, level) for level in _list(self.folder, each, "datasets")])
            for each in _list(self.folder, attributes, "multiscales")
        ]
        if not scales or not scales[0][1]:
            raise UserError(f"{self.folder / group}: an image without a level")
        (first, levels), *others = scales
        for level in dict.fromkeys([*levels[1:], *(each for _, more in others for each in more)]):
            if level != levels[0]:
                self.leave_out(self._named(_join(group, level)), LEVEL)
        labels = _attributes(self.folder / group / "labels").get("labels")
        for label in labels if isinstance(labels, list) else []:
            self.leave_out(self._named(_join(group, f"labels/{label}")), LABELS)
        taken = {level.split("/")[0] for _, each in scales for level in each}
        self._others(group, taken | ({"labels"} if labels else set()))
        names = _channel_names(attributes)
        array = _join(group, levels[0])
        axes = _axes(self.folder / group, first)
        yield from self._planes(_array(self.folder / array), array, axes, names, place)

    def _planes(
        self, found: _Array, array: str, axes: str, names: Sequence[str], place: Place
    ) -> Iterator[ZarrPlane]:
        where = self.folder / array
        if len(found.shape) != len(axes):
            raise UserError(f"{where}: has {len(found.shape)} axes, its metadata name {axes!r}")
        leading = found.shape[:-2]
        if math.prod(leading) > _MOST_PLANES:
            raise UserError(f"{where}: claims {math.prod(leading):,} planes")
        plane = found.shape[-2:]
        largest = max(math.prod(plane), math.prod(found.chunks))
        refuse_larger_than_memory(str(where), largest * found.dtype.itemsize)
        for index in itertools.product(*map(range, leading)):
            every = dict(zip(axes[:-2], index, strict=True))
            at = {axis: every[axis] for axis, side in zip(every, leading, strict=True) if side > 1}
            number = every.get("c", 0)
            name = names[number] if number < len(names) and names[number] else None
            yield ZarrPlane(
                file_path=self.folder,
                array=array,
                index=index,
                path=self._named("/".join([array, *map(str, index)])),
                place=place._replace(
                    frame=at.get("t"),
                    channel=name or (str(at["c"]) if "c" in at else None),
                    z=at.get("z"),
                ),
                shape=plane,
                dtype=found.dtype,
            )

    def _others(self, group: str, known: set[str]) -> None:
        """Leave out the folders of a group that its metadata do not name."""
        place = self.folder / group
        for each in sorted(place.iterdir()) if place.is_dir() else []:
            if each.is_dir() and each.name not in known:
                self.leave_out(self._named(_join(group, each.name)), OTHER)

    def _named(self, path: str) -> str:
        return f"{self.relative}/{path}"


@dataclass(frozen=True)
class _Array:
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype


def _attributes(folder: Path) -> Mapping[str, Any]:
    """Return the OME metadata of a group: none of a folder that is no group."""
    third = _read(folder / "zarr.json")
    if third is not None:
        attributes = third.get("attributes") if third.get("node_type") == "group" else None
        ome = attributes.get("ome") if isinstance(attributes, dict) else None
        return ome if isinstance(ome, dict) else {}
    if not (folder / ".zgroup").is_file():
        return {}
    return _read(folder / ".zattrs") or {}


def _array(folder: Path) -> _Array:
    """Return what the metadata of an array claim. Raises UserError for what cannot be read."""
    try:
        third = _read(folder / "zarr.json")
        second = None if third is not None else _read(folder / ".zarray")
        if third is not None:
            _check_codecs(folder, third.get("codecs"))
            shape, dtype = third["shape"], third["data_type"]
            chunks = third["chunk_grid"]["configuration"]["chunk_shape"]
        elif second is not None:
            _check_codecs(folder, [second.get("compressor"), *(second.get("filters") or [])])
            shape, dtype, chunks = second["shape"], second["dtype"], second["chunks"]
        else:
            raise UserError(f"{folder}: no array of Zarr, though the metadata name it")
        found = _Array(_sizes(shape), _sizes(chunks), np.dtype(dtype).newbyteorder("="))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder}: damaged metadata ({_line(error)})") from error
    if found.dtype.kind not in "uif":
        raise UserError(f"{folder}: pixels of dtype {found.dtype}, not integers or floats")
    return found


def _sizes(sides: Any) -> tuple[int, ...]:
    if not isinstance(sides, list) or not all(type(side) is int and side > 0 for side in sides):
        raise ValueError(f"shape {str(sides)[:80]}")
    return tuple(sides)


def _check_codecs(folder: Path, codecs: Any) -> None:
    for codec in codecs if isinstance(codecs, list) else [codecs]:
        if codec is None:
            continue
        name = codec.get("name", codec.get("id")) if isinstance(codec, dict) else codec
        if str(name).removeprefix("numcodecs.") not in _CODECS:
            raise UserError(f"{folder}: codec {str(name)[:80]!r} is not read by platebench")
        inner = codec.get("configuration") if isinstance(codec, dict) else None
        for key in ("codecs", "index_codecs"):
            if isinstance(inner, dict) and key in inner:
                _check_codecs(folder, inner[key])


def _axes(folder: Path, multiscale: Mapping[str, Any]) -> str:
    """Return the axes as letters. Raises UserError unless they are some of t, c, z, and then yx."""
    told = multiscale.get("axes", list(_AXES))  # up to 0.2 there were always these five
    names = [each.get("name") if isinstance(each, dict) else each for each in told]
    axes = "".join(map(str, names))
    if not axes.endswith("yx") or len(set(axes)) != len(axes) or not set(axes) <= set(_AXES):
        raise UserError(f"{folder}: has axes {axes[:40]!r}; platebench reads t, c, z before y, x")
    return axes


def _channel_names(attributes: Mapping[str, Any]) -> list[str]:
    omero = attributes.get("omero")
    channels = omero.get("channels") if isinstance(omero, dict) else None
    labels = [
        each.get("label") if isinstance(each, dict) else None
        for each in (channels if isinstance(channels, list) else [])
    ]
    return [each if isinstance(each, str) else "" for each in labels]


def _list(folder: Path, found: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = found.get(key)
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise UserError(f"{folder}: damaged metadata ({key} is no list of objects)")
    return value


def _object(folder: Path, value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{folder}: damaged metadata ({key} is no object)")
    return value


def _path(folder: Path, found: Mapping[str, Any]) -> str:
    path = found.get("path")
    parts = path.split("/") if isinstance(path, str) else [""]
    if any(part in ("", ".", "..") or not part.isprintable() for part in parts):
        raise UserError(f"{folder}: damaged metadata (path {str(path)[:80]!r})")
    return "/".join(parts)


def _join(group: str, name: str) -> str:
    return f"{group}/{name}" if group else name


def _number(name: str) -> tuple[int, str]:
    return (int(name) if name.isascii() and name.isdigit() else 2**31, name)


def _read(file: Path) -> dict[str, Any] | None:
    """Return the object in a file of metadata; None if there is no such file."""
    try:
        if not file.is_file():
            return None
        if file.stat().st_size > _LARGEST:
            raise UserError(f"{file}: too large for metadata")
        read = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: damaged metadata ({_line(error)})") from error
    if not isinstance(read, dict):
        raise UserError(f"{file}: damaged metadata (no object)")
    return read


def _stamp(folder: Path) -> tuple[int, ...]:
    """Return the times of an array's metadata, which end the use of one that was kept open."""
    files = [folder / name for name in ("zarr.json", ".zarray")]
    return tuple(file.stat().st_mtime_ns for file in files if file.is_file())


@lru_cache(maxsize=2)
def _opened(folder: Path, stamp: tuple[int, ...]) -> Any:
    import zarr

    return zarr.open_array(str(folder), mode="r")


def _plane(folder: Path, opened: Any, index: tuple[int, ...]) -> np.ndarray:
    """Read a plane. Planes that share chunks are decoded together, up to `_BLOCK` bytes."""
    sides = opened.chunks[:-2]
    size = math.prod(sides) * math.prod(opened.shape[-2:]) * opened.dtype.itemsize
    if math.prod(sides) == 1 or size > _BLOCK:
        return np.asarray(opened[index])
    first = tuple(each - each % side for each, side in zip(index, sides, strict=True))
    block = _block(folder, _stamp(folder), first, tuple(sides))
    plane: np.ndarray = block[tuple(each - at for each, at in zip(index, first, strict=True))]
    return plane


@lru_cache(maxsize=1)
def _block(
    folder: Path, stamp: tuple[int, ...], first: tuple[int, ...], sides: tuple[int, ...]
) -> np.ndarray:
    opened = _opened(folder, stamp)
    some = tuple(slice(at, at + side) for at, side in zip(first, sides, strict=True))
    return np.asarray(opened[some])


def _line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0][:200] or type(error).__name__
