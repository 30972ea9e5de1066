"""Apache Iceberg, through pyiceberg, with its SQL catalogue in an SQLite file of the same folder.

- On disk, images are Parquet files; metadata files (JSON, Avro) say which files each snapshot has,
  and `catalog.db` which metadata file is the newest. An image is one value of a column.
- One image is read by `table.scan(row_filter=...)`, or, with the tuned stores, from the Parquet
  file that `plan_files` names, by `read_row_group`.
- A random row costs the catalogue, three metadata files, and its row group: one image, all with
  `default`.
- It cannot free bytes: `expire_snapshots` of pyiceberg 0.12 edits metadata and leaves every file.
  Its metadata has absolute paths; `iceberg_files` finds them after a move, other programs do not.
- Spark, Trino, Snowflake, DuckDB, Polars and pandas open it: https://py.iceberg.apache.org/.

A version is a snapshot, by its sequence number. Writing and appending are one atomic commit each;
of two writers at once one is refused. `restore` commits a snapshot with the old one's files:
`rollback_to_snapshot` makes none, so it could not be listed. `prune` expires snapshots and then
removes the files that no kept snapshot names, which pyiceberg has no call for.

The tunings:

- `default`: what `table.append` writes: Zstandard level 3, one row group. It is read by
  `table.scan`.
- `fast`: Parquet files as those of `parquet:pixels:fast`, added by `table.add_files`, which
  pyiceberg recommends for files that are written one batch after another: `append` reads a stream
  to its end before it writes.
- `balanced`: the same with LZ4, `small` with Brotli level 6: docs/tuning.md says why for Parquet,
  whose files these are.

Tables that belong to the images are Iceberg tables of the same catalogue (see `lake_tables`).
"""

from __future__ import annotations

import base64
import logging
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import In
from sqlalchemy import URL

from platebench.errors import Conflict, Unsupported
from platebench.images.changed import Numbered
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.contract import OpenStore, Version, VersionedStore, check_rows
from platebench.stores.iceberg_files import HERE, WAREHOUSE, MovableFiles, place_of
from platebench.stores.lake_images import open_files
from platebench.stores.lake_tables import MARK, Commit, LakeTables, stored_name
from platebench.stores.plain_columns import schema_bytes, schema_from
from platebench.stores.tables import StoredTables
from platebench.stores.together import Begun, OfStore, Together
from platebench.stores.values import (
    COMMON,
    IMAGE,
    check_same_kind,
    decode,
    image_batches,
    image_schema,
    kinds_of,
    table_of,
)
from platebench.stores.variants import Variants

# It warns of every column without statistics; those of pixels are left out on purpose.
logging.getLogger("pyiceberg.io.pyarrow").setLevel(logging.ERROR)

CATALOGUE = "catalog.db"
IMAGES = "images"
NAMESPACE, TABLES = "platebench", "tables"
SCHEMA = "platebench.schema"
KIND = "platebench.image"
"""The property with the shape and dtype that all images share: pyiceberg drops fields' metadata."""

ATTEMPTS = 20
"""Times that one of several writers tries to commit."""

PER_FILE = 64
"""Images in a Parquet file that `add_files` adds."""


@dataclass(frozen=True)
class Settings:
    """How Parquet files are written: by `append`, or with these options of `ParquetWriter`."""

    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def quick_start(self) -> bool:
        """True for `append`."""
        return not self.options


def _rows(compression: str, level: int | None = None) -> Settings:
    return Settings(
        {
            "compression": compression,
            "compression_level": level,
            "use_dictionary": False,
            "write_statistics": [name for name in IMAGE_SCHEMA.names if name != "shape"],
        }
    )


CANDIDATES: Mapping[str, Variants[Settings]] = {
    "pixels": Variants(
        {
            "default": Settings(),
            "uncompressed": _rows("none"),
            "lz4": _rows("lz4"),
            "zstd-1": _rows("zstd", 1),
            "brotli-6": _rows("brotli", 6),
        },
        {"default": "default", "fast": "uncompressed", "balanced": "lz4", "small": "brotli-6"},
    )
}


