"""A package on the disk, opened: its manifest, its store, its list of images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported, UserError
from platebench.limits import refuse_larger_than_memory
from platebench.packages.image_list import read_image_list
from platebench.packages.manifest import DATA, PackageManifest, read_manifest
from platebench.stores import registry
from platebench.stores.contract import OpenStore, VersionedStore
from platebench.stores.name import StoreName
from platebench.stores.part_list import with_versions


@dataclass(frozen=True)
class Package:
    """The package in a folder, and its manifest."""

    folder: Path
    manifest: PackageManifest

    @property
    def data(self) -> Path:
        """The folder of the stored image set."""
        return self.folder / DATA

    @property
    def store(self) -> VersionedStore:
        """The store. Raises UserError if its library is not installed here."""
        return versioned(self.manifest.store)

    def open(self, version: int | None = None) -> OpenStore:
        """Open a version of the images and tables, the newest by default.

        Raises UserError if there is no such version, or if the store's library is missing.
        """
        return self.store.open(self.data, self.manifest.version(version).data_version)

    def open_digested(self, version: int | None = None) -> OpenStore:
        """Open what the SHA-256 of the images are of: their files' bytes, or their pixels."""
        number = self.manifest.version(version).data_version
        if self.manifest.digest_of == "file":
            return self.store.open_files(self.data, number)
        return self.store.open(self.data, number)

    def images(self, version: int | None = None) -> pa.Table:
        """Return the list of the images of a version, of `image_list.SCHEMA`."""
        return read_image_list(self.folder / self.manifest.version(version).image_list)


def open_package(folder: Path) -> Package:
    """Read the manifest of a package. Raises UserError if it is none, or if it is damaged."""
    return Package(folder, read_manifest(folder))


def versioned(name: StoreName) -> VersionedStore:
    """Return a store that keeps versions: its own, or platebench's part list.

    Raises UserError for a store that does not exist, whose library is not installed, or of which
    no package can be made.
    """
    unmovable = registry.format_of(name).no_package
    if unmovable:
        raise UserError(f"{name}: no package can be made of it: {unmovable}; choose another store")
    try:
        return with_versions(registry.find(name))
    except Unsupported as reason:
        raise UserError(f"{name}: {reason}") from reason


def require_memory(images: pa.Table) -> None:
    """Raise UserError if an image claims more than a share of the memory."""
    shapes, dtypes = images["shape"].to_pylist(), images["dtype"].to_pylist()
    for shape, dtype in set(zip(map(tuple, shapes), dtypes, strict=True)):
        size = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
        refuse_larger_than_memory("an image of the package", size)


def pixel_sizes(images: pa.Table) -> list[int]:
    """Return the bytes of pixels of each image of a list."""
    shapes, dtypes = images["shape"].to_pylist(), images["dtype"].to_pylist()
    return [
        int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        for shape, dtype in zip(shapes, dtypes, strict=True)
    ]
