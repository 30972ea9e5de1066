"""Write an image set with several processes at once."""

from platebench.stores.together import shares
from platebench.stores.together_parts import together_of
from platebench.timing.cell import Cell
from platebench.timing.drain import check_stored
from platebench.timing.page_cache import sync_tree
from platebench.timing.pool import Pool
from platebench.timing.writers import ShareWriter

from .common import WORKSPACE

WRITERS = ["1", "2", "4"]


class Writers(Cell):
    """Write all images into one store with so many processes, to the end of fsync.

    Each writes its share of the rows in the way that the format documents for several writers, or
    as a part of platebench's part list. The record's `way` says which. The processes have started
    and hold the images before the timer starts. Their CPU time counts. What they wrote is read back
    afterwards.
    """

    version = "1"
    workspace = WORKSPACE
    param_names = [*Cell.param_names, "writers"]
    params = [*Cell.params, WRITERS]

    def prepare_cell(self, writers):
        self.together = together_of(self.store)
        self.record["way"] = self.together.way
        root, store = str(self.workspace.root), str(self.store.name)
        self.pool = Pool(int(writers), ShareWriter, root, self.images.name, store)
        self.timer.others = self.pool.cpu_s

    def prepare_sample(self):
        self.target = self.new_target()

    def warm_up(self):
        self.operation()
        self.prepare_sample()

    def time_writers(self, store, images, writers):
        begun = self.together.begin(self.images, self.target)
        asked = shares(len(self.images), len(self.pool), begun.unit)
        written = self.pool.each("write", [(str(self.target), rows, begun.state) for rows in asked])
        self.together.end(self.images, self.target, written)
        sync_tree(self.target)

    def check_sample(self):
        check_stored(self.together, self.target, self.images)
