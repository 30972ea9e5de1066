"""The images of a package as an image set, to be stored in another way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from platebench.errors import UserError
from platebench.images import tiff
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.packages.hashing import pixel_digest
from platebench.packages.image_list import SHA256
from platebench.packages.manifest import MANIFEST
from platebench.packages.parts import files_state
from platebench.packages.stored import Package, require_memory
from platebench.stores.contract import OpenStore
from platebench.stores.plain_tiff import read_tiff


class StoredImages(ImageSet):
    """Rows of an open package. Each image is compared with its SHA-256 when it is read."""

    tables: Mapping[str, pa.Table] = {}

    def __init__(
        self, name: str, opened: OpenStore, listed: pa.Table, rows: range, is_file: bool
    ) -> None:
        """`opened` returns files' bytes if `is_file`. `listed` is the package's list of images."""
        self.name = name
        self._opened = opened
        self._rows = rows
        self._is_file = is_file
        self._sha256 = listed[SHA256].slice(rows.start, len(rows)).to_pylist()
        table = opened.table().slice(rows.start, len(rows))
        self.table = table if is_file else _with_encoded_sizes(table)

    def pixels(self, row: int) -> np.ndarray:
        """Return image `row`. Raises UserError if it differs from its SHA-256."""
        array = self._read(row)
        if not self._is_file:
            return array
        return read_tiff(array.data, (self.shapes[row], self.dtypes[row]))

    def file(self, row: int) -> bytes | memoryview:
        """Return its TIFF file, or its pixels encoded as one."""
        array = self._read(row)
        return array.data if self._is_file else tiff.encode(array)

    def digests(self) -> Sequence[str]:
        """Return the digests of `images.imageset.digest`."""
        return [self.digest_of(row) for row in range(len(self))]

    def _read(self, row: int) -> np.ndarray:
        (array,) = self._opened.take([self._rows[row]])
        found = hashlib.sha256(array.data).hexdigest() if self._is_file else pixel_digest(array)
        if found != self._sha256[row]:
            path = self.table["path"][row].as_py()
            raise UserError(
                f"image {self._rows[row]} ({path}) differs from its SHA-256; 'platebench check'"
                " tells more"
            )
        return np.array(array)  # it is valid until the next one only


def _with_encoded_sizes(table: pa.Table) -> pa.Table:
    """Return the table with the size that each image has when it is encoded as a TIFF file."""
    kinds = zip(table["shape"].to_pylist(), table["dtype"].to_pylist(), strict=True)
    sizes = [tiff.encoded_size(tuple(shape), np.dtype(dtype)) for shape, dtype in kinds]
    place = table.schema.get_field_index("filesize_bytes")
    return table.set_column(place, IMAGE_SCHEMA.field(place), pa.array(sizes, pa.int64()))


@dataclass(frozen=True)
class PackagePart:
    """Rows of a version of a package."""

    package: Package
    version: int
    rows: range

    @contextmanager
    def opened(self) -> Iterator[ImageSet]:
        """Open the images."""
        listed = self.package.images(self.version)
        require_memory(listed)
        with ExitStack() as stack:
            opened = stack.enter_context(self.package.open_digested(self.version))
            is_file = self.package.manifest.digest_of == "file"
            name = self.package.manifest.name
            yield StoredImages(name, opened, listed, self.rows, is_file)

    def state(self) -> str:
        """Return a digest of the manifest's path, size and time: no other file changes."""
        told = files_state([self.package.folder / MANIFEST])
        return f"{told} {self.version} {self.rows}"

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)
