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
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores.lance_images import (
    TABLE,
    UNCOMPRESSED,
    OpenDataset,
    OpenStreaming,
    Settings,
    zstd,
)
from platebench.stores.lance_store import FILE_VERSION, LanceStore
from platebench.stores.lance_tables import PylanceTables
from platebench.stores.tiff_codec import CODECS
from platebench.stores.values import IMAGE, check_same_kind
from platebench.stores.variants import Variants

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


class Lance(LanceStore):
    """A folder with one Lance dataset of images, and one for each table."""

    format = "lance"
    reader, streaming = OpenDataset, OpenStreaming
    tables = PylanceTables

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)

    def write(self, images: ImageSet, path: Path) -> None:
        """Write the dataset from a stream of batches of one image each."""
        batches = self._stream(images, self._schema(images))
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        path.mkdir(parents=True, exist_ok=True)
        lance.write_dataset(batches, _place(path), **self._file_options)
        tables.write(images.tables)

    @property
    def _file_options(self) -> dict[str, Any]:
        return {} if self._settings.quick_start else {"data_storage_version": FILE_VERSION}

    def _dataset(self, path: Path) -> Any:
        return _dataset(path)

    def _listed(self, path: Path) -> list[dict[str, Any]]:
        return list(_dataset(path).versions())

    def _blob_field(self) -> pa.Field:
        if not hasattr(lance, "blob_field"):
            raise Unsupported(f"pylance {lance.__version__} has no blob columns")
        return lance.blob_field(IMAGE, nullable=False)

    def append(self, images: ImageSet, path: Path) -> int:
        """Add rows. Raises Unsupported if the table has one shape and dtype and these differ."""
        schema = self._schema(images)
        check_same_kind(images, _dataset(path).schema, schema)
        tables = self.tables_at(path)
        tables.check_appendable(images.tables)
        added_to = lance.write_dataset(self._stream(images, schema), _place(path), mode="append")
        tables.append_all(images.tables)
        return int(added_to.version)

    def restore(self, path: Path, version: int) -> int:
        """Check out the old version and make it the newest."""
        tables = self._tables(path, version)
        _dataset(path).checkout_version(version).restore()
        tables.restore()
        return int(_dataset(path).version)


def _place(path: Path) -> str:
    return str(path / f"{TABLE}.lance")


def _dataset(path: Path) -> Any:
    return lance.dataset(_place(path))
