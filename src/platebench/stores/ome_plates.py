"""Where each image of an image set lies in OME-Zarr plates: plate, well, field, and place in it.

A plate has rows (A, B, ...) and columns of wells, a well has fields, and a field is one array of
(t, c, z, y, x). So images of one plate, well and site share an array if their shape and dtype are
the same. Their frames, channels and z positions are its axes if they make a full grid; otherwise
they follow each other in time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet

_WELL = re.compile(r"([A-Za-z]{1,2})[-_]?(\d{1,3})")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")

COLUMNS = 24
"""Columns of a plate whose wells are not named after rows and columns; its rows are 16 or more."""

Place = tuple[int, int, int]
"""The place of an image in its field: t, c, z."""


@dataclass
class Field:
    """One array: the path of its group, its length in t, c and z, and the image at each place."""

    path: str
    grid: Place
    rows: dict[Place, int]
    shape: tuple[int, ...]
    dtype: np.dtype
    channels: list[str]


@dataclass
class Well:
    """A well: its row and column on the plate, and its fields."""

    row: str
    column: str
    fields: list[Field]

    @property
    def path(self) -> str:
        """The path of its group below the plate."""
        return f"{self.row}/{self.column}"


@dataclass
class Plate:
    """A plate: its name, the name of its group, and its wells."""

    name: str
    group: str
    wells: list[Well]

    @property
    def rows(self) -> list[str]:
        """The names of its rows, A first."""
        return sorted({well.row for well in self.wells}, key=lambda name: (len(name), name))

    @property
    def columns(self) -> list[str]:
        """The names of its columns, 1 first."""
        return sorted({well.column for well in self.wells}, key=int)


def plates_of(images: ImageSet) -> list[Plate]:
    """Return the plates of an image set.

    Raises Unsupported for images that are neither (y, x) nor (z, y, x), or have no pixels.
    """
    for row, shape in enumerate(images.shapes):
        if len(shape) not in (2, 3) or 0 in shape:
            raise Unsupported(f"OME-Zarr holds no image of shape {shape}, as image {row} has")
    records = images.table.select(["plate", "well", "site", "frame", "channel", "z"]).to_pylist()
    plates: list[Plate] = []
    for name, rows in _grouped(range(len(images)), lambda row: records[row]["plate"] or ""):
        group = _group_name(name, {plate.group for plate in plates}, len(plates))
        plates.append(Plate(name or "plate", group, _wells(rows, records, images)))
    return plates


def paths_of(plates: Sequence[Plate]) -> list[tuple[str, tuple[int, ...]]]:
    """Return the path of each image's field and its place in it, in the order of the rows.

    The place is t, c and z; of an image that is a volume, t and c.
    """
    places = {
        row: (f"{plate.group}/{well.path}/{field.path}", place[: 5 - len(field.shape)])
        for plate in plates
        for well in plate.wells
        for field in well.fields
        for place, row in field.rows.items()
    }
    return [places[row] for row in range(len(places))]


def _wells(
    rows: Sequence[int], records: Sequence[Mapping[str, Any]], images: ImageSet
) -> list[Well]:
    groups = list(_grouped(rows, lambda row: records[row]["well"] or ""))
    named = [_WELL.fullmatch(name) for name, _ in groups]
    places = [(each[1].upper(), str(int(each[2]))) for each in named if each]
    if len(set(places)) < len(groups):  # in the order of the images, row by row
        places = [
            (_letters(number // COLUMNS), str(number % COLUMNS + 1))
            for number in range(len(groups))
        ]
    wells = []
    for (row, column), (_, of_well) in zip(places, groups, strict=True):
        fields: list[Field] = []
        for _, of_field in _grouped(
            of_well,
            lambda row: (records[row]["site"], images.shapes[row], images.dtypes[row].str),
        ):
            fields.append(_field(str(len(fields)), of_field, records, images))
        wells.append(Well(row, column, fields))
    return wells


def _field(
    path: str, rows: Sequence[int], records: Sequence[Mapping[str, Any]], images: ImageSet
) -> Field:
    shape, dtype = images.shapes[rows[0]], images.dtypes[rows[0]]
    frames, channels, depths = (
        list(dict.fromkeys(records[row][name] for row in rows))
        for name in ("frame", "channel", "z")
    )
    frames.sort(key=lambda frame: (frame is None, frame or 0))
    depths.sort(key=lambda depth: (depth is None, depth or 0))
    places = {
        (
            frames.index(records[row]["frame"]),
            channels.index(records[row]["channel"]),
            depths.index(records[row]["z"]),
        ): row
        for row in rows
    }
    grid = (len(frames), len(channels), len(depths))
    if len(places) < len(rows) or len(places) < int(np.prod(grid)) or (depths[1:] and shape[2:]):
        grid, channels = (len(rows), 1, 1), [None]
        places = {(number, 0, 0): row for number, row in enumerate(rows)}
    return Field(path, grid, places, shape, dtype, [str(name or "0") for name in channels])


def _grouped(rows: Sequence[int], key: Any) -> Iterator[tuple[Any, list[int]]]:
    groups: dict[Any, list[int]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return iter(groups.items())


def _letters(number: int) -> str:
    """Return the name of a row: A to Z, then AA."""
    before, last = divmod(number, 26)
    return (_letters(before - 1) if before else "") + chr(ord("A") + last)


def _group_name(name: str, taken: set[str], number: int) -> str:
    """Return the plate's name as that of a folder, or a numbered one if it is not fit for it."""
    fit = f"{name}.ome.zarr"
    return fit if _NAME.fullmatch(name) and fit not in taken else f"plate-{number}.ome.zarr"
