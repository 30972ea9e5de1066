"""Write an image set."""

from platebench.timing.cell import Cell
from platebench.timing.drain import check_stored
from platebench.timing.page_cache import sync_tree

from .common import WORKSPACE


class Write(Cell):
    """Write all images and their table, to the end of fsync. Read back after the timer."""

    version = "2"
    workspace = WORKSPACE

    def prepare_sample(self):
        self.target = self.new_target()

    def warm_up(self):
        self.store.write(self.images.select([0]), self.target.with_name("one-image"))

    def time_write(self, store, images):
        self.store.write(self.images, self.target)
        sync_tree(self.target)

    def check_sample(self):
        check_stored(self.store, self.target, self.images)
