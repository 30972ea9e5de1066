"""Reading the columns that are not pixels."""

from platebench.timing.reading import Cold, TableCell

from .common import StoreCell


class ReadTable(StoreCell, TableCell):
    """Open, read the table without touching pixels, close; from the page cache."""

    version = "1"

    def time_table(self, store, images):
        self.operation()


class ColdReadTable(StoreCell, Cold, TableCell):
    """The same, from the disk."""

    version = "1"

    def time_table(self, store, images):
        self.operation()
