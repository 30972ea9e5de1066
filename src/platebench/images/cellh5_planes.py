"""Read the planes of CellH5 files as images.

Sizes that a file claims are checked before memory is allocated. Links to other files are not
followed: a position belongs to the file that stores it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from platebench.errors import UserError
from platebench.images import tiff
from platebench.images.names import Place
from platebench.limits import gigabytes, refuse_larger_than_memory

LINKED = "linked position"
"""Reason for leaving out a position that is stored elsewhere, in this or in another file."""

IMAGES = "/image/channel"
"""The dataset of a position's images, below its group."""

_MOST_CHANNELS = 1000


@dataclass(frozen=True)
class Plane:
    """One written plane of a CH5 file, as an image of an image set.

    `path` is the file's path below the image set's folder, followed by the plane's path in it.
    """

    file_path: Path
    dataset: str
    index: tuple[int, int, int]
    path: str
    place: Place
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def changes_with(self) -> Path:
        """The file."""
        return self.file_path

    @property
    def is_file(self) -> bool:
        """False: a CH5 file is never the TIFF file of one image."""
        return False

    @property
    def filesize(self) -> int:
        """Size in bytes of the plane encoded as a TIFF file, as the layout `tiff` stores it."""
        return tiff.encoded_size(self.shape, self.dtype)

    def pixels(self) -> np.ndarray:
        """Return the plane, (y, x), in native byte order."""
        try:
            with h5py.File(self.file_path, "r") as file:
                plane = np.ascontiguousarray(file[self.dataset][self.index], dtype=self.dtype)
        except Exception as error:
            # On damaged bytes, HDF5 may raise any exception.
            raise UserError(
                f"{self.file_path}: cannot read {self.path} ({_line(error)})"
            ) from error
        if plane.shape != self.shape:
            raise UserError(f"{self.file_path}: {self.path} changed while in use; run again")
        return plane

    def file(self) -> bytes:
        """Return the plane as an uncompressed TIFF file."""
        return tiff.encode(self.pixels())


def planes_of(
    path: Path, relative: str, leave_out: Callable[[str, str], None] = lambda name, why: None
) -> list[Plane]:
    """Return every written plane of a CH5 file, channel by channel, in time order.

    `relative` is the file's path below the image set's folder. `leave_out` is called with the path
    and the reason for each position that is a link to another file or to a position already read.

    Raises UserError if the file is not HDF5, has no /sample, has neither a written plane nor a
    link, has images that are neither integers nor floats, or claims more data than it has.
    """
    linked: list[str] = []
    try:
        with h5py.File(path, "r") as file:
            if "sample" not in file:
                raise UserError(f"{path}: not a CellH5 file; it has no group /sample")
            channels = _channel_names(file)
            planes = [
                plane
                for images in _Walk(file, linked).images()
                for plane in _written(path, images, relative, channels)
            ]
    except UserError:
        raise
    except Exception as error:
        # On damaged bytes, HDF5 and h5py may raise any exception.
        raise UserError(f"{path}: not a readable HDF5 file ({_line(error)})") from error
    if not planes and not linked:
        raise UserError(f"{path}: contains no written image")
    for name in linked:
        leave_out(f"{relative}{name}", LINKED)
    return planes


def positions_of(file: h5py.File) -> Iterator[tuple[str, Place]]:
    """Yield the path in the file, and the place, of every position whose images the file stores."""
    for images in _Walk(file, []).images():
        yield images.name.removesuffix(IMAGES), images.place


@dataclass(frozen=True)
class _Images:
    """Image dataset of a position, and its path in the file."""

    name: str
    place: Place
    data: h5py.Dataset
    is_linked: bool


class _Walk:
    """Find each image dataset of a file once; `linked` collects links to data stored elsewhere."""

    def __init__(self, file: h5py.File, linked: list[str]) -> None:
        self._file = file
        self._linked = linked
        self._seen: set[tuple[int, ...]] = set()
        self._soft: list[str] = []

    def images(self) -> Iterator[_Images]:
        """Yield the image dataset of every position, by its path without links."""
        found = sorted(self._all(), key=lambda images: images.is_linked)
        for images in found:
            # h5o.get_info also measures the chunk index; HDF5 2.0 crashes if that is damaged.
            address = h5py.h5g.get_objinfo(images.data.id).objno
            if address in self._seen:
                self._linked.append(images.name)
            else:
                self._seen.add(address)
                yield images

    def _all(self) -> Iterator[_Images]:
        top = self._follow(self._file, "", ("sample", "0", "plate"))
        for plate, wells in self._members(top, "/sample/0/plate", "experiment"):
            here = f"/sample/0/plate/{plate}/experiment"
            for well, sites in self._members(wells, here, "position"):
                there = f"{here}/{well}/position"
                for site, position in self._members(sites, there):
                    name = f"{there}/{site}{IMAGES}"
                    # Raises for a name that is not UTF-8; the file is then refused.
                    name.encode()
                    data = self._follow(position, f"{there}/{site}", ("image", "channel"))
                    if isinstance(data, h5py.Dataset):
                        place = Place(plate, well.lstrip("0") or well, site)
                        yield _Images(name, place, data, name.startswith(tuple(self._soft)))

    def _members(
        self, group: object, path: str, inner: str | None = None
    ) -> Iterator[tuple[str, object]]:
        """Yield name and group of each subgroup, or of the group `inner` in each subgroup."""
        if isinstance(group, h5py.Group):
            for name in group:
                found = self._follow(group, path, (name, inner) if inner else (name,))
                if isinstance(found, h5py.Group):
                    yield name, found

    def _follow(self, group: Any, path: str, names: tuple[str, ...]) -> object:
        """Return the object at a path below a group; None if it is missing or in another file."""
        for name in names:
            path = f"{path}/{name}"
            if not isinstance(group, h5py.Group):
                return None
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                self._linked.append(path)
                return None
            if isinstance(link, h5py.SoftLink):
                self._soft.append(path)
            try:
                group = group.get(name)
            except (RuntimeError, KeyError):
                if not isinstance(link, h5py.SoftLink):
                    raise
                group = None
            leads_away = group is not None and group.file.filename != self._file.filename
            if leads_away or (group is None and isinstance(link, h5py.SoftLink)):
                self._linked.append(path)
                return None
        return group


