"""Open a store, and count its images."""

from platebench.errors import Mismatch
from platebench.timing import page_cache
from platebench.timing.cell import Cell
from platebench.timing.drain import check

from .common import WORKSPACE


class Open(Cell):
    """Open the store, ask for its number of images, close. Files are in the page cache.

    What a library reads only when the first image is asked for is not in it.
    """

    version = "1"
    workspace = WORKSPACE

    def prepare_cell(self):
        self.expect([])
        self.found = None

    def time_open(self, store, images):
        with self.store.open(self.path) as opened:
            self.found = len(opened)

    def verify(self):
        """Compare the last image too: the number must be of images that are there."""
        last = [len(self.images) - 1]
        with self.store.open(self.path) as opened:
            check(opened.take_into(last, self.memory), self.images, last)

    def spoil(self):
        super().spoil()
        self.found = None

    def check_sample(self):
        if self.found != len(self.images):
            raise Mismatch(f"{self.found} images were counted, not {len(self.images)}")


class ColdOpen(Open):
    """The same from the disk."""

    version = "2"

    def prepare_sample(self):
        page_cache.make_cold(self.path)
