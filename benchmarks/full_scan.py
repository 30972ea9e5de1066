"""Read every image, in row order."""

from platebench.timing import page_cache
from platebench.timing.cell import Cell
from platebench.timing.drain import check

from .common import WORKSPACE


class FullScan(Cell):
    """Open the store, copy every image out, close. Files are in the page cache."""

    version = "2"
    workspace = WORKSPACE

    def time_scan(self, store, images):
        with self.store.open(self.path) as opened:
            self.copied = self.drain(opened.scan_into(self.memory))

    def verify(self):
        with self.store.open(self.path) as opened:
            check(opened.scan_into(self.memory), self.images, self.rows)

    def check_sample(self):
        self.check_copied()


class ColdFullScan(FullScan):
    """The same from the disk."""

    version = "3"

    def prepare_sample(self):
        page_cache.make_cold(self.path)