def _channel_names(file: h5py.File) -> list[str]:
    """Return the channel names in /definition/image/channel; an empty list if unreadable."""
    try:
        table = file.get("definition/image/channel")
        if not isinstance(table, h5py.Dataset) or table.ndim != 1:
            return []
        if "channel_name" not in (table.dtype.names or ()) or len(table) > _MOST_CHANNELS:
            return []
        names = table["channel_name"].tolist()
        return [name.decode() if isinstance(name, bytes) else "" for name in names]
    except (OSError, ValueError, TypeError, KeyError, RuntimeError):
        # Channel names are optional: images stay readable when the names are damaged.
        return []


def _written(path: Path, images: _Images, relative: str, names: list[str]) -> Iterator[Plane]:
    """Yield the planes of a dataset that are marked as written."""
    channels, _, slices, height, width = _checked_shape(path, images)
    frames = _valid_frames(path, images)
    size = images.data.id.get_storage_size()
    if channels * len(frames) * slices > size:
        raise UserError(
            f"{path}: {images.name} claims {channels * len(frames) * slices:,} planes,"
            f" but stores {size} bytes"
        )
    for channel in range(channels):
        name = names[channel] if channel < len(names) and names[channel] else str(channel)
        for frame in frames:
            for depth in range(slices):
                yield Plane(
                    file_path=path,
                    dataset=images.name,
                    index=(channel, frame, depth),
                    path=f"{relative}{images.name}/{channel}/{frame}/{depth}",
                    place=images.place._replace(frame=frame, channel=name, z=depth),
                    shape=(height, width),
                    dtype=images.data.dtype.newbyteorder("="),
                )


def _checked_shape(path: Path, images: _Images) -> tuple[int, ...]:
    """Return the shape (c, t, z, y, x). Raises UserError if it cannot be read as images."""
    data = images.data
    if data.dtype.kind not in "uif":
        raise UserError(f"{path}: {images.name} has dtype {data.dtype}, not integers or floats")
    if data.shape is None or data.ndim != 5:
        raise UserError(f"{path}: {images.name} has shape {data.shape}, not (c, t, z, y, x)")
    if 0 in data.shape[3:]:
        raise UserError(f"{path}: {images.name} has images without pixels: {data.shape[3:]}")
    if data.external or data.is_virtual:
        raise UserError(f"{path}: {images.name} stores its pixels in other files; name those")
    most = max(np.prod(part, dtype=object) for part in (data.shape[3:], data.chunks or (1,)))
    refuse_larger_than_memory(f"{path}: {images.name}", int(most) * data.dtype.itemsize)
    if data.chunks is None and data.id.get_storage_size() not in (0, data.nbytes):
        raise UserError(f"{path}: {images.name} claims {gigabytes(data.nbytes)} but stores less")
    return tuple(int(side) for side in data.shape)


def _valid_frames(path: Path, images: _Images) -> list[int]:
    """Return the written frames: those marked in the attribute `valid`, or all without it."""
    frames = images.data.shape[1]
    try:
        valid = images.data.attrs.get("valid")
        marks = None if valid is None else np.ravel(np.asarray(valid, np.float64))
    except (ValueError, TypeError, OSError, KeyError, RuntimeError) as error:
        raise UserError(f"{path}: {images.name}: attribute `valid` is not numeric") from error
    if marks is None:
        if frames > images.data.id.get_storage_size():
            raise UserError(f"{path}: {images.name} claims {frames:,} frames but has fewer bytes")
        return list(range(frames))
    if len(marks) != frames:
        raise UserError(
            f"{path}: {images.name} has {frames} frames, but `valid` has {len(marks)} values"
        )
    return [int(frame) for frame in np.flatnonzero(marks)]


def _line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0][:200] or type(error).__name__