class Iceberg(VersionedStore):
    """A folder with a catalogue, and a warehouse with a table of images and one for each table."""

    format = "iceberg"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "pixels": {
            "Python": """
import numpy as np
from pyiceberg.catalog.sql import SqlCatalog
catalogue = SqlCatalog("platebench", uri=f"sqlite:///{place}/catalog.db")
table = catalogue.load_table("platebench.images")
row = table.scan(row_filter="row = 0").to_arrow().to_pylist()[0]
print(np.frombuffer(row["image"], row["dtype"]).reshape(row["shape"]))
""",
        },
    }

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)

    def write(self, images: ImageSet, path: Path) -> None:
        """Create the table, and commit the images as its first snapshot."""
        schema = image_schema(images, self.layout)
        with self._created(images, path, schema) as table:
            self._commit(table, images, path, schema)
        self.tables_at(path).write(images.tables)

    @contextmanager
    def _created(self, images: ImageSet, path: Path, schema: pa.Schema) -> Iterator[Any]:
        """Create the table, and yield it. Raises as `write` does."""
        self.tables_at(path).check_all(images.tables)
        (path / WAREHOUSE).mkdir(parents=True, exist_ok=True)
        common = (schema.field(IMAGE).metadata or {}).get(COMMON)
        properties = {} if common is None else {KIND: common.decode()}
        with _changed(path) as catalogue:
            catalogue.create_namespace(NAMESPACE)
            yield catalogue.create_table((NAMESPACE, IMAGES), schema, properties=properties)

    def together(self) -> Together:
        """Have each process write Parquet files, which one commit adds.

        With the quick start each process appends, since `append` writes and commits in one call.
        """
        return IcebergAppends(self) if self._settings.quick_start else IcebergFiles(self)

    def create(self, images: ImageSet, path: Path) -> None:
        """Create an empty table for these images."""
        with self._created(images, path, image_schema(images, self.layout)):
            pass

    def new_files(self, images: ImageSet, path: Path) -> list[str]:
        """Write Parquet files that no snapshot has yet, and return their locations."""
        schema = image_schema(images, self.layout)
        with _catalogue(path) as catalogue:
            table = catalogue.load_table((NAMESPACE, IMAGES))
        batches = image_batches(images, self.layout, schema, 1)
        return [
            _new_file(table, path, schema, some, self._settings.options)
            for some in _in_files(images, batches)
        ]

    def add(self, images: ImageSet, path: Path) -> None:
        """Commit a snapshot with these images more, as `append` does."""
        schema = image_schema(images, self.layout)
        with _changed(path) as catalogue:
            table = catalogue.load_table((NAMESPACE, IMAGES))
            self._commit(table, images, path, schema)

    def add_files(self, files: Sequence[str], path: Path) -> None:
        """Commit a snapshot with these files."""
        with _changed(path) as catalogue:
            table = catalogue.load_table((NAMESPACE, IMAGES))
            table.add_files(list(files), check_duplicate_files=False)

    def _commit(self, table: Any, images: ImageSet, path: Path, schema: pa.Schema) -> None:
        per_batch = 16 if self._settings.quick_start else 1
        batches = image_batches(images, self.layout, schema, per_batch)
        if self._settings.quick_start:
            table.append(pa.RecordBatchReader.from_batches(schema, batches))
            return
        files = [
            _new_file(table, path, schema, some, self._settings.options)
            for some in _in_files(images, batches)
        ]
        table.add_files(files, check_duplicate_files=False)

    def open(self, path: Path, version: int | None = None) -> OpenStore:
        """Open a version: its files, in the order of their rows."""
        with _catalogue(path) as catalogue:
            table = catalogue.load_table((NAMESPACE, IMAGES))
        snapshot = _snapshot(table, version)
        schema = _schema(table)
        opened: OpenStore
        if self._settings.quick_start:
            opened = _OpenTable(table, snapshot, schema, self.layout)
        else:
            files = _files(table, snapshot, path)
            opened = open_files(files, self.layout, schema)
        return opened.with_tables(self._tables(path, version))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep each table as an Iceberg table."""
        return self._tables(path, None)

    def _tables(self, path: Path, version: int | None) -> IcebergTables:
        return IcebergTables(path, version, lambda: self.versions(path)[-1].number)

    def append(self, images: ImageSet, path: Path) -> int:
        """Commit one more snapshot.

        Raises Unsupported if all images have one shape and dtype and these differ, Conflict if
        another writer commits at the same time.
        """
        schema = image_schema(images, self.layout)
        tables = self.tables_at(path)
        tables.check_appendable(images.tables)
        with _changed(path) as catalogue:
            table = catalogue.load_table((NAMESPACE, IMAGES))
            check_same_kind(images, _schema(table), schema)
            self._commit(table, images, path, schema)
            number = _number(table.current_snapshot())
        tables.append_all(images.tables)
        return number

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Overwrite the rows by `table.overwrite`: files that have them are written again.

        pyiceberg commits two snapshots at once, one without the rows and one with the new ones.
        """
        numbered = Numbered(images, self._numbers(path, rows))
        schema = image_schema(numbered, self.layout)
        batches = image_batches(numbered, self.layout, schema, 16)
        with self._transaction(path) as (table, transaction):
            check_same_kind(numbered, _schema(table), schema)
            transaction.overwrite(
                pa.RecordBatchReader.from_batches(schema, batches),
                _rows_in(numbered.table["row"].to_pylist()),
            )

    def delete(self, path: Path, rows: Sequence[int]) -> None:
        """Have pyiceberg write the files again that have the rows.

        Raises Unsupported for the quick start, which finds an image by its number in `row`: numbers
        have gaps then.
        """
        if self._settings.quick_start:
            raise Unsupported(f"{self.name}: finds images by the column row, which has gaps then")
        numbers = self._numbers(path, rows)
        if numbers:
            with self._transaction(path) as (_, transaction):
                transaction.delete(_rows_in(numbers))

    @contextmanager
    def _transaction(self, path: Path) -> Iterator[tuple[Any, Any]]:
        """Yield the table and a transaction whose Parquet files are written as `write` does."""
        with _changed(path) as catalogue:
            table = catalogue.load_table((NAMESPACE, IMAGES))
            with table.transaction() as transaction:
                if not self._settings.quick_start:
                    transaction.set_properties(_properties(self._settings.options))
                yield table, transaction

    def versions(self, path: Path) -> list[Version]:
        """List the snapshots."""
        with _catalogue(path) as catalogue:
            table = catalogue.load_table((NAMESPACE, IMAGES))
        return [
            Version(_number(each), datetime.fromtimestamp(each.timestamp_ms / 1000, UTC))
            for each in sorted(table.snapshots(), key=_number)
        ]

    def restore(self, path: Path, version: int) -> int:
        """Commit a snapshot with the files of the old one. Raises Conflict as `append` does."""
        tables = self._tables(path, version)
        with _changed(path) as catalogue:
            table = catalogue.load_table((NAMESPACE, IMAGES))
            _restore(table, _snapshot(table, version), {})
            number = _number(table.current_snapshot())
        tables.restore(number)
        return number

    def prune(self, path: Path, keep: int) -> None:
        """Expire the other snapshots, then remove the files that no kept one names."""
        oldest = self.versions(path)[-keep:][0].number
        tables = self._tables(path, oldest)
        with _changed(path) as catalogue:
            _prune(catalogue.load_table((NAMESPACE, IMAGES)), oldest, path)
        tables.prune()


