"""A folder of Lance datasets with versions: what the formats `lancedb` and `lance` do alike."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any, ClassVar

import lance
import pyarrow as pa

from platebench.images.changed import Numbered
from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenStore, Version, VersionedStore
from platebench.stores.lance_images import (
    TABLE,
    OpenBlobs,
    OpenDataset,
    Settings,
    as_blobs,
    prune,
    zstd,
)
from platebench.stores.lance_tables import LanceTables, time_of
from platebench.stores.tables import StoredTables
from platebench.stores.tiff_codec import CompressedTiffs
from platebench.stores.together import Begun, OfStore, Together
from platebench.stores.values import FILE, IMAGE, check_same_kind, image_batches, image_schema
from platebench.stores.variants import for_tables

FILE_VERSION = "2.2"
"""The first file version with blob v2."""

_TABLE_FIELD: dict[str, Mapping[str, str]] = {
    "default": {},
    "fast": {},
    "balanced": zstd(1).field,
    "small": zstd(9).field,
}
"""Features are not compressed by default, apart from what reading them gains by."""


class LanceStore(VersionedStore):
    """A folder with one Lance dataset of images, and one for each table.

    Each dataset has versions of its own; `lance_tables` says which belong to one of the images.
    """

    reader: ClassVar[type[OpenDataset]]
    streaming: ClassVar[type[OpenDataset]]
    """How images that are no blobs are read: as documentation shows it, and one per batch."""

    tables: ClassVar[type[LanceTables]]

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tiff": {
            "Python": """
import io, lance, tifffile
images = lance.dataset(f"{place}/images.lance").scanner(limit=1, blob_handling="all_binary")
print(tifffile.imread(io.BytesIO(images.to_table()["image"][0].as_py())))
""",
        },
        "pixels": {
            "Python": """
