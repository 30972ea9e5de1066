"""An SQLite database in one file, through Python's `sqlite3`.

- On disk, an image is one BLOB in the row of its metadata. What does not fit on the row's page
  goes to a chain of overflow pages.
- One image is read by `SELECT image FROM images WHERE id = ?`, or with `blobopen` (see `fast`).
- A random row costs a search in a B-tree, then one read per page of its chain.
- It cannot compress by itself, keep versions, hold an image of 1 GB, or have two writers at once.
- The `sqlite3` shell, DB Browser for SQLite, DuckDB, and the drivers of every language open it.
- Tables that belong to the images are SQL tables of the same database (see `sqlite_tables`).

The tunings:

- `default`: what `CREATE TABLE` and `executemany` make, in one transaction: pages of 4 KiB.
- `fast`: pages of 64 KiB (16 times fewer to follow), read through a memory map (`mmap_size`), and
  pixels in a second table, so that reading the metadata reads no page of an image. A third table,
  `common`, has the shape and dtype of all images if they share them. Images are read with
  `blobopen`, which copies once less than `SELECT` (16 images: 9 and 12 ms).
- `balanced`: as `fast`, with TIFF files compressed by Zstandard level 1 in several threads
  (`tiff_codec`), and pages of 8 KiB. The pixels of the other layout stay raw.
- `small`: as `balanced`, but lossless JPEG XL.

How `balanced` and `small` were chosen is in docs/tuning.md.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.contract import (
    OpenByRow,
    OpenDecoded,
    OpenInBlocks,
    OpenStore,
    check_rows,
    common_image,
)
from platebench.stores.plain_tiff import Kind
from platebench.stores.sqlite_tables import SqliteTables
from platebench.stores.tables import StoredTables
from platebench.stores.tiff_codec import CODECS, TiffCodec
from platebench.stores.tiff_store import TiffStore
from platebench.stores.values import IMAGE, decode_value
from platebench.stores.variants import Variants

LARGEST_ROW = 1_000_000_000
"""SQLite's default limit of a row's bytes (https://sqlite.org/limits.html)."""

SMALL_PAGES = 8192
"""Bytes of a page of compressed images. Pages of 64 KiB would make databases 4% larger."""

ROOM_FOR_METADATA = 2**20

BATCH = 1024
"""Rows of metadata that are in memory at once while they are written."""

MAPPED = 0x7FFF0000
"""The most bytes that SQLite maps by default; what lies beyond is read (SQLITE_MAX_MMAP_SIZE)."""

_COLUMNS = ", ".join(f'"{name}"' for name in IMAGE_SCHEMA.names)
_TYPED = ", ".join(
    f'"{field.name}" {"INTEGER" if pa.types.is_integer(field.type) else "TEXT"}'
    for field in IMAGE_SCHEMA
)


@dataclass(frozen=True)
class Settings:
    """How a database is written: as the quick start does it, or for speed.

    Of an image's last page half is empty on average. `tiff` compresses the TIFF files anew.
    """

    quick_start: bool = False
    page_size: int = 65536
    tiff: TiffCodec | None = None


_PLAIN = {"default": Settings(quick_start=True), "large-pages": Settings()}
_ALWAYS = {"default": "default", "fast": "large-pages"}
CANDIDATES: Mapping[str, Variants[Settings]] = {
    "pixels": Variants(_PLAIN, _ALWAYS),
    "tiff": Variants(
        {
            **_PLAIN,
            **{
                f"tiff-{name}": Settings(page_size=SMALL_PAGES, tiff=codec)
                for name, codec in CODECS.items()
            },
        },
        _ALWAYS | {"balanced": "tiff-zstd-1", "small": "tiff-jpeg-xl-2"},
    ),
}


_PIXELS = """
import json, numpy as np, sqlite3
query = "SELECT image, shape, dtype FROM {} WHERE id = 0"
image, shape, dtype = sqlite3.connect(place).execute(query).fetchone()
print(np.frombuffer(image, dtype).reshape(json.loads(shape)))
"""
_TIFF = """
import io, sqlite3, tifffile
(image,) = sqlite3.connect(place).execute("SELECT image FROM {} WHERE id = 0").fetchone()
print(tifffile.imread(io.BytesIO(image)))
"""
_TIFF_IN_R = """
connection <- DBI::dbConnect(RSQLite::SQLite(), place)
row <- DBI::dbGetQuery(connection, "SELECT image FROM {} WHERE id = 0")
tiff::readTIFF(row$image[[1]], as.is = TRUE)
"""


class Sqlite(TiffStore):
    """An SQLite database of images. Their `id` counts from 0."""

    format = "sqlite"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "pixels:default": {"Python": _PIXELS.format("images")},
        "pixels": {"Python": _PIXELS.format("pixels JOIN images USING (id)")},
        "tiff:default": {"Python": _TIFF.format("images"), "R": _TIFF_IN_R.format("images")},
        "tiff": {"Python": _TIFF.format("pixels"), "R": _TIFF_IN_R.format("pixels")},
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Insert the images one at a time, in one transaction."""
        images = self._encoded(images)
        _refuse_large(images, self.layout)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path)
        try:
            if not self._settings.quick_start:
                connection.execute(f"PRAGMA page_size = {self._settings.page_size}")
            with connection:
                self._insert(connection, images)
        finally:
            connection.close()
        tables.write(images.tables)

    @property
    def _codec(self) -> TiffCodec | None:
        return self._settings.tiff

    def _opened(self, path: Path, layout: str) -> OpenStore:
        """Open the database read-only."""
        place = f"{path.absolute().as_uri()}?mode=ro"
        # A thread that has ended cannot close what it opened, so another one may.
        connection = sqlite3.connect(place, uri=True, check_same_thread=False)
        opened = _OpenRows if self._settings.quick_start else _OpenBlobs
        return opened(connection, layout).with_tables(self.tables_at(path))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep tables in the same database."""
        return SqliteTables(path)

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Update the rows in one transaction."""
        images = self._encoded(images)
        _refuse_large(images, self.layout)
        with closing(sqlite3.connect(path)) as connection, connection:
            ids = _ids(connection)
            check_rows(rows, len(ids))
            names = [name for name in IMAGE_SCHEMA.names if name != "row"]
            marks = ", ".join(f'"{name}" = ?' for name in names)
            records = zip(rows, _metadata(images), strict=True)
            for place, (row, (_, _, *metadata)) in enumerate(records):
                connection.execute(f"UPDATE images SET {marks} WHERE id = ?", [*metadata, ids[row]])
                table = "images" if self._settings.quick_start else "pixels"
                connection.execute(
                    f"UPDATE {table} SET {IMAGE} = ? WHERE id = ?",
                    [_value(images, place, self.layout), ids[row]],
                )
            if not self._settings.quick_start:
                kinds = zip(images.shapes, images.dtypes, strict=True)
                for shape, dtype in set(kinds):
                    connection.execute(
                        "DELETE FROM common WHERE shape != ? OR dtype != ?",
                        (json.dumps(shape), dtype.str),
                    )

    def delete(self, path: Path, rows: Sequence[int]) -> None:
        """Delete the rows in one transaction. Their pages stay in the file and are used again."""
        with closing(sqlite3.connect(path)) as connection, connection:
            ids = _ids(connection)
            check_rows(rows, len(ids))
            for table in ("images",) if self._settings.quick_start else ("images", "pixels"):
                connection.executemany(
                    f"DELETE FROM {table} WHERE id = ?", [(ids[row],) for row in rows]
                )
            connection.execute(f"PRAGMA user_version = {_GAPS}")

    def _insert(self, connection: sqlite3.Connection, images: ImageSet) -> None:
        marks = ", ".join("?" * (len(IMAGE_SCHEMA) + 1))
        values = (_value(images, row, self.layout) for row in range(len(images)))
        if self._settings.quick_start:
            connection.execute(
                f"CREATE TABLE images (id INTEGER PRIMARY KEY, {_TYPED}, {IMAGE} BLOB)"
            )
            rows = (
                (*metadata, value)
                for metadata, value in zip(_metadata(images), values, strict=True)
            )
            connection.executemany(f"INSERT INTO images VALUES ({marks}, ?)", rows)
            return
        connection.execute(f"CREATE TABLE images (id INTEGER PRIMARY KEY, {_TYPED})")
        connection.execute(f"CREATE TABLE pixels (id INTEGER PRIMARY KEY, {IMAGE} BLOB)")
        connection.execute("CREATE TABLE common (shape TEXT, dtype TEXT)")
        common = common_image(images)
        if common is not None:
            shape, dtype = common
            connection.execute("INSERT INTO common VALUES (?, ?)", (json.dumps(shape), dtype.str))
        connection.executemany(f"INSERT INTO images VALUES ({marks})", _metadata(images))
        connection.executemany("INSERT INTO pixels VALUES (?, ?)", enumerate(values))


_GAPS = 1
"""The `user_version` of a database from which images were deleted: ids do not count them."""


def _ids(connection: sqlite3.Connection) -> Sequence[int]:
    """Return the id of each image, in order."""
    if connection.execute("PRAGMA user_version").fetchone() == (_GAPS,):
        return [each for (each,) in connection.execute("SELECT id FROM images ORDER BY id")]
    # Not count(*), which reads a page of every row.
    (images,) = connection.execute("SELECT coalesce(max(id) + 1, 0) FROM images").fetchone()
    return range(images)


def _refuse_large(images: ImageSet, layout: str) -> None:
    if layout == "tiff":
        sizes = images.table["filesize_bytes"].to_pylist()
    else:
        sizes = [images.image_bytes(row) for row in range(len(images))]
    if max(sizes) > LARGEST_ROW - ROOM_FOR_METADATA:
        path = images.table["path"][sizes.index(max(sizes))]
        raise Unsupported(f"{path}: SQLite holds no value of {max(sizes):,} bytes, only to 1 GB")


def _metadata(images: ImageSet) -> Iterator[tuple[object, ...]]:
    """Yield the id and the metadata of each image; a shape is written as JSON."""
    for first in range(0, len(images), BATCH):
        records = images.table.slice(first, BATCH).to_pylist()
        for number, record in enumerate(records, start=first):
            yield number, *(record | {"shape": json.dumps(record["shape"])}).values()


def _value(images: ImageSet, row: int, layout: str) -> bytes | memoryview:
    if layout == "tiff":
        return images.file(row)
    return images.pixels(row).reshape(-1).view(np.uint8).data


class _OpenSqlite(OpenByRow):
    """The parts that both ways of reading share: the number of images and their metadata."""

    def __init__(self, connection: sqlite3.Connection, layout: str) -> None:
        self._connection = connection
        self._layout = layout

    def close(self) -> None:
        self._connection.close()

    def __len__(self) -> int:
        return len(self._ids)

    @cached_property
    def _ids(self) -> Sequence[int]:
        return _ids(self._connection)

    def table(self) -> pa.Table:
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM images ORDER BY id").fetchall()
        columns = dict(zip(IMAGE_SCHEMA.names, zip(*rows, strict=True), strict=True))
        columns["shape"] = tuple(json.loads(shape) for shape in columns["shape"])
        arrays = [pa.array(columns[field.name], field.type) for field in IMAGE_SCHEMA]
        return pa.Table.from_arrays(arrays, schema=IMAGE_SCHEMA)

    def _decoded(self, value: bytes, shape: str, dtype: str) -> np.ndarray:
        return decode_value(value, self._layout, _kind(shape, dtype))


class _OpenRows(_OpenSqlite, OpenInBlocks):
    """Images and metadata in one table: one `SELECT` per image, or one for all."""

    def scan(self) -> Iterator[np.ndarray]:
        query = f"SELECT {IMAGE}, shape, dtype FROM images ORDER BY id"
        return (self._decoded(*row) for row in self._connection.execute(query))

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        query = f"SELECT {IMAGE}, shape, dtype FROM images WHERE id = ?"
        for row in rows:
            yield self._decoded(*self._connection.execute(query, [self._ids[row]]).fetchone())


class _OpenBlobs(OpenDecoded, _OpenSqlite):
    """Images in a table of their own, read as incremental BLOBs."""

    def decoded(
        self, rows: Sequence[int], memory: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        execute = self._connection.execute
        execute(f"PRAGMA mmap_size = {MAPPED}")
        common = execute("SELECT shape, dtype FROM common").fetchone()
        kind = None if common is None else _kind(*common)
        query = "SELECT shape, dtype FROM images WHERE id = ?"
        for row in rows:
            own = self._ids[row]
            here = kind or _kind(*execute(query, [own]).fetchone())
            with self._connection.blobopen("pixels", IMAGE, own, readonly=True) as blob:
                image = decode_value(blob.read(), self._layout, here, memory)
            yield image
            del image


def _kind(shape: str, dtype: str) -> Kind:
    return tuple(json.loads(shape)), np.dtype(dtype)
