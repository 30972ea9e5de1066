"""A DuckDB database file, through the `duckdb` package.

- On disk, an image is one BLOB in a column of the table `images`, in blocks of 256 KiB.
- One image is read by `SELECT image FROM images WHERE id = ?`.
- A random row costs a search in the column `id` and the blocks of the image. With `default`, which
  compresses many BLOBs together by Zstandard, it costs them all, 1.5 s of 512 images of 1.4 MB. So
  several rows are asked for by one query: 16 of 128 images take 0.5 s, by 16 queries 5.8 s
  (duckdb 2.0.1).
- It cannot keep versions, let one process read while another writes, hold an image of 4 GB, or
  write in little memory: 320 MB of images take 680 MB.
- The `duckdb` shell and its drivers for Python, R, Java, Rust and the browser open it; see
  https://duckdb.org/docs/stable/data/insert.

The tunings:

- `default`: `CREATE TABLE ... AS SELECT * FROM` an Arrow stream.
- `fast`: the same with `force_compression = 'uncompressed'`.
- `balanced`: as `fast`, with TIFF files compressed by Zstandard level 1 (`tiff_codec`), so that an
  image is decompressed alone. `small` the same with lossless JPEG XL. Raw pixels have neither:
  DuckDB compresses many of them together.

Tables that belong to the images are SQL tables of the same database, in the schema `tables`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import duckdb
import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.changed import check_same_kinds
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.by_request import by_request
from platebench.stores.contract import OpenDecoded, OpenInBlocks, OpenStore, check_rows
from platebench.stores.plain_columns import (
    check_plain,
    plain,
    plain_type,
    restored,
    schema_bytes,
    schema_from,
)
from platebench.stores.tables import StoredTables
from platebench.stores.tiff_codec import CODECS, TiffCodec
from platebench.stores.tiff_store import TiffStore
from platebench.stores.values import (
    IMAGE,
    decode,
    decode_value,
    image_batches,
    image_schema,
    table_of,
)
from platebench.stores.variants import Variants
from platebench.stores.where import Where, sql

DATABASE = "images.duckdb"
TABLES = "tables"
SCHEMAS = "schemas"
NUMBER = "%row"
"""The column with the number of a table's row; its place is the order of columns otherwise."""

_ID = pa.field("id", pa.int64())
_COLUMNS = ", ".join(f'"{name}"' for name in IMAGE_SCHEMA.names)


@dataclass(frozen=True)
class Settings:
    """How BLOBs are compressed: by DuckDB's choice, or not. `tiff` compresses TIFF files anew."""

    quick_start: bool = False
    tiff: TiffCodec | None = None


_PLAIN = {"default": Settings(quick_start=True), "uncompressed": Settings()}
_ALWAYS = {"default": "default", "fast": "uncompressed"}
CANDIDATES: Mapping[str, Variants[Settings]] = {
    "pixels": Variants(_PLAIN, _ALWAYS),
    "tiff": Variants(
        {
            **_PLAIN,
            **{f"tiff-{name}": Settings(tiff=CODECS[name]) for name in ("zstd-1", "jpeg-xl-2")},
        },
        _ALWAYS | {"balanced": "tiff-zstd-1", "small": "tiff-jpeg-xl-2"},
    ),
}


