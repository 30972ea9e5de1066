"""Cells instead of fields: cut a square around the centre of each object of a table.

A crop has all channels of its site: (channels, side, side), or (side, side) of one channel. It is
centred on its object's centre, rounded down, at pixel `side // 2`. Near an edge it is moved inwards
until it is inside the image, so every value is of the image and no row is left out; the object is
then off the middle. An image smaller than a crop is refused.

Images are cut site by site, in row order, so that one site is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from functools import cached_property, partial
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa

from platebench.errors import UserError
from platebench.images import links, tiff
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet, digest
from platebench.images.pool import in_order, processors
from platebench.images.set_profiles import CROP_SIDE
from platebench.images.site_channels import SITE_KEYS, codes_of, describe_site, uneven_sites

_FILE_COLUMNS = ("file", "filename", "file_path", "path")
"""Names for the column with a crop's file, of which the first is taken that a table has not."""

Stack = Sequence[np.ndarray]
"""The channels of a site, all of one shape (y, x) and dtype."""


class CroppedImages(ImageSet):
    """Crops of the sites of an image set, cut on access; the last site is kept.

    `table` has a row per crop, `site` int64 (n,) is the number of its site, ascending, and
    `corner` int64 (n, 2) its top row and left column there. `stack_of` returns the channels of a
    site; with several `processes` (None: one per processor) it is called in each.
    """

    def __init__(
        self,
        name: str,
        table: pa.Table,
        tables: Mapping[str, pa.Table],
        stack_of: Callable[[int], Stack],
        site: np.ndarray,
        corner: np.ndarray,
        processes: int | None = None,
    ) -> None:
        self.name = name
        self.table = table
        self.tables = tables
        self._stack_of = stack_of
        self._site, self._corner = site, corner
        self._processes = processes
        self._last: tuple[int, np.ndarray] = (-1, np.zeros(0))
        self.rows_without_image = 0
        """Rows of the table of objects that belong to no image, and are left out."""

    def pixels(self, row: int) -> np.ndarray:
        """Return crop `row`. Raises UserError if the image that it is cut from cannot be read."""
        site = int(self._site[row])
        if site != self._last[0]:
            self._last = site, _cut(self._stack_of, (site, self._corners_of(site)))
        return np.asarray(self._last[1][row - int(np.searchsorted(self._site, site))])

    def file(self, row: int) -> bytes:
        """Return crop `row` as a TIFF file of one page; channels are its samples."""
        return file_of(self.pixels(row))

    def digests(self) -> Sequence[str]:
        """Return the digest of every crop. All images are read for it, once."""
        return self._digests

    @cached_property
    def _digests(self) -> list[str]:
        return [digest(array) for array in self]

    def __iter__(self) -> Generator[np.ndarray]:
        """Yield all crops in row order. Sites are cut in `processes`, ahead of time."""
        sites = np.unique(self._site).tolist()
        tasks = ((site, self._corners_of(site)) for site in sites)
        processes = min(self._processes or processors(), max(1, len(sites)))
        with closing(in_order(partial(_cut, self._stack_of), tasks, processes)) as cut:
            for site, crops in zip(sites, cut, strict=True):
                self._last = site, crops
                yield from crops

    def _corners_of(self, site: int) -> np.ndarray:
        first, last = (np.searchsorted(self._site, site, side) for side in ("left", "right"))
        return np.asarray(self._corner[first:last])


def _cut(stack_of: Callable[[int], Stack], task: tuple[int, np.ndarray]) -> np.ndarray:
    """Return the crops of a site: (n, channels, side, side), or (n, side, side) of one channel."""
    site, corners = task
    stack = stack_of(site)
    side = CROP_SIDE
    crops = np.empty((len(corners), len(stack), side, side), stack[0].dtype)
    for channel, image in enumerate(stack):
        for number, (top, left) in enumerate(corners.tolist()):
            crops[number, channel] = image[top : top + side, left : left + side]
    return crops if len(stack) > 1 else crops[:, 0]


