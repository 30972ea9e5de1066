"""Adding, listing, opening, restoring and removing versions."""

from platebench.timing.writing import (
    AppendCell,
    GrowCell,
    ListVersionsCell,
    OpenVersionCell,
    PruneCell,
    RestoreCell,
)

from .common import StoreCell


class Append(StoreCell, AppendCell):
    """Add a tenth more images as a new version, to the end of fsync."""

    version = "1"

    def time_append(self, store, images):
        self.operation()


class Grow(StoreCell, GrowCell):
    """Add a tenth more images twenty times, each as a version, to the end of every fsync."""

    version = "1"
    repeat = 1

    def time_grow(self, store, images):
        self.operation()


class ListVersions(StoreCell, ListVersionsCell):
    """List the versions of a store that has two."""

    version = "1"

    def time_list(self, store, images):
        self.operation()


class OpenVersion(StoreCell, OpenVersionCell):
    """Open the first of two versions and copy every image out."""

    version = "1"

    def time_open(self, store, images):
        self.operation()


class Restore(StoreCell, RestoreCell):
    """Make the first of two versions the newest again, to the end of fsync."""

    version = "1"

    def time_restore(self, store, images):
        self.operation()


class Prune(StoreCell, PruneCell):
    """Remove the first of two versions and what only it needed, to the end of fsync."""

    version = "1"

    def time_prune(self, store, images):
        self.operation()
