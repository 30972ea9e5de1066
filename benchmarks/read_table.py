"""Read the columns that are not pixels."""

from platebench.timing import page_cache
from platebench.timing.cell import Cell
from platebench.timing.drain import check_table

from .common import WORKSPACE


class ReadTable(Cell):
    """Open the store, read the table without pixels, close. Files are in the page cache."""

    version = "2"
    workspace = WORKSPACE

    def prepare_cell(self):
        self.expect([])

    def warm_up(self):
        self.operation()

    def time_table(self, store, images):
        with self.store.open(self.path) as opened:
            self.table = opened.table()

    def check_sample(self):
        check_table(self.table, self.images)


class ColdReadTable(ReadTable):
    """The same from the disk."""

    version = "3"

    def prepare_sample(self):
        page_cache.make_cold(self.path)
