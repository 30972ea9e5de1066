"""Append images, list, open, restore and prune versions.

Every sample works on a new copy of the stored files. A history holds two versions: the images, and
the images with a tenth more. Formats without versions of their own are measured with platebench's
part list.
"""

from platebench.errors import Mismatch
from platebench.timing.cell import Cell
from platebench.timing.drain import check_stored
from platebench.timing.page_cache import stored_size, sync_tree
from platebench.timing.workspace import tenth, with_tenth

from .common import WORKSPACE

VERSIONS_ADDED = 20
"""Versions that Grow adds."""


class _OnCopies(Cell):
    """What changes a store: every sample has a copy of its own."""

    workspace = WORKSPACE
    versioned = True

    def prepare_sample(self):
        self.target = self.copy_of_stored()


class _OnHistory(_OnCopies):
    """What is done with a history, and brings no image into the reader's memory."""

    kind = "history"

    def prepare_cell(self):
        self.first_version = self.workspace.first_version(self.store, self.images)
        self.expect([])

    def warm_up(self):
        self.operation()
        self.prepare_sample()


class Append(_OnCopies):
    """Append a tenth more images as a new version, to the end of fsync."""

    version = "2"
    kind = "first"

    def prepare_cell(self):
        self.added = tenth(self.images)
        self.grown = with_tenth(self.images)
        self.expect(range(len(self.added)))

    def warm_up(self):
        self.store.append(self.added.select([0], first_row=len(self.images)), self.target)
        self.prepare_sample()

    def time_append(self, store, images):
        self.store.append(self.added, self.target)
        sync_tree(self.target)

    def check_sample(self):
        check_stored(self.store, self.target, self.grown)
        before = self.store.versions(self.target)[-2].number
        check_stored(self.store, self.target, self.images, before)


class Grow(_OnCopies):
    """Append a tenth more images twenty times, each as a version, to the end of every fsync.

    The record's `version_bytes` are the bytes stored before the first append and after each.
    """

    version = "2"
    kind = "first"
    repeat = 1

    def prepare_cell(self):
        self.added = [tenth(self.images, time) for time in range(1, VERSIONS_ADDED + 1)]
        self.grown = with_tenth(self.images, VERSIONS_ADDED)
        self.expect(list(range(len(self.added[0]))) * VERSIONS_ADDED)

    def warm_up(self):
        self.store.append(self.added[0], self.target)
        self.prepare_sample()

    def time_grow(self, store, images):
        for added in self.added:
            self.store.append(added, self.target)
            sync_tree(self.target)

    def verify(self):
        """Grow another copy and note its bytes, which the timed method has no time for."""
        self.prepare_sample()
        sizes = [stored_size(self.target)[0]]
        for added in self.added:
            self.store.append(added, self.target)
            sizes.append(stored_size(self.target)[0])
        self.record["version_bytes"] = sizes

    def check_sample(self):
        check_stored(self.store, self.target, self.grown)
        first = self.store.versions(self.target)[-1 - VERSIONS_ADDED].number
        check_stored(self.store, self.target, self.images, first)


class ListVersions(_OnHistory):
    """List the versions of a store that has two."""

    version = "2"

    def time_list(self, store, images):
        self.listed = self.store.versions(self.target)

    def check_sample(self):
        numbers = [version.number for version in self.listed]
        if self.first_version not in numbers[:-1]:
            raise Mismatch(f"versions {numbers} do not show {self.first_version} as an old one")


class OpenVersion(_OnCopies):
    """Open the first of two versions, copy every image out, close."""

    version = "2"
    kind = "history"

    def prepare_cell(self):
        self.first_version = self.workspace.first_version(self.store, self.images)

    def time_open(self, store, images):
        with self.store.open(self.target, self.first_version) as opened:
            self.copied = self.drain(opened.scan_into(self.memory))

    def verify(self):
        check_stored(self.store, self.target, self.images, self.first_version)
        check_stored(self.store, self.target, with_tenth(self.images))

    def check_sample(self):
        self.check_copied()


class Restore(_OnHistory):
    """Make the first of two versions the newest again, to the end of fsync."""

    version = "2"

    def time_restore(self, store, images):
        self.store.restore(self.target, self.first_version)
        sync_tree(self.target)

    def check_sample(self):
        check_stored(self.store, self.target, self.images)


class Prune(_OnHistory):
    """Remove all versions but the newest, and the bytes that only they need, to the end of fsync.

    The first version was restored, so that the images added by the second are in old versions only.
    Every sample has bytes of its own, on the disk before the timer starts. The record's
    `freed_bytes` are counted after the last sample.
    """

    version = "2"

    def prepare_sample(self):
        self.target = self.copy_of_stored(whole=True)
        self.store.restore(self.target, self.first_version)
        sync_tree(self.target)
        self.bytes_before, _ = stored_size(self.target)

    def time_prune(self, store, images):
        self.store.prune(self.target, keep=1)
        sync_tree(self.target)

    def check_sample(self):
        left = [version.number for version in self.store.versions(self.target)]
        if len(left) != 1:
            raise Mismatch(f"versions {left} are left, not one")
        check_stored(self.store, self.target, self.images)
        freed = self.bytes_before - stored_size(self.target)[0]
        if freed <= 0:
            raise Mismatch("no bytes were freed")
        self.record["freed_bytes"] = freed