class IcebergFiles(OfStore):
    """Each process writes Parquet files; one commit adds them all."""

    way = "files, one commit"

    def __init__(self, store: Iceberg) -> None:
        super().__init__(store)
        self._iceberg = store

    def begin(self, images: ImageSet, path: Path) -> Begun:
        """Create the table."""
        self._iceberg.create(images, path)
        return Begun()

    def share(self, images: ImageSet, path: Path, rows: range, state: Any) -> list[str]:
        """Write the files and return their locations."""
        return self._iceberg.new_files(images.select(rows, first_row=rows.start), path)

    def end(self, images: ImageSet, path: Path, written: Sequence[Any]) -> None:
        """Commit the files."""
        self._iceberg.add_files([file for share in written for file in share], path)
        self._iceberg.tables_at(path).write(images.tables)


class IcebergAppends(IcebergFiles):
    """Each process appends in a commit of its own, again if another one came before it."""

    way = "appends at once, tried again after a conflict"

    def share(self, images: ImageSet, path: Path, rows: range, state: Any) -> list[str]:
        """Append the rows. pyiceberg leaves it to the caller to write again after a conflict."""
        share = images.select(rows, first_row=rows.start)
        for _ in range(ATTEMPTS):
            with suppress(Conflict):
                self._iceberg.add(share, path)
                return []
        raise Conflict(f"{path}: other writers were first, {ATTEMPTS} times")

    def end(self, images: ImageSet, path: Path, written: Sequence[Any]) -> None:
        """Write the tables that belong to the images."""
        self._iceberg.tables_at(path).write(images.tables)