class DuckDb(TiffStore):
    """A folder with one DuckDB database, so that DuckDB's log stays in the folder."""

    format = "duckdb"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "pixels": {
            "Python": """
import duckdb, numpy as np
database = duckdb.connect(f"{place}/images.duckdb", read_only=True)
query = "SELECT image, shape, dtype FROM images WHERE id = 0"
image, shape, dtype = database.execute(query).fetchone()
print(np.frombuffer(image, dtype).reshape(shape))
""",
        },
        "tiff": {
            "Python": """
import duckdb, io, tifffile
database = duckdb.connect(f"{place}/images.duckdb", read_only=True)
(image,) = database.execute("SELECT image FROM images WHERE id = 0").fetchone()
print(tifffile.imread(io.BytesIO(image)))
""",
        },
    }

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)

    def write(self, images: ImageSet, path: Path) -> None:
        """Insert a stream of batches of one image each."""
        images = self._encoded(images)
        schema = image_schema(images, self.layout)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        path.mkdir(parents=True, exist_ok=True)
        batches = _numbered(image_batches(images, self.layout, schema, 1))
        numbered = pa.schema([_ID, *schema])
        with _connected(path, writing=True) as database:
            if not self._settings.quick_start:
                database.execute("SET force_compression = 'uncompressed'")
            database.register("stream", pa.RecordBatchReader.from_batches(numbered, batches))
            database.execute("CREATE TABLE images AS SELECT * FROM stream")
            database.execute("CHECKPOINT")
            database.execute("SET force_compression = 'auto'")
            DuckDbTables(path, database).write(images.tables)

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Update the rows in one transaction.

        `shape` is a list, and DuckDB updates a row with lists by deleting it and inserting it at
        the end. So each image has the shape of that which it replaces.
        """
        images = self._encoded(images)
        with self.open(path) as opened:
            table = opened.table()
        check_rows(rows, len(table))
        shapes, dtypes = table["shape"].to_pylist(), table["dtype"].to_pylist()
        kinds = [(tuple(shapes[row]), np.dtype(dtypes[row])) for row in rows]
        check_same_kinds(kinds, images, "DuckDB")
        names = [name for name in IMAGE_SCHEMA.names if name not in ("row", "shape")]
        marks = ", ".join(f'"{name}" = ?' for name in (*names, IMAGE))
        schema = image_schema(images, self.layout)
        with _connected(path, writing=True) as database:
            database.begin()
            batches = image_batches(images, self.layout, schema, 1)
            for row, batch in zip(rows, batches, strict=True):
                (record,) = batch.to_pylist()
                values = [record[name] for name in (*names, IMAGE)]
                database.execute(f"UPDATE images SET {marks} WHERE id = ?", [*values, row])
            database.commit()
            database.execute("CHECKPOINT")

    def delete(self, path: Path, rows: Sequence[int]) -> None:
        """Delete the rows and count those that are left anew, in one transaction."""
        with self.open(path) as opened:
            check_rows(rows, len(opened))
        with _connected(path, writing=True) as database:
            database.begin()
            database.execute("DELETE FROM images WHERE id IN (SELECT unnest(?))", [list(rows)])
            for row in sorted(set(rows), reverse=True):
                database.execute("UPDATE images SET id = id - 1 WHERE id > ?", [row])
            database.commit()
            database.execute("CHECKPOINT")

    @property
    def _codec(self) -> TiffCodec | None:
        return self._settings.tiff

    def _opened(self, path: Path, layout: str) -> OpenStore:
        """Open the database read-only."""
        connected = _connected(path)
        database = connected.__enter__()
        kind = _reader(self._settings)
        opened = kind(database, layout, lambda: connected.__exit__(None, None, None))
        return opened.with_tables(DuckDbTables(path, database))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep tables in the same database."""
        return DuckDbTables(path)


def _reader(settings: Settings) -> type[_OpenDuckDb]:
    """Return how a database is read.

    In order, uncompressed images take 0.92 of a stream's time by one query each, and compressed
    TIFF files, which are shorter, 1.16 (duckdb 2.0.1).
    """
    if settings.quick_start:
        return _OpenTogether
    return _OpenDuckDb if settings.tiff is None else _OpenStream


def _numbered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Put a number before each batch of one row. The set's column `row` may begin elsewhere."""
    for number, batch in enumerate(batches):
        columns = [pa.array([number], pa.int64()), *batch.columns]
        yield pa.RecordBatch.from_arrays(columns, schema=pa.schema([_ID, *batch.schema]))


