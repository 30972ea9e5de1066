"""Image set: n images and their table, one row per image."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import xxhash

from platebench.images import links
from platebench.images.table_digest import table_digest

IMAGE_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("filesize_bytes", pa.int64(), nullable=False),
        pa.field("plate", pa.string()),
        pa.field("well", pa.string()),
        pa.field("site", pa.string()),
        pa.field("frame", pa.int32()),
        pa.field("channel", pa.string()),
        pa.field("z", pa.int32()),
        pa.field("shape", pa.list_(pa.int32()), nullable=False),
        pa.field("dtype", pa.string(), nullable=False),
    ]
)
"""Schema of an image set's table. `dtype` is NumPy's type string, little-endian (`|u1`)."""


def digest(array: np.ndarray) -> str:
    """Return a digest of an image's dtype, shape and values, as 32 hex digits.

    The digest is XXH3-128. It detects accidental changes, not forgery. It is ten times as fast as
    a cryptographic hash, so that the images of every benchmark cell can be compared.
    """
    contiguous = np.asarray(array, order="C")
    state = xxhash.xxh3_128(f"{contiguous.dtype.str}{contiguous.shape}".encode())
    state.update(contiguous.reshape(-1).view(np.uint8).data)
    return state.hexdigest()


class ImageSet(ABC):
    """n images in a fixed order, with their table. Images need not share a shape or dtype.

    `name` identifies the set (`raw-64`, or a folder's name) and is an asv parameter. `tables` maps
    names to further tables of the same plate (features, annotations); `links` says which image a
    row belongs to.
    """

    name: str
    table: pa.Table
    tables: Mapping[str, pa.Table] = {}

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @abstractmethod
    def pixels(self, row: int) -> np.ndarray:
        """Return image `row` in its own shape and dtype: C-contiguous, in native byte order."""

    @abstractmethod
    def file(self, row: int) -> bytes | memoryview:
        """Return image `row` as a TIFF file: its original bytes if it was one, else encoded."""

    @abstractmethod
    def digests(self) -> Sequence[str]:
        """Return the `digest` of every image, in row order."""

    def digest_of(self, row: int) -> str:
        """Return the digest of one image."""
        return digest(self.pixels(row))

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.pixels(row) for row in range(len(self)))

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of every image, in row order."""
        return [tuple(shape) for shape in self.table["shape"].to_pylist()]

    @cached_property
    def dtypes(self) -> list[np.dtype]:
        """The dtype of every image, in row order."""
        return [np.dtype(text) for text in self.table["dtype"].to_pylist()]

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all images, their table and further tables, which are read for it.

        Equal sets have equal fingerprints.
        """
        state = hashlib.blake2b("".join(self.digests()).encode(), digest_size=16)
        # The text of the list of all rows, a few at a time: as Python objects they take 1 kB each.
        state.update(b"[")
        for first in range(0, len(self), 1000):
            rows = repr(self.table.slice(first, 1000).to_pylist())[1:-1]
            state.update(f"{', ' if first else ''}{rows}".encode())
        state.update(b"]")
        for name in sorted(self.tables):
            state.update(f"{name}\0{table_digest(self.tables[name])}".encode())
        return state.hexdigest()

    @property
    def pixel_bytes(self) -> int:
        """The size of all pixels, uncompressed, in bytes."""
        return sum(self.image_bytes(row) for row in range(len(self)))

    def image_bytes(self, row: int) -> int:
        """Return the size of one image's pixels, uncompressed, in bytes."""
        return int(np.prod(self.shapes[row], dtype=np.int64)) * self.dtypes[row].itemsize

    def select(self, rows: Sequence[int], first_row: int = 0) -> ImageSet:
        """Return these rows as an image set, with row numbers from `first_row`.

        Of each table it has the rows that belong to these images, in their order; all rows of a
        table that names no image.
        """
        return _Selection(self, rows, first_row)


class _SelectedTables(Mapping[str, pa.Table]):
    """The rows of tables that belong to some images of a set."""

    def __init__(self, source: ImageSet, rows: Sequence[int]) -> None:
        self._source = source
        self._rows = np.array(rows, np.int64)

    def __getitem__(self, name: str) -> pa.Table:
        table = self._source.tables[name]
        if not links.key_columns(table, self._source.table):
            return table
        pairs = links.image_rows(table, self._source.table)
        here = np.isin(pairs["image_row"].to_numpy(), self._rows)
        return table.take(np.unique(pairs["table_row"].to_numpy()[here]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._source.tables)

    def __len__(self) -> int:
        return len(self._source.tables)


class _Selection(ImageSet):
    """Selected rows of another image set, in the given order."""

    def __init__(self, source: ImageSet, rows: Sequence[int], first_row: int) -> None:
        self._source = source
        self._rows = list(rows)
        self.name = f"{source.name}[{len(self._rows)}]"
        numbers = pa.array(range(first_row, first_row + len(self._rows)), pa.int64())
        self.table = source.table.take(self._rows).set_column(0, IMAGE_SCHEMA.field("row"), numbers)
        self.tables = _SelectedTables(source, self._rows)

    def pixels(self, row: int) -> np.ndarray:
        return self._source.pixels(self._rows[row])

    def file(self, row: int) -> bytes | memoryview:
        return self._source.file(self._rows[row])

    def digests(self) -> Sequence[str]:
        return [self._source.digest_of(row) for row in self._rows]