@contextmanager
def _catalogue(path: Path, mode: str = "ro") -> Iterator[SqlCatalog]:
    """Open the catalogue. As a URI of SQLite's, its path may have a # or a ?."""
    place = f"file:{quote(str(path.absolute() / CATALOGUE))}"
    address = URL.create("sqlite", database=place, query={"mode": mode, "uri": "true"})
    catalogue = SqlCatalog(
        NAMESPACE,
        uri=address.render_as_string(),
        warehouse=str(path.absolute() / WAREHOUSE),
        **{
            "py-io-impl": f"{MovableFiles.__module__}.{MovableFiles.__name__}",
            HERE: str(path.absolute() / WAREHOUSE),
        },
    )
    try:
        yield catalogue
    finally:
        catalogue.close()


@contextmanager
def _changed(path: Path) -> Iterator[SqlCatalog]:
    """Open the catalogue for a commit. One that a copy shares by a hard link is copied first."""
    file = path / CATALOGUE
    if file.exists() and file.stat().st_nlink > 1:
        draft = path / f".{uuid.uuid4().hex}.draft"
        shutil.copy2(file, draft)
        draft.replace(file)
    try:
        with _catalogue(path, "rwc") as catalogue:
            yield catalogue
    except CommitFailedException as error:
        raise Conflict(
            f"{path}: another writer added a version; nothing was changed, try again"
        ) from error


def _properties(options: Mapping[str, Any]) -> dict[str, str]:
    """Return a table's properties for files of one image per row group, compressed the same way."""
    codec = {"none": "uncompressed"}.get(options["compression"], options["compression"])
    found = {"write.parquet.row-group-limit": "1", "write.parquet.compression-codec": codec}
    if options["compression_level"] is not None:
        found["write.parquet.compression-level"] = str(options["compression_level"])
    return found


def _rows_in(numbers: Sequence[int]) -> Any:
    """Return the filter of rows with these numbers."""
    expression: Any = In  # its type is that of a model, which it is not called as
    return expression("row", numbers)


def _new_file(
    table: Any, path: Path, schema: pa.Schema, batches: Iterator[Any], options: Mapping[str, Any]
) -> str:
    """Write a Parquet file, a row group per batch, and return the location for the metadata."""
    location = f"{table.location()}/data/{uuid.uuid4()}.parquet"
    place = Path(place_of(location, str(path / WAREHOUSE)))
    place.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(place, schema, **options) as writer:
        for batch in batches:
            writer.write_table(batch if isinstance(batch, pa.Table) else pa.table(batch))
    return location