@contextmanager
def _connected(path: Path, writing: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to the database in a folder; its file is made if need be.

    DuckDB puts ".wal" before a ? of the path, in a folder that is not there (duckdb 2.0.0). There a
    copy of the database is changed in another place, and then put in its place.
    """
    place = path.absolute() / DATABASE
    if writing and "?" in str(place):
        with _changed_copy(place) as database:
            yield database
        return
    database = duckdb.connect(place, read_only=not writing)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _changed_copy(place: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with TemporaryDirectory() as folder:
        copy = Path(folder) / DATABASE
        if place.exists():
            shutil.copy2(place, copy)
        with duckdb.connect(copy) as database:
            yield database
        draft = place.with_name(f".{place.name}-draft")
        shutil.move(copy, draft)
        draft.replace(place)


class _OpenDuckDb(OpenDecoded):
    """One query per image."""

    def __init__(
        self, database: duckdb.DuckDBPyConnection, layout: str, close: Callable[[], object]
    ) -> None:
        self._database = database
        self._layout = layout
        self._close = close

    def close(self) -> None:
        self._close()

    def __len__(self) -> int:
        (images,) = self._one("SELECT count(*) FROM images")
        return int(images)

    def _one(self, query: str, *values: object) -> tuple[Any, ...]:
        # fetchall, not fetchone: a result that is not read to its end blocks the connection.
        found: tuple[Any, ...] = self._database.execute(query, values).fetchall()[0]
        return found

    def table(self) -> pa.Table:
        query = f"SELECT {_COLUMNS} FROM images ORDER BY id"
        return table_of(self._database.sql(query).to_arrow_table())

    def decoded(
        self, rows: Sequence[int], memory: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        query = "SELECT image, shape, dtype FROM images WHERE id = ?"
        for row in rows:
            image, shape, dtype = self._one(query, row)
            yield decode_value(image, self._layout, (tuple(shape), np.dtype(dtype)), memory)


class _OpenStream(_OpenDuckDb, OpenInBlocks):
    """One stream for all images, one query for each of some."""

    def scan(self) -> Iterator[np.ndarray]:
        """Stream the table, whose rows keep the order in which they were inserted."""
        return self._scanned()

    def _scanned(self) -> Iterator[np.ndarray]:
        cursor = self._database.cursor()
        try:
            found = cursor.sql("SELECT image, shape, dtype FROM images").to_arrow_reader(1)
            for batch in found:
                shapes, dtypes = batch["shape"].to_pylist(), batch["dtype"].to_pylist()
                kinds = [
                    (tuple(shape), np.dtype(dtype))
                    for shape, dtype in zip(shapes, dtypes, strict=True)
                ]
                yield from decode(batch[IMAGE], self._layout, kinds, range(len(batch)))
        finally:
            cursor.close()


class _OpenTogether(_OpenStream):
    """One query for several images: DuckDB compresses many together."""

    def decoded(
        self, rows: Sequence[int], memory: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        for image, shape, dtype in by_request(rows, self._selected):
            yield decode_value(image, self._layout, (tuple(shape), np.dtype(dtype)), memory)

    def _selected(self, rows: list[int]) -> list[tuple[Any, ...]]:
        wanted = ", ".join(map(str, rows))
        query = f"SELECT image, shape, dtype FROM images WHERE id IN ({wanted}) ORDER BY id"
        found: list[tuple[Any, ...]] = self._database.execute(query).fetchall()
        return found


class DuckDbTables(StoredTables):
    """The tables in the database, with their Arrow schemas in a table of their own."""

    def __init__(self, path: Path, database: duckdb.DuckDBPyConnection | None = None) -> None:
        """Keep tables in the folder's database, through an open connection if there is one."""
        self._path = path
        self._database = database

    def check(self, name: str, table: pa.Table) -> None:
        """Raise Unsupported for types and column names that DuckDB does not give back."""
        check_plain("DuckDB", name, table)
        folded = [column.lower() for column in table.column_names]
        if not folded or len(set(folded)) < len(folded) or NUMBER in folded:
            raise Unsupported(
                f"table {name!r}: DuckDB takes upper and lower case in column names as equal, and"
                f" needs a column; {NUMBER} is taken"
            )
        for field in table.schema:
            if "\0" in field.name:
                raise Unsupported(f"table {name!r}: DuckDB column names cannot contain NUL")

    def create(self, name: str, table: pa.Table) -> None:
        """Create the table and insert its rows, in one transaction."""
        self._path.mkdir(parents=True, exist_ok=True)
        with self._writing() as database:
            database.execute(f"CREATE SCHEMA IF NOT EXISTS {TABLES}")
            database.execute(f"CREATE TABLE IF NOT EXISTS {SCHEMAS} (name VARCHAR, schema BLOB)")
            database.register("rows", _stored(table, 0))
            database.execute(f"CREATE TABLE {_place(name)} AS SELECT * FROM rows")
            values = (name, schema_bytes(table.schema))
            database.execute(f"INSERT INTO {SCHEMAS} VALUES (?, ?)", values)

    def names(self) -> list[str]:
        """List the tables that have a schema."""
        return sorted(self._schemas())

    def schema(self, name: str) -> pa.Schema:
        """Read the schema."""
        return schema_from(self._schemas()[name])

    def _schemas(self) -> dict[str, bytes]:
        if self._database is None and not (self._path / DATABASE).exists():
            return {}
        with self._reading() as database:
            query = "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'main' AND table_name = ?"
            if not database.execute(query, [SCHEMAS]).fetchall():
                return {}
            return dict(database.execute(f"SELECT name, schema FROM {SCHEMAS}").fetchall())

    def select(self, name: str, columns: list[str], where: Where) -> pa.Table:
        """Have DuckDB filter and sort."""
        schema = self.schema(name)
        names = ", ".join(map(_quoted, columns))
        order = f"WHERE {sql(where)} ORDER BY {_quoted(NUMBER)}"
        with self._reading() as database:
            query = f"SELECT {names} FROM {_place(name)} {order}"
            found = database.sql(query).to_arrow_table()
        chosen = pa.schema([schema.field(column) for column in columns], schema.metadata)
        arrays = [
            restored(found[field.name].cast(plain_type(field.type)), field.type) for field in chosen
        ]
        return pa.Table.from_arrays(arrays, schema=chosen).unify_dictionaries()

    def extend(self, name: str, rows: pa.Table) -> None:
        """Insert the rows in one transaction."""
        with self._writing() as database:
            query = f"SELECT coalesce(max({_quoted(NUMBER)}) + 1, 0) FROM {_place(name)}"
            ((first,),) = database.execute(query).fetchall()
            database.register("rows", _stored(rows, first))
            database.execute(f"INSERT INTO {_place(name)} SELECT * FROM rows")

    def append(self, name: str, rows: pa.Table) -> None:
        """Add rows, or make a table of them, through one connection: opening one takes 16 ms."""
        if self._database is not None:
            super().append(name, rows)
            return
        with _connected(self._path, writing=True) as database:
            DuckDbTables(self._path, database).append(name, rows)

    def _reading(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        if self._database is not None:
            return nullcontext(self._database)
        return _connected(self._path)

    @contextmanager
    def _writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with ExitStack() as stack:
            database = self._database
            if database is None:
                database = stack.enter_context(_connected(self._path, writing=True))
            database.begin()
            yield database
            database.commit()


def _stored(table: pa.Table, first: int) -> pa.Table:
    numbers = pa.array(np.arange(first, first + table.num_rows))
    columns = [_held(plain(column)) for column in table.columns]
    return pa.table([numbers, *columns], names=[NUMBER, *table.column_names])


def _held(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column in a type that DuckDB knows; it has no floats of 16 bits."""
    return column.cast(pa.float32()) if pa.types.is_float16(column.type) else column


def _place(name: str) -> str:
    return f"{TABLES}.{_quoted(name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
