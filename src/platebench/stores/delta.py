"""Delta Lake, through deltalake (delta-rs).

- On disk, images are Parquet files of one folder; the log beside them (`_delta_log`) says which
  files each version has. An image is one value of a column.
- One image is read by `DeltaTable.to_pyarrow_table(filters=...)`, or, with the tuned stores, from
  the Parquet file that the log names, by `read_row_group`.
- A random row costs the log, a file's footer, and its row group: one image, all with `default`.
- It keeps no order, of files or of rows in a file (21 batches of one row come back as 1, 3, 5 ...
  with deltalake 1.6.6), so rows are put in order by the column `row`. Old versions stay in
  the log after `vacuum`, without their files. No image can be 2 GiB or more. A file is held in
  memory until it is complete (deltalake 1.6.6).
- Spark, Trino, DuckDB, Polars, pandas and Rust open it: https://docs.delta.io/
  and https://delta-io.github.io/delta-rs/.

A version is Delta's, plus 1: Delta counts from 0. Writing, appending and restoring are one atomic
commit each. `prune` is `vacuum` with the versions to keep; it adds two commits, which change no
row and are not listed, and notes in them the oldest version that can still be opened.

The tunings:

- `default`: what `write_deltalake` writes: Snappy, a dictionary, row groups of up to 1,048,576
  rows. A scan reads
  `to_pyarrow_table`, the whole table, and then puts rows in order.
- `fast`: uncompressed, one row group per image, no dictionary and no statistics of pixels, as
  `parquet`'s. Each file is read as `parquet` reads it.
- `balanced`: the same with LZ4, `small` with Brotli level 6: docs/tuning.md says why for Parquet,
  whose files these are.

Tables that belong to the images are Delta tables beside theirs (see `lake_tables`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    WriterProperties,
    write_deltalake,
)

from platebench.errors import Unsupported
from platebench.images.changed import Numbered
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.contract import OpenStore, Version, VersionedStore, check_rows
from platebench.stores.lake_images import open_files
from platebench.stores.lake_tables import MARK, ROW, Commit, LakeTables
from platebench.stores.parquet_images import MOST_ROW_GROUPS
from platebench.stores.plain_columns import schema_bytes, schema_from
from platebench.stores.table_files import TABLES
from platebench.stores.tables import StoredTables
from platebench.stores.together import Begun, OfStore, Together
from platebench.stores.values import (
    IMAGE,
    check_same_kind,
    decode,
    image_batches,
    image_schema,
    kinds_of,
    table_of,
)
from platebench.stores.variants import Variants

IMAGES = "images"
OLDEST = "platebench.oldest"
"""The key of a vacuum's note: the oldest version, by Delta's number, whose files were kept."""

BATCH = 16
"""Images per batch if one row group holds all."""

TARGET = 100 * 2**20
"""Bytes of a file, which is Delta's own default."""

_SCHEMA = b"platebench:schema"
_MAINTENANCE = "VACUUM"


@dataclass(frozen=True)
class Settings:
    """How the Parquet files are written; `compression` is None for the quick start."""

    compression: Any = None
    level: int | None = None

    @property
    def quick_start(self) -> bool:
        """True for the library's own defaults."""
        return self.compression is None

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of `write_deltalake`."""
        if self.quick_start:
            return {}
        properties = WriterProperties(
            max_row_group_size=1,
            compression=self.compression,
            compression_level=self.level,
            default_column_properties=ColumnProperties(dictionary_enabled=False),
            column_properties={IMAGE: ColumnProperties(statistics_enabled="NONE")},
        )
        return {"writer_properties": properties}


CANDIDATES: Mapping[str, Variants[Settings]] = {
    "pixels": Variants(
        {
            "default": Settings(),
            "uncompressed": Settings("UNCOMPRESSED"),
            "lz4": Settings("LZ4_RAW"),
            "zstd-1": Settings("ZSTD", 1),
            "brotli-6": Settings("BROTLI", 6),
        },
        {"default": "default", "fast": "uncompressed", "balanced": "lz4", "small": "brotli-6"},
    )
}


class Delta(VersionedStore):
    """A folder with a Delta table of images, and one for each table."""

    format = "delta"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "pixels": {
            "Python": """