def _in_files(images: ImageSet, batches: Iterator[pa.RecordBatch]) -> Iterator[Iterator[Any]]:
    """Yield the batches, one per image, in groups of those in one file."""
    for _ in range(0, len(images), PER_FILE):
        yield islice(batches, PER_FILE)


def _number(snapshot: Any) -> int:
    return int(snapshot.sequence_number)


def _snapshot(table: Any, version: int | None) -> Any:
    """Return the snapshot of a version. Raises KeyError if there is none."""
    if version is None:
        return table.current_snapshot()
    found = [each for each in table.snapshots() if _number(each) == version]
    if not found:
        raise KeyError(version)
    return found[0]


def _schema(table: Any) -> pa.Schema:
    """Return the schema of the images' column, with what they have in common."""
    kind = table.properties.get(KIND)
    metadata = None if kind is None else {COMMON: kind.encode()}
    return pa.schema([pa.field(IMAGE, pa.binary(), metadata=metadata)])


def _data_files(table: Any, snapshot: Any) -> list[Any]:
    if snapshot is None:
        return []
    return [task.file for task in table.scan(snapshot_id=snapshot.snapshot_id).plan_files()]


def _files(table: Any, snapshot: Any, path: Path) -> list[Path]:
    """Return where the files of a snapshot are now."""
    here = str(path / WAREHOUSE)
    return [Path(place_of(each.file_path, here)) for each in _data_files(table, snapshot)]


def _restore(table: Any, snapshot: Any, properties: dict[str, str]) -> None:
    """Commit a snapshot with the files of an old one; with none if it is None."""
    wanted = {each.file_path: each for each in _data_files(table, snapshot)}
    present = {each.file_path: each for each in _data_files(table, table.current_snapshot())}
    with (
        table.transaction() as transaction,
        transaction.update_snapshot(snapshot_properties=properties).overwrite() as overwrite,
    ):
        for name in present.keys() - wanted.keys():
            overwrite.delete_data_file(present[name])
        for name in wanted.keys() - present.keys():
            overwrite.append_data_file(wanted[name])


def _prune(table: Any, oldest: int, path: Path) -> None:
    """Expire the snapshots before `oldest`, and remove the files that only they named."""
    expired = [each.snapshot_id for each in table.snapshots() if _number(each) < oldest]
    if expired:
        table.maintenance.expire_snapshots().by_ids(expired).commit()
    kept = {table.metadata_location}
    for snapshot in table.snapshots():
        kept.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            kept.add(manifest.manifest_path)
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            kept.update(entry.data_file.file_path for entry in entries)
    here = str(path / WAREHOUSE)
    places = {place_of(location, here) for location in kept}
    for file in Path(place_of(table.location(), here)).rglob("*"):
        if file.is_file() and str(file) not in places:
            file.unlink()


class _OpenTable(OpenStore):
    """Reads through pyiceberg, as its documentation shows."""

    def __init__(self, table: Any, snapshot: Any, schema: pa.Schema, layout: str) -> None:
        self._table = table
        self._snapshot = snapshot
        self._schema = schema
        self._layout = layout

    def _read(self, columns: Sequence[str], **more: Any) -> pa.Table:
        names = tuple(dict.fromkeys(["row", *columns]))
        scan = self._table.scan(
            selected_fields=names, snapshot_id=self._snapshot.snapshot_id, **more
        )
        found: pa.Table = scan.to_arrow()
        return found

    def __len__(self) -> int:
        files = _data_files(self._table, self._snapshot)
        return sum(int(each.record_count) for each in files)

    def table(self) -> pa.Table:
        return table_of(self._read(IMAGE_SCHEMA.names).sort_by("row"))

    def scan(self) -> Iterator[np.ndarray]:
        """Read the whole table, and yield its images in the order of their rows."""
        return self._in_order(self._read([IMAGE]), None)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        check_rows(rows, len(self))
        if not rows:
            return iter(())
        wanted = ", ".join(map(str, sorted(set(rows))))
        return self._in_order(self._read([IMAGE], row_filter=f"row in ({wanted})"), rows)

    def _in_order(self, found: pa.Table, rows: Sequence[int] | None) -> Iterator[np.ndarray]:
        kinds = kinds_of(self._schema, lambda names: self._read(names).sort_by("row"))
        places = {row: place for place, row in enumerate(found["row"].to_pylist())}
        for row in sorted(places) if rows is None else rows:
            yield from decode(found[IMAGE].slice(places[row], 1), self._layout, kinds, [row])


