"""`platebench.open`: a package as arrays, tables, joins of them, and lazy arrays.

    with platebench.open("screen") as package:
        package.images[5]                                   # a NumPy array
        package.images_where("objects", "phenotype == 'mitotic'")
        platebench.look(package.join("objects", "features", images=True))

Images are read when they are needed. What a package says about itself is checked before it is
used: paths, sizes, shapes and dtypes.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from platebench.errors import UserError
from platebench.optional import require
from platebench.packages.lazy_images import Images, Rows
from platebench.packages.reader import Reader, StoredSet, refusing
from platebench.stores.condition import Where, columns_of
from platebench.stores.contract import Version
from platebench.stores.values import IMAGE
from platebench.stores.where_text import parse_where

if TYPE_CHECKING:
    import dask.array
    import pandas as pd
    import xarray
    from torch.utils.data import Dataset

IMAGES = "images"
"""The name of the image table wherever a table is named."""


class OpenPackage:
    """An open package: its images and tables. It is a context manager.

    The image table has the name `images` where a table is named. Conditions (`where`) are text such
    as "phenotype == 'mitotic' and area > 50", or a `Where` of `platebench.stores`.
    """

    def __init__(self, stored: StoredSet) -> None:
        """Open what `stored` describes. Raises UserError if it cannot be read."""
        self._stored = stored
        self._reader = Reader(stored)
        with refusing(stored.title):
            images = len(self._reader.opened)
        if stored.images not in (None, images):
            raise UserError(
                f"{stored.title}: has {images} images, but {stored.images} in its manifest; the"
                " data are damaged"
            )
        self._images = Images(self._reader)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close files. What `to_dask`, `to_xarray` and `to_torch` gave opens its own, and stays."""
        self._reader.close()

    def __len__(self) -> int:
        return len(self._reader)

    def __repr__(self) -> str:
        tables = ", ".join(self.tables) or "none"
        return (
            f"<package {self._stored.title}: {len(self)} images, tables: {tables};"
            f" {self._stored.store}>"
        )

    @property
    def path(self) -> Path:
        """Where the images are stored."""
        return self._stored.path

    @property
    def store(self) -> str:
        """The name of the store: `parquet:tiff:fast`."""
        return str(self._stored.store)

    @property
    def images(self) -> Images:
        """All images, in row order, read on access."""
        return self._images

    @property
    def table(self) -> pa.Table:
        """The image table: row, path, plate, well, site, frame, channel, z, shape, dtype."""
        return self._reader.table

    @property
    def tables(self) -> list[str]:
        """The names of the other tables, sorted."""
        with refusing(self._stored.title):
            return self._reader.opened.tables()

    def schema(self, name: str) -> pa.Schema:
        """Return the columns of a table and their types. Raises UserError for an unknown name."""
        if name == IMAGES:
            return self.table.schema
        if name not in self.tables:
            raise self._unknown("table", name, [*self.tables, IMAGES])
        with refusing(self._stored.title):
            return self._reader.opened.table_schema(name)

    def read_table(
        self, name: str, columns: str | Sequence[str] | None = None, where: str | Where = ""
    ) -> pa.Table:
        """Return a table, some columns of it, or the rows that match.

        Raises UserError for an unknown table or column, or a condition that does not suit.
        """
        conditions = self._conditions(where, {name: self.schema(name).names})[name]
        wanted = [columns] if isinstance(columns, str) else columns
        for column in wanted or ():
            self._require_column(column, {name: self.schema(name).names})
        if name == IMAGES:
            found = self.table.take(self._image_rows(conditions))
            return found if wanted is None else found.select(list(wanted))
        with refusing(self._stored.title):
            found = self._reader.opened.read_table(name, wanted, conditions)
            found.validate(full=True)  # offsets out of range would crash the process
            return found

    def rows_where(self, name: str, where: str | Where) -> list[int]:
        """Return the rows of the images that the matching rows of a table belong to, ascending."""
        conditions = self._conditions(where, {name: self.schema(name).names})[name]
        if name == IMAGES:
            rows: list[int] = self._image_rows(conditions).tolist()
            return rows
        with refusing(self._stored.title):
            return self._reader.opened.rows_where(name, conditions)

    def images_where(self, name: str, where: str | Where) -> Images:
        """Return the images that the matching rows of a table belong to, each once, in row order.

        They are read on access, as `images` are.
        """
        return self._images[self.rows_where(name, where)]

    def to_pandas(
        self,
        name: str = IMAGES,
        columns: str | Sequence[str] | None = None,
        where: str | Where = "",
    ) -> pd.DataFrame:
        """Return a table as a DataFrame; the images with their pixels in a column `image`.

        `platebench.look` shows it. The pixels are left out if `columns` are given without `image`.
        Raises UserError as `read_table` does, and if the images take more than half of memory.
        """
        require("to_pandas", "pandas")
        from platebench.packages.frames import frame_of, with_pixels

        if name != IMAGES:
            return frame_of(self.read_table(name, columns, where))
        wanted = [columns] if isinstance(columns, str) else columns
        plain = None if wanted is None else [each for each in wanted if each != IMAGE]
        table = self.read_table(IMAGES, plain, where)
        if wanted is not None and IMAGE not in wanted:
            return frame_of(table)
        frame = with_pixels(table, self._images, np.array(self.rows_where(IMAGES, where), np.int64))
        return frame if wanted is None else frame[list(wanted)]

    def first_images(self, rows: int) -> pd.DataFrame:
        """Return the first rows of the image table with their pixels in a column `image`."""
        require("first_images", "pandas")
        from platebench.packages.frames import with_pixels

        first = self._images[:rows]
        return with_pixels(first.table, self._images, np.array(first.rows, np.int64))

    def join(
        self,
        *names: str,
        where: str | Where = "",
        on: str | Sequence[str] = (),
        images: bool = False,
    ) -> pd.DataFrame:
        """Join tables by the keys that they share, and return a DataFrame.

        `join("objects", "features", images=True)` has one row per object: its columns, those of its
        features, and those of its image with the pixels in a column `image`. Rows of one image
        share its array. `join("objects", "images")` has the image's columns without the pixels.
        A row that belongs to several images, as of all channels, is repeated for each; `where`
        chooses: `where="channel == 'DNA'"`. Rows without a partner are left out.

        A condition applies to the first table that has its column. `on` names columns that both
        tables have; without it, keys are found by name (`packages.joins`).

        Raises UserError for an unknown table or column, for tables that share no key, and if the
        images take more than half of memory.
        """
        require("join", "pandas")
        from platebench.packages import joins
        from platebench.packages.frames import frame_of, with_pixels

        named = [name for name in dict.fromkeys(names) if name != IMAGES]
        if not named or len(named) + (IMAGES in names) < len(names):
            raise UserError("name the tables to join, each once: join('objects', 'features')")
        with_images = images or IMAGES in names
        columns = {name: self.schema(name).names for name in [*named, *[IMAGES] * with_images]}
        conditions = self._conditions(where, columns)
        joined = self.read_table(named[0], where=conditions[named[0]])
        done = named[0]
        for name in named[1:]:
            other = self.read_table(name, where=conditions[name])
            by = [on] if isinstance(on, str) else list(on)
            joined = joins.join(joined, other, (done, name), by)
            done = f"{done} + {name}"
        if not with_images:
            return frame_of(joined)
        rows = self._image_rows(conditions[IMAGES])
        joined = joins.join_images(joined, self.table.take(rows), rows, named)
        if not images:
            return frame_of(joined)
        return with_pixels(joined, self._images, joined[joins.IMAGE_ROW].to_numpy())

    def to_arrow(self, rows: Rows | None = None) -> pa.RecordBatchReader:
        """Return the image table with the pixels in a last column `image`, one image per batch.

        Pixels are `arrow.fixed_shape_tensor` if the images share shape and dtype, and raw bytes
        in C order otherwise. Batches are read as they are asked for.
        """
        from platebench.packages.arrays import to_arrow

        return to_arrow(self._apart(rows), self._stored.title)

    def to_dask(self, rows: Rows | None = None) -> dask.array.Array:
        """Return images as a dask array with one chunk per image. Nothing is read before compute.

        Raises UserError if their shapes or dtypes differ, or without dask.
        """
        from platebench.packages.arrays import to_dask

        return to_dask(self._apart(rows))

    def to_xarray(self, rows: Rows | None = None) -> xarray.Dataset:
        """Return images, and the columns of their table as coordinates, as a lazy Dataset.

        Raises UserError if their shapes or dtypes differ, or without xarray.
        """
        from platebench.packages.arrays import to_xarray

        return to_xarray(self._apart(rows))

    def to_torch(
        self,
        rows: Rows | None = None,
        targets: Sequence[Any] | None = None,
        transform: Callable[[np.ndarray], Any] | None = None,
    ) -> Dataset[Any]:
        """Return images as a map-style dataset of PyTorch, for any number of workers.

        Item i is image i of `rows` as a tensor of its own dtype, or what `transform` makes of its
        array; with `targets`, one for each of the images, a pair of both. Let workers start by
        "spawn" or "forkserver": some formats' libraries do not survive a fork. Raises UserError
        without torch.
        """
        require("to_torch", "torch")
        from platebench.packages.torch_images import TorchImages

        chosen = self._apart(rows)
        if targets is not None and len(targets) != len(chosen):
            raise UserError(f"{len(targets)} targets for {len(chosen)} images; give one for each")
        return TorchImages(chosen, targets, transform)

    @property
    def versions(self) -> list[Version]:
        """The versions of the package, oldest first: number, and when it was made (UTC)."""
        return self._stored.versions()

    def _apart(self, rows: Rows | None) -> Images:
        """Return images with a reader of their own, which stays open when the package is closed."""
        images = Images(Reader(self._stored))
        return images if rows is None else images[rows]

    def _image_rows(self, conditions: Where) -> np.ndarray:
        """Return the rows of the images whose columns in the image table match."""
        if not conditions:
            return np.arange(len(self))
        from platebench.stores.where import expression, fitted

        places = pa.array(range(len(self)), pa.int64())
        table = self.table.append_column("place in package", places)
        found = table.filter(expression(fitted(conditions, self.table.schema)))
        rows: np.ndarray = found["place in package"].to_numpy()
        return rows

    def _conditions(self, where: str | Where, columns: dict[str, list[str]]) -> dict[str, Where]:
        """Return the conditions for each of some tables: those of the columns that it has first."""
        parsed = parse_where(where) if isinstance(where, str) else tuple(where)
        for column in columns_of(parsed):
            self._require_column(column, columns)
        owner = {
            column: next(name for name, names in columns.items() if column in names)
            for column in columns_of(parsed)
        }
        return {
            name: tuple(each for each in parsed if owner[each.column] == name) for name in columns
        }

    def _require_column(self, column: str, columns: dict[str, list[str]]) -> None:
        """Raise UserError, which lists what there is, if no table has a column."""
        if not any(column in names for names in columns.values()):
            tables = ", ".join(columns)
            known = [each for names in columns.values() for each in names]
            raise self._unknown(f"table{'s' * (len(columns) > 1)} {tables}: column", column, known)

    def _unknown(self, what: str, name: str, known: Iterable[str]) -> UserError:
        """Return the error for a name that does not exist, with the nearest or the first ones."""
        names = list(dict.fromkeys(known))
        near = difflib.get_close_matches(name, names, 3) or names[:12]
        more = f" and {len(names) - 12} more" if near == names[:12] and len(names) > 12 else ""
        title = self._stored.title
        return UserError(
            f"{title}: {what} {name!r} does not exist; there is {', '.join(near)}{more}"
        )
