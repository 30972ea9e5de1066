"""An image set after some of its images were replaced or deleted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet


def with_rows(table: pa.Table, rows: Sequence[int], others: pa.Table) -> pa.Table:
    """Return the images' table with `rows` as `others` has them, but with their own row numbers."""
    numbers = table["row"].take(pa.array(rows, pa.int64()))
    others = others.set_column(0, IMAGE_SCHEMA.field("row"), numbers)
    places = np.arange(len(table))
    places[list(rows)] = len(table) + np.arange(len(rows))
    return pa.concat_tables([table, others]).take(places).combine_chunks()


class Replaced(ImageSet):
    """An image set with some images of another one, in place of its own at `rows`."""

    def __init__(self, source: ImageSet, rows: Sequence[int], images: ImageSet) -> None:
        check_replaced(source, rows, images)
        self.name = f"{source.name}-replaced"
        self.table = with_rows(source.table, rows, images.table)
        self.tables = source.tables
        self._source = source
        self._images = images
        self._places = {row: place for place, row in enumerate(rows)}

    def pixels(self, row: int) -> np.ndarray:
        """Return image `row`, the new one if it was replaced."""
        if row in self._places:
            return self._images.pixels(self._places[row])
        return self._source.pixels(row)

    def file(self, row: int) -> bytes | memoryview:
        """Return its TIFF file."""
        if row in self._places:
            return self._images.file(self._places[row])
        return self._source.file(row)

    def digests(self) -> Sequence[str]:
        """Return the digests of the images as they are now."""
        found = list(self._source.digests())
        for row, place in self._places.items():
            found[row] = self._images.digest_of(place)
        return found


class Arranged(ImageSet):
    """Some images of a set in a given order, with the row numbers that they had.

    Tables that belong to the images stay as they are.
    """

    def __init__(self, source: ImageSet, rows: Sequence[int]) -> None:
        self._source = source
        self._rows = list(rows)
        self.name = f"{source.name}-arranged"
        self.table = source.table.take(pa.array(self._rows, pa.int64())).combine_chunks()
        self.tables = source.tables

    def pixels(self, row: int) -> np.ndarray:
        """Return the image that is in this place."""
        return self._source.pixels(self._rows[row])

    def file(self, row: int) -> bytes | memoryview:
        """Return its TIFF file."""
        return self._source.file(self._rows[row])

    def digests(self) -> Sequence[str]:
        """Return the digests of the images that are left."""
        found = self._source.digests()
        return [found[row] for row in self._rows]


def without(source: ImageSet, rows: Sequence[int]) -> ImageSet:
    """Return an image set without some of its images; the others keep their order and numbers."""
    return Arranged(source, kept(len(source), rows))


def kept(images: int, rows: Sequence[int]) -> list[int]:
    """Return the rows that are left of so many when `rows` are removed."""
    gone = set(rows)
    return [row for row in range(images) if row not in gone]


class Numbered(ImageSet):
    """An image set with other row numbers in its table."""

    def __init__(self, source: ImageSet, numbers: Sequence[int]) -> None:
        self._source = source
        self.name = source.name
        field = IMAGE_SCHEMA.field("row")
        self.table = source.table.set_column(0, field, pa.array(numbers, pa.int64()))
        self.tables = source.tables

    def pixels(self, row: int) -> np.ndarray:
        """Return image `row`."""
        return self._source.pixels(row)

    def file(self, row: int) -> bytes | memoryview:
        """Return its TIFF file."""
        return self._source.file(row)

    def digests(self) -> Sequence[str]:
        """Return the digests of the images."""
        return self._source.digests()


def check_same_kinds(
    kinds: Sequence[tuple[tuple[int, ...], np.dtype]], images: ImageSet, what: str
) -> None:
    """Raise Unsupported unless each image has the shape and dtype of that which it replaces."""
    for place, kind in enumerate(kinds):
        shape, dtype = images.shapes[place], images.dtypes[place]
        if (shape, dtype) != (tuple(kind[0]), kind[1]):
            path = images.table["path"][place].as_py()
            raise Unsupported(
                f"{path}: {what} replaces an image of {kind[1]} {tuple(kind[0])} by one of the same"
                f" shape and dtype, not {dtype} {shape}"
            )


def check_replaced(source: ImageSet, rows: Sequence[int], images: ImageSet) -> None:
    """Raise ValueError unless there is one image for each of the rows, which all differ."""
    if len(rows) != len(images) or len(set(rows)) != len(rows):
        raise ValueError(f"{len(images)} images for the rows {list(rows)}")
    for row in rows:
        if not 0 <= row < len(source):
            raise IndexError(f"row {row} of {len(source)} images")