def corners_of(center_y: np.ndarray, center_x: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Return the top row and left column of crops, int64 (n, 2).

    `shapes` int64 (n, 2) or (2,) are heights and widths of the images.
    """
    centers = np.stack([np.floor(center_y), np.floor(center_x)], axis=1).astype(np.int64)
    return np.asarray(np.clip(centers - CROP_SIDE // 2, 0, shapes - CROP_SIDE))


def crop_shape(channels: int) -> tuple[int, ...]:
    """Return the shape of a crop of so many channels."""
    return (channels, CROP_SIDE, CROP_SIDE) if channels > 1 else (CROP_SIDE, CROP_SIDE)


def file_of(crop: np.ndarray) -> bytes:
    """Return a crop as an uncompressed TIFF file of one page."""
    if crop.dtype.kind != "u":
        return tiff.encode(crop, _axes(crop.shape))
    stored = crop.astype(crop.dtype.newbyteorder("<"), copy=False)
    return tiff.header_of(crop.shape, stored.dtype) + stored.tobytes()


def file_bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Return the length of `file_of` a crop of this shape and dtype."""
    return len(file_of(np.zeros(shape, dtype)))


def _axes(shape: tuple[int, ...]) -> str:
    return "SYX" if len(shape) > 2 else ""


def crops_of(images: ImageSet) -> CroppedImages:
    """Return the cells of an image set: one crop per row of its first table with centres.

    The rows are in the order of the images. The table itself is kept, without the rows that belong
    to no image (`rows_without_image`), with a column that names the file of each crop.

    Raises UserError if no table has centres, if no row of it belongs to an image, if sites differ
    in channels, or for an image that is smaller than a crop, or has more than two axes.
    """
    name, table, x, y = _table_with_centers(images)
    pairs = links.image_rows(table, images.table)
    if pairs.num_rows == 0:
        raise UserError(f"{images.name}: no row of table {name!r} belongs to an image")
    _refuse_uneven(images)
    stacks, object_row, stack_number = _grouped(pairs)
    sites = codes_of(images.table, SITE_KEYS)
    planes = codes_of(images.table, [*SITE_KEYS, "channel", "z"])
    for rows in stacks:
        if len(set(sites[list(rows)])) > 1 or len(set(planes[list(rows)])) < len(rows):
            first = describe_site(images.table.slice(rows[0], 1).to_pylist()[0])
            raise UserError(
                f"table {name!r}: a row belongs to {len(rows)} images, from {first} on, which are"
                " not the channels of one site; add keys such as site and frame"
            )
        _require_croppable(images, rows)
    order = np.argsort(stack_number, kind="stable")
    object_row, stack_number = object_row[order], stack_number[order]
    kept = table.take(pa.array(object_row))
    shapes = np.array([images.shapes[rows[0]] for rows in stacks])[stack_number]
    corner = _corners_in(kept, x, y, shapes, name)
    number = np.arange(len(kept)) - np.searchsorted(stack_number, stack_number) + 1
    table_of_crops = _image_table(images, stacks, stack_number, number)
    files = [PurePosixPath(path).name for path in table_of_crops["path"].to_pylist()]
    column = next(each for each in _FILE_COLUMNS if each not in kept.column_names)
    crops = CroppedImages(
        f"{images.name}-crops",
        table_of_crops,
        {name: kept.append_column(column, pa.array(files))},
        partial(_stack_of, images, stacks),
        stack_number,
        corner,
        processes=1,  # readers of files may have threads, which do not survive a fork
    )
    crops.rows_without_image = len(table) - len(kept)
    return crops


def _stack_of(images: ImageSet, stacks: list[tuple[int, ...]], number: int) -> Stack:
    return [images.pixels(row) for row in stacks[number]]


def _table_with_centers(images: ImageSet) -> tuple[str, pa.Table, str, str]:
    """Return the first table with centres that has a key of an image, and their columns."""
    for name in images.tables:
        table = images.tables[name]
        found = center_columns(table.column_names)
        if found is not None and links.key_columns(table, images.table):
            return name, table, *found
    raise UserError(
        f"{images.name}: no table gives the centres of cells; add a CSV file with the columns"
        " center_x and center_y and keys such as well and site, or CH5 files with objects"
    )


def center_columns(names: Sequence[str]) -> tuple[str, str] | None:
    """Return the columns with x and y of the objects' centres in pixels, or None.

    They end in `center_x`, `centre_x` or `centroid_x`, whatever their case; CellProfiler's
    `Location_Center_X` and CellH5's `center_x` are such.
    """
    known = {name.casefold(): name for name in names}
    for x, name in known.items():
        if x.endswith(("center_x", "centre_x", "centroid_x")) and f"{x[:-1]}y" in known:
            return name, known[f"{x[:-1]}y"]
    return None


def _refuse_uneven(images: ImageSet) -> None:
    uneven = uneven_sites(images.table)
    if uneven is not None:
        raise UserError(f"{images.name}: {uneven}; a crop has all channels of its site")


def _grouped(pairs: pa.Table) -> tuple[list[tuple[int, ...]], np.ndarray, np.ndarray]:
    """Return the stacks, each the rows of its images; and per object its row and its stack.

    Stacks are numbered in the order of their first images.
    """
    objects, rows = (pairs[name].to_numpy() for name in ("table_row", "image_row"))
    each, first = np.unique(objects, return_index=True)
    parts = np.split(rows, first[1:])
    of_object = [tuple(part.tolist()) for part in parts]
    stacks = sorted(set(of_object))
    numbers = {stack: number for number, stack in enumerate(stacks)}
    return stacks, each, np.array([numbers[stack] for stack in of_object], np.int64)


def _require_croppable(images: ImageSet, rows: tuple[int, ...]) -> None:
    """Raise UserError unless images are (y, x), alike, and no smaller than a crop."""
    path = images.table["path"][rows[0]].as_py()
    shape, dtype = images.shapes[rows[0]], images.dtypes[rows[0]]
    if len(shape) != 2:
        raise UserError(f"{path}: has shape {shape}; crops are cut from images (y, x)")
    if min(shape) < CROP_SIDE:
        raise UserError(
            f"{path}: is {shape[0]} x {shape[1]}, smaller than a crop of {CROP_SIDE} x {CROP_SIDE};"
            " leave out this image"
        )
    other = next(
        (row for row in rows if images.shapes[row] != shape or images.dtypes[row] != dtype), None
    )
    if other is not None:
        raise UserError(
            f"{images.table['path'][other].as_py()}: has another shape or dtype than {path}, which"
            " is of the same site; a crop has all channels of its site"
        )


def _corners_in(table: pa.Table, x: str, y: str, shapes: np.ndarray, name: str) -> np.ndarray:
    try:
        centers = [table[column].cast(pa.float64()).to_numpy() for column in (y, x)]
    except pa.ArrowException as error:
        raise UserError(f"table {name!r}: columns {x!r} and {y!r} are not numbers") from error
    inside = [
        (center >= 0) & (center < side) for center, side in zip(centers, shapes.T, strict=True)
    ]
    wrong = np.flatnonzero(~(inside[0] & inside[1]))
    if len(wrong):
        row = int(wrong[0])
        raise UserError(
            f"table {name!r}: {x} {centers[1][row]:g}, {y} {centers[0][row]:g} is no place in an"
            f" image of {shapes[row][0]} x {shapes[row][1]}; give centres in pixels"
        )
    return corners_of(centers[0], centers[1], shapes)


def _image_table(
    images: ImageSet, stacks: list[tuple[int, ...]], stack: np.ndarray, number: np.ndarray
) -> pa.Table:
    """Return the table of crops: keys of the first image of each stack, and a path per crop."""
    first = [rows[0] for rows in stacks]
    paths = images.table["path"].take(pa.array(first)).to_pylist()
    stems = [str(PurePosixPath(path).with_suffix("")).replace("/", "_") for path in paths]
    keys = images.table.take(pa.array(first)).take(pa.array(stack))
    several = np.array([len(rows) > 1 for rows in stacks])[stack]
    shapes = [crop_shape(len(rows)) for rows in stacks]
    dtypes = [images.dtypes[row] for row in first]
    sizes = [file_bytes(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    columns = {
        "row": np.arange(len(stack)),
        "path": [f"{stems[at]}_cell{each:04d}.tif" for at, each in zip(stack, number, strict=True)],
        "filesize_bytes": np.array(sizes)[stack],
        "shape": [shapes[at] for at in stack],
        "dtype": [dtypes[at].newbyteorder("<").str for at in stack],
    }
    columns |= {key: keys[key] for key in ("plate", "well", "site", "frame")}
    for key in ("channel", "z"):
        columns[key] = [
            None if many else value
            for many, value in zip(several, keys[key].to_pylist(), strict=True)
        ]
    arrays = [
        column.combine_chunks() if isinstance(column, pa.ChunkedArray) else pa.array(column)
        for column in (columns[field.name] for field in IMAGE_SCHEMA)
    ]
    typed = [array.cast(field.type) for array, field in zip(arrays, IMAGE_SCHEMA, strict=True)]
    return pa.Table.from_arrays(typed, schema=IMAGE_SCHEMA)
