"""The images of a package as a sequence that reads what is asked for, when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self, overload

import numpy as np
import pyarrow as pa

from platebench.packages.reader import Kind, Reader, kind_text, require_memory

Rows = slice | Sequence[int] | np.ndarray
"""Which images: a slice, row numbers in any order, or one truth value per image."""


class Images:
    """Images in a fixed order, read on access.

    `images[5]` is an array. `images[10:20]`, `images[[7, 3]]` and `images[mask]` are `Images` of
    these rows, and read nothing. A loop over images holds one at a time and 64 MB at most. An
    array belongs to its caller, who may change it.
    """

    def __init__(self, reader: Reader, rows: range | np.ndarray | None = None) -> None:
        """Select `rows` of what the reader reads, which exist; all of them without any."""
        self._reader = reader
        self._rows = range(len(reader)) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[np.ndarray]:
        return self._reader.read(self._rows)

    @overload
    def __getitem__(self, key: int | np.integer) -> np.ndarray: ...

    @overload
    def __getitem__(self, key: Rows) -> Self: ...

    def __getitem__(self, key: Any) -> np.ndarray | Self:
        """Return an image, or the images of several rows.

        Raises IndexError for a row that does not exist, TypeError for what is no row.
        """
        if isinstance(key, int | np.integer) and not isinstance(key, bool | np.bool_):
            (image,) = self._reader.read([self._row(int(key))])
            return image
        if isinstance(key, slice):
            return type(self)(self._reader, self._rows[key])
        return type(self)(self._reader, np.asarray(self._rows)[self._checked(key)])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the images as one array, the image first.

        Raises UserError if they differ in shape or dtype, or take more than half of memory.
        """
        if copy is False:
            raise ValueError("stored images cannot be an array without a copy")
        shape, own = self.kind("an array")
        require_memory(self.nbytes, "select fewer, or loop over them")
        array = np.empty((len(self), *shape), own)
        for place, image in enumerate(self):
            array[place] = image
        return array if dtype is None else array.astype(dtype, copy=False)

    def __repr__(self) -> str:
        kinds = {self._reader.kinds[row] for row in self._rows}
        what = kind_text(kinds.pop()) if len(kinds) == 1 else f"{len(kinds)} shapes or dtypes"
        return f"<{len(self)} images, {what}>"

    @property
    def rows(self) -> list[int]:
        """The rows of these images in the package."""
        return [int(row) for row in self._rows]

    @property
    def table(self) -> pa.Table:
        """The rows of the package's image table that belong to these images."""
        whole = self._reader.table
        if isinstance(self._rows, range) and self._rows == range(len(whole)):
            return whole
        return whole.take(pa.array(self.rows, pa.int64()))

    @property
    def nbytes(self) -> int:
        """The size of their pixels in bytes."""
        return self._reader.kinds.total(self._rows)

    def kind(self, what: str) -> Kind:
        """Return the shape and dtype that they share.

        Raises UserError, which says that `what` needs one, if they differ.
        """
        return self._reader.kinds.common(self._rows, what)

    def read(self) -> list[np.ndarray]:
        """Read them all. Raises UserError if they take more than half of memory."""
        require_memory(self.nbytes, "select fewer, or loop over them")
        return list(self)

    def _row(self, place: int) -> int:
        if not -len(self) <= place < len(self):
            raise IndexError(f"image {place} of {len(self)}")
        return int(self._rows[place])

    def _checked(self, key: Any) -> np.ndarray:
        """Return the places that a list or an array selects. Raises IndexError or TypeError."""
        places = np.asarray(key)
        if places.size == 0 and places.ndim == 1:
            return np.zeros(0, np.int64)
        if places.ndim != 1 or places.dtype.kind not in "iub":
            raise TypeError("select images by a number, a slice, or a list of numbers")
        if places.dtype.kind == "b":
            if len(places) != len(self):
                raise IndexError(f"{len(places)} truth values for {len(self)} images")
            return np.flatnonzero(places)
        wrong = (places < -len(self)) | (places >= len(self))
        if wrong.any():
            raise IndexError(f"image {places[wrong][0]} of {len(self)}")
        return places