import lance, numpy as np
images = lance.dataset(f"{place}/images.lance").scanner(limit=1, blob_handling="all_binary")
row = images.to_table().to_pylist()[0]
print(np.frombuffer(row["image"], row["dtype"]).reshape(row["shape"]))
""",
        },
    }

    @property
    @abstractmethod
    def _settings(self) -> Settings:
        """How the images are written and read."""

    @abstractmethod
    def _dataset(self, path: Path) -> Any:
        """Open the dataset of images with pylance."""

    @abstractmethod
    def _listed(self, path: Path) -> list[dict[str, Any]]:
        """List the versions of the images, oldest first, with the format's own call."""

    @abstractmethod
    def _blob_field(self) -> pa.Field:
        """Return the field of blob images. Raises Unsupported for a library without blobs."""

    def open(self, path: Path, version: int | None = None) -> OpenStore:
        """Open the newest version, or check out an older one."""
        return self._opened(path, version, self.layout)

    @property
    def keeps_files(self) -> bool:
        """True for TIFF files that are not compressed anew."""
        return self.layout == "tiff" and self._settings.tiff is None

    def open_files(self, path: Path, version: int | None = None) -> OpenStore:
        """Open a version as `open` does, for the bytes of its TIFF files."""
        if not self.keeps_files:
            return super().open_files(path)
        return self._opened(path, version, FILE)

    def _opened(self, path: Path, version: int | None, layout: str) -> OpenStore:
        if version is not None and version not in {each.number for each in self.versions(path)}:
            raise KeyError(version)
        opened = self.reader if self._settings.quick_start else self.streaming
        if self._settings.blobs:
            opened = OpenBlobs
        return opened(path, layout, version).with_tables(self._tables(path, version))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep each table as a dataset beside that of the images."""
        return self._tables(path, None)

    def _tables(self, path: Path, version: int | None) -> LanceTables:
        """Return the tables as a version of the images has them."""
        before = None
        if version is not None:
            later = [each for each in self._listed(path) if each["version"] > version]
            before = time_of(later[0]) if later else None
        return self.tables(path, TABLE, dict(for_tables(_TABLE_FIELD, self.tuning)), before)

    def versions(self, path: Path) -> list[Version]:
        """List the versions of the images."""
        return [
            Version(int(version["version"]), version["timestamp"].astimezone(UTC))
            for version in self._listed(path)
        ]

    def prune(self, path: Path, keep: int) -> None:
        """Remove old versions with Lance's `cleanup_old_versions`. No other process may write."""
        prune(self._dataset(path), keep)
        oldest = self.versions(path)[0].number
        self._tables(path, oldest).prune(prune)

    def together(self) -> Together:
        """Have each process write fragments, which one commit makes a dataset of."""
        return LanceFragments(self)

    def write_fragments(self, images: ImageSet, path: Path) -> list[str]:
        """Write fragments that no version has yet, and return their metadata as JSON."""
        stream = self._stream(images, self._schema(images))
        written = lance.fragment.write_fragments(
            stream, _place(path), mode="create", **self._file_options
        )
        return [json.dumps(each.to_json()) for each in written]

    def commit_fragments(self, images: ImageSet, path: Path, fragments: Sequence[str]) -> None:
        """Make the first version of fragments, in their order."""
        schema = self._stream(images, self._schema(images)).schema
        known = [lance.FragmentMetadata.from_json(each) for each in fragments]
        operation = lance.LanceOperation.Overwrite(schema, known)
        lance.LanceDataset.commit(_place(path), operation)
        self.tables_at(path).write(images.tables)

    @property
    def _file_options(self) -> dict[str, Any]:
        """The options of Lance's writers."""
        return {"data_storage_version": FILE_VERSION} if self._settings.blobs else {}

    @property
    def replaced_last(self) -> bool:
        """True: Lance writes replaced rows as new ones, after all others."""
        return True

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Merge the images into the rows with the same number, by Lance's `merge_insert`."""
        numbered = Numbered(images, self._numbers(path, rows))
        schema = self._schema(numbered)
        check_same_kind(numbered, self._dataset(path).schema, schema)
        self._merge(path, self._stream(numbered, schema))

    def _merge(self, path: Path, stream: pa.RecordBatchReader) -> None:
        """Update the rows whose `row` is in a stream."""
        self._dataset(path).merge_insert("row").when_matched_update_all().execute(stream)

    def delete(self, path: Path, rows: Sequence[int]) -> None:
        """Have Lance mark the rows as deleted, in a file of their numbers."""
        numbers = ", ".join(map(str, self._numbers(path, rows)))
        if numbers:
            self._delete_where(path, f"row IN ({numbers})")

    def _delete_where(self, path: Path, condition: str) -> None:
        self._dataset(path).delete(condition)

    def compact(self, path: Path) -> None:
        """Merge small fragments with Lance's `compact_files`, which keeps the order of rows."""
        self._dataset(path).optimize.compact_files()

    def _schema(self, images: ImageSet) -> pa.Schema:
        return image_schema(images, self.layout, metadata=dict(self._settings.field))

    def _stream(self, images: ImageSet, schema: pa.Schema) -> pa.RecordBatchReader:
        """Return batches of one image each; `schema` is that of `_schema`."""
        if self._settings.tiff is not None:
            images = CompressedTiffs(images, self._settings.tiff)
        batches = image_batches(images, self.layout, schema, 1)
        if not self._settings.blobs:
            return pa.RecordBatchReader.from_batches(schema, batches)
        field = schema.field(IMAGE)
        blob = self._blob_field().with_metadata(field.metadata)
        blob_schema = schema.set(schema.get_field_index(IMAGE), blob)
        return pa.RecordBatchReader.from_batches(
            blob_schema, (as_blobs(batch, blob_schema) for batch in batches)
        )


class LanceFragments(OfStore):
    """Each process writes fragments; one commit makes a dataset of them."""

    way = "fragments, one commit"

    def __init__(self, store: LanceStore) -> None:
        super().__init__(store)
        self._lance = store

    def begin(self, images: ImageSet, path: Path) -> Begun:
        """Make the folder."""
        self._lance.tables_at(path).check_all(images.tables)
        path.mkdir(parents=True, exist_ok=True)
        return Begun()

    def share(self, images: ImageSet, path: Path, rows: range, state: Any) -> list[str]:
        """Write the fragments and return their metadata."""
        return self._lance.write_fragments(images.select(rows, first_row=rows.start), path)

    def end(self, images: ImageSet, path: Path, written: Sequence[Any]) -> None:
        """Commit the fragments."""
        fragments = [fragment for share in written for fragment in share]
        self._lance.commit_fragments(images, path, fragments)


def _place(path: Path) -> str:
    return str(path / f"{TABLE}.lance")
