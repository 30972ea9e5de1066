"""The cells that write: a whole image set, and the operations on versions."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import ClassVar

from platebench.errors import Mismatch
from platebench.images.imageset import ImageSet
from platebench.ownership import Lent
from platebench.timing.cell import Cell
from platebench.timing.drain import check, check_table
from platebench.timing.page_cache import stored_size, sync_tree
from platebench.timing.workspace import Kind, tenth, with_tenth

VERSIONS_ADDED = 20
"""How often a store grows, in the cell that looks at that."""


class Scratch(Cell):
    """A cell that writes into a folder of its own, new for every sample."""

    _lent: Lent | None = None

    def before(self) -> None:
        """Make room for a sample."""
        self._remove()
        self._lent = self.workspace.lend()
        self.target = self._lent.path / "store"
        self.fill()

    def fill(self) -> None:
        """Put into `target` what the operation begins with."""

    def setup(self, store: str, images: str, *details: object) -> None:
        """Set up; what failed before its first sample leaves nothing either."""
        try:
            super().setup(store, images, *details)
        except BaseException:
            self._remove()
            raise

    def teardown(self, *params: object) -> None:
        """Check the sample, then remove what it wrote."""
        try:
            super().teardown(*params)
        finally:
            self._remove()

    def check_newest(self, images: ImageSet, version: int | None = None) -> None:
        """Raise Mismatch unless this version (or the only one) holds exactly `images`."""
        opened = self.store.open(self.target, *([] if version is None else [version]))
        with opened:
            check(opened.scan(), images, range(len(images)))
            check_table(opened.table(), images)

    def warm_up(self) -> None:
        """Do it once, on a copy that is thrown away."""
        self.operation()
        self.before()

    def verify(self) -> None:
        """Nothing more than `after` has compared, after every sample."""

    def _remove(self) -> None:
        if self._lent is not None:
            self._lent.close()


class WriteCell(Scratch):
    """Write an image set, to the end of fsync."""

    def operation(self) -> None:
        """Write, and wait for the disk."""
        self.store.write(self.images, self.target)
        sync_tree(self.target)

    def warm_up(self) -> None:
        """Write one image."""
        self.store.write(self.images.select([0]), self.target.with_name("one-image"))

    def after(self) -> None:
        """Read all of it back."""
        self.check_newest(self.images)


def link_copy(path: Path, target: Path) -> None:
    """Copy a file or a folder by hard links."""
    if path.is_dir():
        shutil.copytree(path, target, copy_function=os.link)
    else:
        os.link(path, target)


class VersionCell(Scratch):
    """A cell on a store with two versions: the images, and a tenth more."""

    versioned = True
    kind: ClassVar[Kind] = "history"

    def first(self) -> None:
        """Know the first version, and what the newest holds."""
        self.first_version = self.workspace.first_version(self.store, self.images)
        self.grown = with_tenth(self.images)

    def fill(self) -> None:
        """Copy the stored image set by hard links: no versioned store changes a file in place."""
        link_copy(self.path, self.target)


class AppendCell(VersionCell):
    """Add a tenth more images as a new version, to the end of fsync."""

    kind: ClassVar[Kind] = "data"

    def first(self) -> None:
        """Know what is added."""
        self.added = tenth(self.images)
        self.expects(range(len(self.added)))
        self.grown = with_tenth(self.images)

    def warm_up(self) -> None:
        """Append one image."""
        self.store.append(self.added.select([0], first_row=len(self.images)), self.target)
        self.before()

    def operation(self) -> None:
        """Append, and wait for the disk."""
        self.store.append(self.added, self.target)
        sync_tree(self.target)

    def after(self) -> None:
        """Compare all images of the new version and of the one before."""
        self.check_newest(self.grown)
        self.check_newest(self.images, self.store.versions(self.target)[-2].number)


class GrowCell(VersionCell):
    """Add a tenth of the images twenty times, each time as a version, to the end of fsync.

    What the store takes before the first and after each is in the record's `version_bytes`.
    """

    kind: ClassVar[Kind] = "data"

    def first(self) -> None:
        """Know what is added."""
        self.added = [tenth(self.images, time) for time in range(1, VERSIONS_ADDED + 1)]
        self.expects(list(range(len(self.added[0]))) * VERSIONS_ADDED)
        self.grown = with_tenth(self.images, VERSIONS_ADDED)

    def warm_up(self) -> None:
        """Append once."""
        self.store.append(self.added[0], self.target)
        self.before()

    def operation(self) -> None:
        """Append twenty times, and each time wait for the disk."""
        for added in self.added:
            self.store.append(added, self.target)
            sync_tree(self.target)

    def verify(self) -> None:
        """Grow another copy, noting bytes: looking at them has no place in what is timed."""
        self.before()
        sizes = [stored_size(self.target)[0]]
        for added in self.added:
            self.store.append(added, self.target)
            sizes.append(stored_size(self.target)[0])
        self._record["version_bytes"] = sizes

    def after(self) -> None:
        """Compare all images of the newest version and of the first."""
        self.check_newest(self.grown)
        first = self.store.versions(self.target)[-1 - VERSIONS_ADDED]
        self.check_newest(self.images, first.number)


class NoPixelsCell(VersionCell):
    """A cell on versions that moves no image."""

    def first(self) -> None:
        """Read no pixels."""
        super().first()
        self.expects([])


class ListVersionsCell(NoPixelsCell):
    """List the versions."""

    def operation(self) -> None:
        """List them."""
        self.listed = self.store.versions(self.target)

    def after(self) -> None:
        """See that both versions are there."""
        numbers = [version.number for version in self.listed]
        if self.first_version not in numbers[:-1]:
            raise Mismatch(f"versions {numbers} do not show {self.first_version} as an old one")


class OpenVersionCell(VersionCell):
    """Open the first version, read every image of it, close."""

    def warm_up(self) -> None:
        """Read one image."""
        Cell.warm_up(self)

    def operation(self) -> None:
        """Copy every image of the first version out."""
        with self.store.open(self.target, self.first_version) as opened:
            self.copied = self.drain(opened.scan())

    def verify(self) -> None:
        """Compare every image of both versions."""
        self.check_newest(self.images, self.first_version)
        self.check_newest(self.grown)


class RestoreCell(NoPixelsCell):
    """Make the first version the newest again."""

    def operation(self) -> None:
        """Restore, and wait for the disk."""
        self.store.restore(self.target, self.first_version)
        sync_tree(self.target)

    def after(self) -> None:
        """Compare all images of the newest version."""
        self.check_newest(self.images)


class PruneCell(NoPixelsCell):
    """Remove all versions but the newest."""

    def operation(self) -> None:
        """Prune, and wait for the disk."""
        self.store.prune(self.target, keep=1)
        sync_tree(self.target)

    def after(self) -> None:
        """See that one version is left, and compare all its images."""
        left = [version.number for version in self.store.versions(self.target)]
        if len(left) != 1:
            raise Mismatch(f"versions {left} are left, not one")
        self.check_newest(self.grown)