import numpy as np
from deltalake import DeltaTable
table = DeltaTable(f"{place}/images").to_pyarrow_table(filters=[("row", "=", 0)])
row = table.to_pylist()[0]
print(np.frombuffer(row["image"], row["dtype"]).reshape(row["shape"]))
""",
        },
    }

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)

    def write(self, images: ImageSet, path: Path) -> None:
        """Write a stream of batches, in one commit."""
        schema = image_schema(images, self.layout)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        path.mkdir(parents=True, exist_ok=True)
        self._commit(images, path, schema)
        tables.write(images.tables)

    def _commit(self, images: ImageSet, path: Path, schema: pa.Schema) -> None:
        options, per_batch = self._settings.options, BATCH
        if not self._settings.quick_start:
            options, per_batch = options | {"target_file_size": _file_size(images)}, 1
        batches = image_batches(images, self.layout, schema, per_batch)
        write_deltalake(
            str(path / IMAGES),
            pa.RecordBatchReader.from_batches(schema, batches),
            mode="append",
            **options,
        )

    def open(self, path: Path, version: int | None = None) -> OpenStore:
        """Open a version: its files, in the order of their rows."""
        if version is not None and version not in {each.number for each in self.versions(path)}:
            raise KeyError(version)
        table = _table(path, version)
        opened: OpenStore = _OpenTable(table, path / IMAGES, self.layout)
        if not self._settings.quick_start:
            files = [path / IMAGES / name for name in _files(table)]
            opened = open_files(files, self.layout, _schema(table))
        return opened.with_tables(self._tables(path, version))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep each table as a Delta table."""
        return self._tables(path, None)

    def _tables(self, path: Path, version: int | None) -> DeltaTables:
        return DeltaTables(path / TABLES, version, lambda: self._newest(path))

    def _newest(self, path: Path) -> int:
        return int(_commits(path / IMAGES)[-1]["version"]) + 1

    def append(self, images: ImageSet, path: Path) -> int:
        """Add a file, in one commit.

        Raises Unsupported if all images have one shape and dtype and these differ.
        """
        schema = image_schema(images, self.layout)
        check_same_kind(images, _schema(_table(path)), schema)
        tables = self.tables_at(path)
        tables.check_appendable(images.tables)
        self._commit(images, path, schema)
        tables.append_all(images.tables)
        return self._newest(path)

    def versions(self, path: Path) -> list[Version]:
        """List the commits in the log, from the oldest that `prune` has kept."""
        return [
            Version(each["version"] + 1, datetime.fromtimestamp(each["timestamp"] / 1000, UTC))
            for each in _commits(path / IMAGES)
        ]

    def restore(self, path: Path, version: int) -> int:
        """Have Delta restore the old version, as a new one."""
        tables = self._tables(path, version)
        _table(path).restore(version - 1)
        newest = self._newest(path)
        tables.restore(newest)
        return newest

    def together(self) -> Together:
        """Have each process append to one table; commits of others are tried again."""
        return DeltaAppends(self)

    def create(self, images: ImageSet, path: Path) -> None:
        """Create an empty table for these images. Raises as `write` does."""
        schema = image_schema(images, self.layout)
        self.tables_at(path).check_all(images.tables)
        path.mkdir(parents=True, exist_ok=True)
        DeltaTable.create(str(path / IMAGES), schema)

    def add(self, images: ImageSet, path: Path) -> None:
        """Commit a file of these images, whatever others commit meanwhile."""
        self._commit(images, path, image_schema(images, self.layout))

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Merge the images into the rows with the same number. Delta writes their files again."""
        numbered = Numbered(images, self._numbers(path, rows))
        schema = image_schema(numbered, self.layout)
        table = _table(path)
        check_same_kind(numbered, _schema(table), schema)
        batches = image_batches(numbered, self.layout, schema, BATCH)
        table.merge(
            pa.RecordBatchReader.from_batches(schema, batches),
            predicate="stored.row = new.row",
            source_alias="new",
            target_alias="stored",
            **self._settings.options,
        ).when_matched_update_all().execute()

    def delete(self, path: Path, rows: Sequence[int]) -> None:
        """Have Delta write the files again that have the rows.

        Raises Unsupported for the quick start, which finds an image by its number in `row`: numbers
        have gaps then.
        """
        if self._settings.quick_start:
            raise Unsupported(f"{self.name}: finds images by the column row, which has gaps then")
        numbers = ", ".join(map(str, self._numbers(path, rows)))
        if numbers:
            _table(path).delete(f"row IN ({numbers})", **self._settings.options)

    def compact(self, path: Path) -> None:
        """Merge small files with Delta's `optimize.compact`, which commits a version."""
        _table(path).optimize.compact(**self._settings.options)

    def prune(self, path: Path, keep: int) -> None:
        """Remove with Delta's `vacuum` the files that no kept version has."""
        table = _table(path)
        kept = [each["version"] for each in _commits(path / IMAGES)][-keep:]
        _vacuum(table, kept)
        self._tables(path, kept[0] + 1).prune()