class IcebergTables(LakeTables):
    """An Iceberg table for each table, in the namespace `tables`."""

    title = "Iceberg"

    def __init__(self, path: Path, version: int | None, newest: Any) -> None:
        super().__init__(version, newest)
        self._path = path
        self._loaded: dict[str, Any] = {}

    def _table(self, name: str) -> Any:
        """Load a table once."""
        if name not in self._loaded:
            with _catalogue(self._path) as catalogue:
                self._loaded[name] = catalogue.load_table((TABLES, stored_name(name)))
        return self._loaded[name]

    @contextmanager
    def _changed(self, name: str) -> Iterator[SqlCatalog]:
        with _changed(self._path) as catalogue:
            yield catalogue
        self._loaded.pop(name, None)

    def stored(self) -> list[str]:
        """Ask the catalogue."""
        if not (self._path / CATALOGUE).exists():
            return []
        with _catalogue(self._path) as catalogue:
            if not catalogue.namespace_exists(TABLES):
                return []
            return [unquote(name) for _, name in catalogue.list_tables(TABLES)]

    def commits(self, name: str) -> list[Commit]:
        """Read the snapshots."""
        return [
            Commit(_number(each), int(each.summary[MARK]))
            for each in sorted(self._table(name).snapshots(), key=_number)
        ]

    def files(self, name: str, own: int) -> list[Path]:
        """Plan a scan."""
        table = self._table(name)
        return _files(table, _snapshot(table, own), self._path)

    def arrow_schema(self, name: str) -> pa.Schema:
        """Read it from the properties of the table."""
        return schema_from(base64.b64decode(self._table(name).properties[SCHEMA]))

    def create_stored(self, name: str, rows: pa.Table, schema: pa.Schema, mark: int) -> None:
        """Create the table, and commit the rows as its first snapshot."""
        properties = {SCHEMA: base64.b64encode(schema_bytes(schema)).decode()}
        with self._changed(name) as catalogue:
            catalogue.create_namespace_if_not_exists(TABLES)
            identifier = (TABLES, stored_name(name))
            table = catalogue.create_table(identifier, rows.schema, properties=properties)
            self._add(table, rows, mark)

    def add_stored(self, name: str, rows: pa.Table, mark: int) -> None:
        """Commit one more snapshot."""
        with self._changed(name) as catalogue:
            self._add(catalogue.load_table((TABLES, stored_name(name))), rows, mark)

    def _add(self, table: Any, rows: pa.Table, mark: int) -> None:
        file = _new_file(table, self._path, rows.schema, iter([rows]), {"compression": "zstd"})
        table.add_files([file], snapshot_properties={MARK: str(mark)}, check_duplicate_files=False)

    def restore_own(self, name: str, own: int | None, mark: int) -> None:
        """Commit a snapshot with the old files, or with none."""
        with self._changed(name) as catalogue:
            table = catalogue.load_table((TABLES, stored_name(name)))
            old = None if own is None else _snapshot(table, own)
            _restore(table, old, {MARK: str(mark)})

    def prune_own(self, name: str, oldest: int) -> None:
        """Expire snapshots and remove their files."""
        with self._changed(name) as catalogue:
            table = catalogue.load_table((TABLES, stored_name(name)))
            _prune(table, oldest, self._path)
