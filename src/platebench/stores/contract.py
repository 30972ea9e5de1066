"""The contract of every store. A format that keeps it is measured like all others.

What `path` is: the place where a store keeps one image set, and the only place where it leaves
anything. The store decides whether it becomes a file or a folder. When `write` is called, neither
`path` nor its parent folders need exist, and the store creates those that are missing. While
`write` or `append` runs, a store may also use names that begin with the name of `path` and a `-`
(SQLite's `data-journal`); none may be left when the call returns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import pyarrow as pa

from platebench.errors import Mismatch, Unsupported
from platebench.images import links
from platebench.images.changed import Replaced, without
from platebench.images.imageset import ImageSet
from platebench.stores.crops import Crop, cut
from platebench.stores.name import StoreName
from platebench.stores.rewriting import rewrite
from platebench.stores.tables import NoTables, StoredTables
from platebench.stores.where import Where

PAGE = 4096
"""Images of a batch begin at multiples of this in memory."""
if TYPE_CHECKING:
    from platebench.stores.together import Together


@dataclass(frozen=True)
class Version:
    """One version of a stored image set: its number (1 is the first) and when it was made (UTC)."""

    number: int
    made: datetime


class OpenStore(ABC):
    """A stored image set that is open for reading. It is a context manager."""

    stored_tables: StoredTables = NoTables()
    """The tables beside the images; `with_tables` sets it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - most stores have nothing to close
        """Release files and handles."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @abstractmethod
    def scan(self) -> Iterator[np.ndarray]:
        """Yield every image in row order, in bounded memory.

        Each array has the shape and dtype of its image. It may be a view of the store's memory and
        is valid until the next array is requested.
        """

    @abstractmethod
    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield the images of `rows`, in the requested order, duplicates included.

        Raises IndexError for a negative row or one after the last, before it yields an image. The
        arrays are valid as those of `scan` are.
        """

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        """Yield every image in row order, each in the caller's `memory`.

        `memory` is uint8 of one dimension and begins at a page. It has room for the largest image,
        and usually for 16 images, which a store may read together. Each array is a C-contiguous
        view of `memory` with the shape and dtype of its image, and is valid until the next array
        is requested. Here each image is copied; a store that can reads into `memory` directly.
        """
        return copied_into(memory, self.scan())

    def take_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the images of `rows` as `take` does, each in `memory` as `scan_into` does."""
        return copied_into(memory, self.take(rows))

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Yield crops of images, in the requested order, each in `memory` as `take_into` does.

        Raises IndexError for a row that `take` refuses, and for a crop that is not inside its
        image. Here whole images are read and cut; a store does so unless its library reads parts.
        """
        return copied_into(memory, cut(crops, self.take([crop.row for crop in crops])))

    def batch_into(self, rows: Sequence[int], memory: np.ndarray) -> list[np.ndarray]:
        """Read the images of `rows` into `memory`, one after another, and return all of them there.

        Each begins at a page and is valid as long as `memory` is. There is room for all, in whole
        pages.
        """
        found: list[np.ndarray] = []
        place = 0
        for image in self.take(rows):
            found += copied_into(memory[place:], [image])
            place += -(-image.nbytes // PAGE) * PAGE
            del image  # so that the store's next image gets the same memory
        return found

    @abstractmethod
    def table(self) -> pa.Table:
        """Return the columns that are not pixels, equal to `ImageSet.table`."""

    def with_tables(self, tables: StoredTables) -> Self:
        """Read tables from here. Returns the store itself."""
        self.stored_tables = tables
        return self

    def tables(self) -> list[str]:
        """Return the names of the tables that belong to the images, sorted."""
        return self.stored_tables.names()

    def table_schema(self, name: str) -> pa.Schema:
        """Return the schema of a table. Raises KeyError for an unknown name."""
        return self.stored_tables.schema(name)

    def read_table(
        self, name: str, columns: Sequence[str] | None = None, where: Where = ()
    ) -> pa.Table:
        """Return a table, equal to `ImageSet.tables[name]`, some columns or some rows of it.

        Columns come in the requested order, rows in that of the table. Raises KeyError for an
        unknown name or column, UserError for a condition that does not suit its column.
        """
        return self.stored_tables.read(name, columns, where)

    def rows_where(self, name: str, where: Where) -> list[int]:
        """Return the rows of the images that the matching rows of a table belong to.

        They are in ascending order, each once; `images.links` says which row belongs to which
        image. Only the key columns are read. Raises UserError for a table without any.
        """
        images = self.table()
        keys = links.key_columns(self.table_schema(name), images)
        if not keys:
            raise links.without_keys(name)
        return links.images_of(self.read_table(name, keys, where), images)

    def images_where(self, name: str, where: Where) -> Iterator[np.ndarray]:
        """Yield the images that the matching rows of a table belong to, each once, in row order.

        The arrays are valid as those of `scan` are. Raises as `read_table` and `rows_where` do.
        """
        return self.take(self.rows_where(name, where))

    def images_where_into(
        self, name: str, where: Where, memory: np.ndarray
    ) -> Iterator[np.ndarray]:
        """Yield the same images, each in `memory` as `scan_into` does."""
        return self.take_into(self.rows_where(name, where), memory)


class OpenByRow(OpenStore):
    """A stored image set whose images are read one at a time, by row."""

    def scan(self) -> Iterator[np.ndarray]:
        """Read all rows, one after another."""
        return self.images_of(range(len(self)))

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Read these rows, one after another."""
        check_rows(rows, len(self))
        return self.images_of(rows)

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read all rows into `memory`, one after another."""
        return copied_into(memory, self.decoded_into(range(len(self)), memory))

    def take_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read these rows into `memory`, one after another."""
        check_rows(rows, len(self))
        return copied_into(memory, self.decoded_into(rows, memory))

    @abstractmethod
    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield the images of `rows`, in this order. The caller has checked that they exist."""

    def decoded_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the same images. One that must be decoded may be decoded to `memory`'s start."""
        return self.images_of(rows)


class OpenInBlocks(OpenByRow):
    """A stored image set read by row, and in a scan by blocks of several images.

    Where a chunk holds several images, a scan by row would decompress each chunk as many times.
    """

    @abstractmethod
    def scan(self) -> Iterator[np.ndarray]:
        """Read all blocks, one after another."""

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        """Copy each image of the blocks into `memory`."""
        return copied_into(memory, self.scan())


class OpenDecoded(OpenByRow):
    """A stored image set read by row, whose images are decoded to memory that is given."""

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield the images of `rows`, in memory of their own."""
        return self.decoded(rows)

    def decoded_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the same images; what must be decoded is decoded to `memory`'s start."""
        return self.decoded(rows, memory)

    @abstractmethod
    def decoded(
        self, rows: Sequence[int], memory: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Yield the images of `rows`; with `memory`, decode to its start what must be decoded."""


class OpenIntoMemory(OpenStore):
    """A stored image set whose images are read one at a time into given memory."""

    def scan(self) -> Iterator[np.ndarray]:
        """Read all rows, one after another."""
        return self.scan_into(np.empty(self.largest_image, np.uint8))

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Read these rows, one after another."""
        return self.take_into(rows, np.empty(self.largest_image, np.uint8))

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read all rows into `memory`, one after another."""
        return self.images_into(range(len(self)), memory)

    def take_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read these rows into `memory`, one after another."""
        check_rows(rows, len(self))
        return self.images_into(rows, memory)

    @property
    @abstractmethod
    def largest_image(self) -> int:
        """The bytes of the largest image."""

    @abstractmethod
    def images_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the images of `rows`, each at the start of `memory`. The rows exist."""


@dataclass(frozen=True)
class Store(ABC):
    """One way to store images: a format with a layout and a tuning."""

    layout: str
    tuning: str

    format: ClassVar[str]

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """How to read an image without platebench: programs and what to type there, by layout.

    The key `layout:tuning` goes before `layout`. The code of Python prints the image of row 0; its
    variable `place` is the path of what `write` made. R has the same variable. Fiji has a sentence.
    """

    @property
    def name(self) -> StoreName:
        """The store's name: its format, layout and tuning."""
        return StoreName(self.format, self.layout, self.tuning)

    @abstractmethod
    def write(self, images: ImageSet, path: Path) -> None:
        """Write `images` and their tables to `path`, one image or batch at a time.

        `path` does not exist yet, and its parent folders may be missing; see the module's
        docstring. Memory must not grow with the number of images. Raises Unsupported if the format
        cannot hold these images or tables, and UserError for a name that no table may have, before
        it creates anything.
        """

    @abstractmethod
    def open(self, path: Path) -> OpenStore:
        """Open for reading what `write` made at `path`. Changes nothing there."""

    @property
    def keeps_files(self) -> bool:
        """True if the store keeps each image's TIFF file as it is, and `open_files` returns it."""
        return False

    def open_files(self, path: Path) -> OpenStore:
        """Open what `write` made at `path`, with each image's TIFF file in place of its pixels.

        An image is then the bytes of its file, uint8 of one dimension. Raises Unsupported unless
        `keeps_files`.
        """
        raise Unsupported(f"{self.name}: keeps pixels, not files")

    def tables_at(self, path: Path) -> StoredTables:
        """Return the tables of the stored image set at `path`, which may not exist yet.

        `write`, `open` and `append_rows` use them.
        """
        return NoTables()

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Replace the images of `rows`, which differ, by as many others.

        They have the shape and dtype of those that they replace, as far as all images must have
        one. Their rows of the table are replaced too, apart from the row numbers. All other images,
        the order, and tables that belong to the images stay; `replaced_last` says where the order
        changes. Raises IndexError for a row that is not there, Unsupported if the format cannot
        do it.

        Here the store is written again, which is what a user of a format without such a call does.
        """
        rewrite(self, path, lambda stored: Replaced(stored, rows, images))

    @property
    def replaced_last(self) -> bool:
        """True if images that `replace` wrote come after all others from then on, in any order.

        The table's column `row` tells which is which.
        """
        return False

    def delete(self, path: Path, rows: Sequence[int]) -> None:
        """Delete the images of `rows`.

        The others keep their order, and rows of `take` count those that are left from 0. The
        table's column `row` keeps the numbers that it had. Tables that belong to the images stay as
        they are. Raises as `replace` does, and writes the store again as it does.
        """
        self._numbers(path, rows)
        rewrite(self, path, lambda stored: without(stored, rows))

    def _numbers(self, path: Path, rows: Sequence[int]) -> list[int]:
        """Return what the column `row` says of `rows`. Raises IndexError for one not there."""
        with self.open(path) as opened:
            numbers: list[int] = opened.table()["row"].to_pylist()
        check_rows(rows, len(numbers))
        return [numbers[row] for row in rows]

    def together(self) -> Together | None:
        """Return how several processes write one image set in the format's own way.

        None if it documents none; platebench's part list then has one part from each process.
        """
        return None

    def append_rows(self, name: str, rows: pa.Table, path: Path) -> None:
        """Add rows to a table of the stored image set at `path`.

        A table that is not there is made. Raises UserError for other columns or types than the
        table's, Unsupported if the format cannot hold the rows; then nothing is changed.
        """
        self.tables_at(path).append(name, rows)


class VersionedStore(Store):
    """A store that keeps older versions of its image set.

    It never changes a file in place: it adds files, or replaces one by a rename. So a copy of a
    stored image set may share its files by hard links. What `replace` and `delete` change is a new
    version.
    """

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Add a version with other images in `rows`, as `Store.replace` says."""
        raise Unsupported(f"{self.name.format} cannot replace images")

    def delete(self, path: Path, rows: Sequence[int]) -> None:
        """Add a version without the images of `rows`, as `Store.delete` says."""
        raise Unsupported(f"{self.name.format} cannot delete images")

    @abstractmethod
    def open(self, path: Path, version: int | None = None) -> OpenStore:
        """Open a version, the newest by default. Raises KeyError if there is no such version."""

    def open_files(self, path: Path, version: int | None = None) -> OpenStore:
        """Open the TIFF files of a version, as `Store.open_files` does."""
        return super().open_files(path)

    @abstractmethod
    def append(self, images: ImageSet, path: Path) -> int:
        """Add `images` as further rows and return the number of the new version."""

    @abstractmethod
    def versions(self, path: Path) -> list[Version]:
        """List the versions that can be opened, oldest first."""

    @abstractmethod
    def restore(self, path: Path, version: int) -> int:
        """Make an old version the newest again and return the number of the new version."""

    @abstractmethod
    def prune(self, path: Path, keep: int) -> None:
        """Remove all but the newest `keep` versions, and the bytes that only they needed."""

    def compact(self, path: Path) -> None:
        """Merge the small files that many versions left, with the format's documented call.

        The images, their order and the older versions stay. It may add a version. Raises
        Unsupported, with the reason, if the format has no such call.
        """
        raise Unsupported(f"{self.name.format} has no call that merges small files")


def copied_into(memory: np.ndarray, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Copy each image to the start of `memory`, uint8 of one dimension, and yield it there.

    An image that was decoded there is not copied.

    Raises Mismatch for what is not an array of pixels, and for an image larger than `memory`.
    """
    number = -1
    for image in images:  # enumerate() would hold the image in its last tuple
        number += 1
        if type(image) is not np.ndarray and not isinstance(image, np.memmap):
            raise Mismatch(f"read {number} gave a {type(image).__name__}, not an array of pixels")
        if image.nbytes > memory.size:
            raise Mismatch(
                f"read {number} gave {image.dtype} of {image.shape}, {image.nbytes} bytes; there is"
                f" room for {memory.size}"
            )
        copy = memory[: image.nbytes].view(image.dtype).reshape(image.shape)
        if not _is_same(image, copy):
            copy[...] = image
        del image  # so that the store's next image gets the same memory, still in the cache
        yield copy


def _is_same(image: np.ndarray, copy: np.ndarray) -> bool:
    """Return True if an image is at the place of its copy already."""
    starts = (each.__array_interface__["data"][0] for each in (image, copy))
    return len(set(starts)) == 1 and image.flags.c_contiguous


def check_rows(rows: Sequence[int], images: int) -> None:
    """Raise IndexError if one of `rows` is not in a set of this many images."""
    for row in rows:
        if not 0 <= row < images:
            raise IndexError(f"row {row} of {images} images")


def common_image(images: ImageSet) -> tuple[tuple[int, ...], np.dtype] | None:
    """Return the shape and dtype that all images share, or None if they differ."""
    kinds = set(zip(images.shapes, images.dtypes, strict=True))
    return next(iter(kinds)) if len(kinds) == 1 else None


def require_common_image(images: ImageSet, layout: str) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape and dtype that all images share.

    Raises Unsupported, with the first two images that differ, if they do not share them.
    """
    common = common_image(images)
    if common is None:
        kinds = list(zip(images.shapes, images.dtypes, strict=True))
        other = next(row for row, kind in enumerate(kinds) if kind != kinds[0])
        named = " and ".join(
            f"{images.table['path'][row]} ({kinds[row][1]} {kinds[row][0]})" for row in (0, other)
        )
        raise Unsupported(f"{named} differ in shape or dtype, so {layout} cannot hold them")
    return common