class DeltaAppends(OfStore):
    """Each process appends a file in a commit of its own. A table of Delta has no order."""

    way = "appends at once, one commit each"

    def __init__(self, store: Delta) -> None:
        super().__init__(store)
        self._delta = store

    def begin(self, images: ImageSet, path: Path) -> Begun:
        """Create the table."""
        self._delta.create(images, path)
        return Begun()

    def share(self, images: ImageSet, path: Path, rows: range, state: Any) -> None:
        """Append the rows. delta-rs tries a commit again if another one came before it."""
        self._delta.add(images.select(rows, first_row=rows.start), path)

    def end(self, images: ImageSet, path: Path, written: Sequence[Any]) -> None:
        """Write the tables that belong to the images."""
        self._delta.tables_at(path).write(images.tables)


def _file_size(images: ImageSet) -> int:
    """Return the bytes of a file whose images have `MOST_ROW_GROUPS` row groups or fewer.

    A Parquet file of delta-rs has at most 32,767. It ends a file after 1,024 rows or a multiple
    (deltalake 1.6.6).
    """
    return max(1, min(TARGET, MOST_ROW_GROUPS * images.pixel_bytes // max(1, len(images))))


def _table(folder: Path, version: int | None = None) -> DeltaTable:
    """Open the table of images, at a version of the contract."""
    own = None if version is None else version - 1
    return DeltaTable(str(folder / IMAGES), version=own)


def _commits(folder: Path) -> list[dict[str, Any]]:
    """Return the commits that changed rows, oldest first, as far as their files are kept.

    They are read from the log's files, which `DeltaTable.history` reads too. It returns nothing if
    the folder's path has a # or a ? (deltalake 1.6.6).
    """
    commits = [_commit_info(file) for file in sorted((folder / "_delta_log").glob("*[0-9].json"))]
    oldest = max((int(each.get(OLDEST, 0)) for each in commits), default=0)
    return [
        each
        for each in commits
        if each["version"] >= oldest and not each["operation"].startswith(_MAINTENANCE)
    ]


def _commit_info(file: Path) -> dict[str, Any]:
    actions = (json.loads(line) for line in file.read_text().splitlines())
    info: dict[str, Any] = next(each["commitInfo"] for each in actions if "commitInfo" in each)
    return {**info, "version": int(file.stem)}


def _vacuum(table: DeltaTable, kept: Sequence[int]) -> None:
    """Remove the files that no version of `kept` and not the newest has. No other may write."""
    table.vacuum(
        retention_hours=0,
        enforce_retention_duration=False,
        dry_run=False,
        keep_versions=list(kept),
        commit_properties=CommitProperties(custom_metadata={OLDEST: str(kept[0])}),
    )


def _schema(table: DeltaTable) -> pa.Schema:
    """Return the table's schema, with the metadata of its fields."""
    return pa.schema(table.schema().to_arrow())


def _files(table: DeltaTable) -> list[str]:
    """Return the names of a version's files, which are in the folder: no table has partitions."""
    return [place.rsplit("/", maxsplit=1)[-1] for place in table.file_uris()]


class _OpenTable(OpenStore):
    """Reads through deltalake, as its documentation shows."""

    def __init__(self, table: DeltaTable, folder: Path, layout: str) -> None:
        self._table = table
        self._folder = folder
        self._layout = layout

    @cached_property
    def _dataset(self) -> Any:
        return self._table.to_pyarrow_dataset()

    @cached_property
    def _kinds(self) -> Any:
        read = lambda names: self._dataset.to_table(columns=["row", *names]).sort_by("row")  # noqa: E731
        return kinds_of(_schema(self._table), read)

    def __len__(self) -> int:
        return int(self._table.count())

    def table(self) -> pa.Table:
        return table_of(self._dataset.to_table(columns=IMAGE_SCHEMA.names).sort_by("row"))

    def scan(self) -> Iterator[np.ndarray]:
        """Read the whole table, which has no order, and yield its images in that of their rows."""
        return self._in_order(self._table.to_pyarrow_table(columns=["row", IMAGE]), None)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        check_rows(rows, len(self))
        filters = [("row", "in", sorted(set(rows)))] if rows else None
        return self._in_order(
            self._table.to_pyarrow_table(columns=["row", IMAGE], filters=filters), rows
        )

    def _in_order(self, found: pa.Table, rows: Sequence[int] | None) -> Iterator[np.ndarray]:
        places = {row: place for place, row in enumerate(found["row"].to_pylist())}
        for row in sorted(places) if rows is None else rows:
            value = found[IMAGE].slice(places[row], 1)
            yield from decode(value, self._layout, self._kinds, [row])


class DeltaTables(LakeTables):
    """A Delta table for each table, in `folder`."""

    title = "Delta Lake"

    def __init__(self, folder: Path, version: int | None, newest: Any) -> None:
        super().__init__(version, newest)
        self._folder = folder

    def _table(self, name: str, own: int | None = None) -> DeltaTable:
        return DeltaTable(str(self._folder / name), version=own)

    def stored(self) -> list[str]:
        """List the folders."""
        if not self._folder.is_dir():
            return []
        return [folder.name for folder in self._folder.iterdir() if folder.is_dir()]

    def commits(self, name: str) -> list[Commit]:
        """Read the log."""
        return [Commit(each["version"], int(each[MARK])) for each in _commits(self._folder / name)]

    def files(self, name: str, own: int) -> list[Path]:
        """Read the log."""
        return [self._folder / name / file for file in _files(self._table(name, own))]

    def arrow_schema(self, name: str) -> pa.Schema:
        """Read it from the metadata of the column of row numbers."""
        field = _schema(self._table(name)).field(ROW)
        return schema_from(base64.b64decode(field.metadata[_SCHEMA]))

    def create_stored(self, name: str, rows: pa.Table, schema: pa.Schema, mark: int) -> None:
        """Write version 0."""
        kept = {_SCHEMA: base64.b64encode(schema_bytes(schema))}
        numbers = rows.schema.field(ROW).with_metadata(kept)
        self._folder.mkdir(exist_ok=True)
        self._write(name, rows.cast(rows.schema.set(0, numbers)), mark)

    def add_stored(self, name: str, rows: pa.Table, mark: int) -> None:
        """Append a file."""
        self._write(name, rows, mark)

    def _write(self, name: str, rows: pa.Table, mark: int) -> None:
        properties = _marked(mark)
        write_deltalake(str(self._folder / name), rows, mode="append", commit_properties=properties)

    def restore_own(self, name: str, own: int | None, mark: int) -> None:
        """Have Delta restore the version, or delete all rows."""
        if own is None:
            self._table(name).delete(commit_properties=_marked(mark))
        else:
            self._table(name).restore(own, commit_properties=_marked(mark))

    def prune_own(self, name: str, oldest: int) -> None:
        """Vacuum the table."""
        commits = _commits(self._folder / name)
        kept = [each["version"] for each in commits if each["version"] >= oldest]
        _vacuum(self._table(name), kept)


def _marked(mark: int) -> CommitProperties:
    return CommitProperties(custom_metadata={MARK: str(mark)})
