"""Reading every image, in order."""

from platebench.timing.reading import Cold, ScanCell

from .common import StoreCell


class FullScan(StoreCell, ScanCell):
    """Open, copy every image out, close; from the page cache."""

    version = "1"

    def time_scan(self, store, images):
        self.operation()


class ColdFullScan(StoreCell, Cold, ScanCell):
    """The same, from the disk."""

    version = "1"

    def time_scan(self, store, images):
        self.operation()
