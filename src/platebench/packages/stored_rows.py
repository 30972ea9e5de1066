"""Rows of a package that a Dask worker reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from platebench.packages.manifest import DATA, MANIFEST, DigestOf
from platebench.packages.stored import Package, versioned
from platebench.stores.name import StoreName
from platebench.workers import require_seen

_TOGETHER = 16
"""Images that are read in one call: some stores read a block of 16 for one of them."""


@dataclass(frozen=True)
class StoredRows:
    """Some rows of a version of a package. It is small, and can be sent to another process.

    `data_version` is the number that the store gave the version.
    """

    folder: Path
    store: StoreName
    data_version: int
    digest_of: DigestOf
    rows: tuple[int, ...] | range

    @classmethod
    def of(cls, package: Package, version: int | None, rows: tuple[int, ...] | range) -> StoredRows:
        """Return rows of a version of a package, of the newest by default."""
        manifest = package.manifest
        number = manifest.version(version).data_version
        return cls(package.folder, manifest.store, number, manifest.digest_of, rows)

    def read(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield each row's number and what its SHA-256 is of: its file's bytes, or its pixels.

        Each array is valid until the next one is requested.
        """
        store = versioned(self.store)
        open_rows = store.open_files if self.digest_of == "file" else store.open
        with open_rows(self.folder / DATA, self.data_version) as opened:
            for first in range(0, len(self.rows), _TOGETHER):
                rows = self.rows[first : first + _TOGETHER]
                yield from zip(rows, opened.take(rows), strict=True)


def require_package_seen(folder: Path) -> None:
    """Raise Unseen if the worker of this task cannot read the package in `folder`."""
    require_seen(folder / MANIFEST)
