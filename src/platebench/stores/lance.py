"""Lance datasets, through pylance.

- On disk, an image is one value of a column in a data file of Lance, or, with `fast`, a blob: bytes
  beside the data file, with their place in it.
- One image is read by `dataset.take([row], columns=["image"])`; a blob by `take_blobs` or
  `read_blobs`, since `take` returns only its place.
- A random row costs one read of its page, which holds one image here, or of the blob.
- It cannot be read by Fiji or napari, and one value must be below 2 GiB.
- Python, Rust, Java, DuckDB (with its extension) and LanceDB open it, as the table `images`.

Lance has versions: each write, append and restore is one. See https://lance.org/guide/blob/ and
https://lance.org/guide/data_types/.

The tunings:

- `default`: what `lance.write_dataset` makes of an Arrow stream: file version 2.2 with pylance 14,
  which compresses binary values by Zstandard level 3. Rows are read by `take`, in one call.
- `fast`: `lance.blob_field` and file version 2.2, which Lance's guide recommends for images. Blobs
  are not compressed. Where they lie (inline, packed, one file each) made no difference: 6 images
  of 1.4 MB take 2.0 to 2.6 ms, by `read_blobs` as by `take_blobs` (pylance 14, warm), but
  `read_blobs` returns all images at once.
- `balanced`: raw pixels with the field's compression Zstandard level 1. TIFF files are compressed
  anew (`tiff_codec`), as blobs. Scans of the tuned stores request one image per batch.
- `small`: TIFF files as lossless JPEG XL. Raw pixels have none, as in `lancedb`.

Tables that belong to the images are datasets beside theirs (see `lance_tables`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any, ClassVar

import lance
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenStore, Version, VersionedStore
from platebench.stores.lance_images import (
    TABLE,
    UNCOMPRESSED,
    OpenBlobs,
    OpenDataset,
    OpenStreaming,
    Settings,
    as_blobs,
    prune,
    zstd,
)
from platebench.stores.lance_tables import PylanceTables, time_of
from platebench.stores.tables import StoredTables
from platebench.stores.tiff_codec import CODECS, CompressedTiffs
from platebench.stores.values import FILE, IMAGE, check_same_kind, image_batches, image_schema
from platebench.stores.variants import Variants, for_tables

FILE_VERSION = "2.2"
"""The first file version with blob v2."""

_BLOBS = {"default": Settings(quick_start=True), "blobs": Settings(UNCOMPRESSED, blobs=True)}
_ALWAYS = {"default": "default", "fast": "blobs"}
CANDIDATES: Mapping[str, Variants[Settings]] = {
    "pixels": Variants(
        {**_BLOBS, **{f"zstd-{level}": zstd(level) for level in (1, 3, 9)}},
        _ALWAYS | {"balanced": "zstd-1"},
    ),
    "tiff": Variants(
        {
            **_BLOBS,
            **{
                f"tiff-{name}": Settings(UNCOMPRESSED, blobs=True, tiff=CODECS[name])
                for name in ("zstd-1", "jpeg-xl-2")
            },
        },
        _ALWAYS | {"balanced": "tiff-zstd-1", "small": "tiff-jpeg-xl-2"},
    ),
}
_TABLE_FIELD: dict[str, Mapping[str, str]] = {
    "default": {},
    "fast": {},
    "balanced": zstd(1).field,
    "small": zstd(9).field,
}


class Lance(VersionedStore):
    """A folder with one Lance dataset of images, and one for each table."""

    format = "lance"

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
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)

    def write(self, images: ImageSet, path: Path) -> None:
        """Write the dataset from a stream of batches of one image each."""
        batches = self._stream(images)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        path.mkdir(parents=True, exist_ok=True)
        options = {} if self._settings.quick_start else {"data_storage_version": FILE_VERSION}
        lance.write_dataset(batches, _place(path), **options)
        tables.write(images.tables)

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
        opened: type[OpenDataset] = OpenDataset if self._settings.quick_start else OpenStreaming
        if self._settings.blobs:
            opened = OpenBlobs
        return opened(path, layout, version).with_tables(self._tables(path, version))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep each table as a dataset beside that of the images."""
        return self._tables(path, None)

    def _tables(self, path: Path, version: int | None) -> PylanceTables:
        """Return the tables as a version of the images has them."""
        before = None
        if version is not None:
            later = [each for each in _dataset(path).versions() if each["version"] > version]
            before = time_of(later[0]) if later else None
        return PylanceTables(path, TABLE, dict(for_tables(_TABLE_FIELD, self.tuning)), before)

    def append(self, images: ImageSet, path: Path) -> int:
        """Add rows. Raises Unsupported if the table has one shape and dtype and these differ."""
        check_same_kind(images, _dataset(path).schema, self._schema(images))
        tables = self.tables_at(path)
        tables.check_appendable(images.tables)
        added_to = lance.write_dataset(self._stream(images), _place(path), mode="append")
        tables.append_all(images.tables)
        return int(added_to.version)

    def versions(self, path: Path) -> list[Version]:
        """List the dataset's versions."""
        return [
            Version(int(version["version"]), version["timestamp"].astimezone(UTC))
            for version in _dataset(path).versions()
        ]

    def restore(self, path: Path, version: int) -> int:
        """Check out the old version and make it the newest."""
        tables = self._tables(path, version)
        _dataset(path).checkout_version(version).restore()
        tables.restore()
        return int(_dataset(path).version)

    def prune(self, path: Path, keep: int) -> None:
        """Remove old versions with Lance's `cleanup_old_versions`. No other process may write."""
        prune(_dataset(path), keep)
        oldest = self.versions(path)[0].number
        self._tables(path, oldest).prune(prune)

    def _schema(self, images: ImageSet) -> pa.Schema:
        return image_schema(images, self.layout, metadata=dict(self._settings.field))

    def _stream(self, images: ImageSet) -> pa.RecordBatchReader:
        schema = self._schema(images)
        if self._settings.tiff is not None:
            images = CompressedTiffs(images, self._settings.tiff)
        batches = image_batches(images, self.layout, schema, 1)
        if not self._settings.blobs:
            return pa.RecordBatchReader.from_batches(schema, batches)
        field = schema.field(IMAGE)
        blob = _blob_field().with_metadata(field.metadata)
        blob_schema = schema.set(schema.get_field_index(IMAGE), blob)
        return pa.RecordBatchReader.from_batches(
            blob_schema, (as_blobs(batch, blob_schema) for batch in batches)
        )


def _blob_field() -> Any:
    if not hasattr(lance, "blob_field"):
        raise Unsupported(f"pylance {lance.__version__} has no blob columns")
    return lance.blob_field(IMAGE, nullable=False)


def _place(path: Path) -> str:
    return str(path / f"{TABLE}.lance")


def _dataset(path: Path) -> Any:
    return lance.dataset(_place(path))
