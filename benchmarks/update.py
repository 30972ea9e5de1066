"""Replace and delete one image of a hundred."""

from platebench.errors import Unsupported
from platebench.timing.cell import Cell
from platebench.timing.changes import (
    after_deleting,
    after_replacing,
    changed_rows,
    replacements,
)
from platebench.timing.drain import check, check_stored
from platebench.timing.page_cache import stored_size, sync_tree

from .common import WORKSPACE

REPLACE, DELETE = "replace 1%", "delete 1%"


class Update(Cell):
    """Replace or delete 1% of the images, at least one, to the end of fsync.

    A format's own call is used where it has one; otherwise the store is written again. All images
    are read back after the timer: the others are unchanged, in their order, and a replaced one is
    in its place, or with Lance, which writes it anew, after all others. The record's
    `bytes_before` and `bytes_after` are those stored before and after.
    """

    version = "1"
    workspace = WORKSPACE
    param_names = [*Cell.param_names, "change"]
    params = [*Cell.params, [REPLACE, DELETE]]

    def prepare_cell(self, change):
        if len(self.images) < 2:
            raise Unsupported("one image of a set of one would be all")
        self.changed = changed_rows(len(self.images))
        self.others = replacements(self.images, self.changed)
        self.expect(self.changed)
        self.change = change

    def prepare_sample(self):
        self.target = self.copy_of_stored(whole=True)
        self.record["bytes_before"] = stored_size(self.target)[0]

    def warm_up(self):
        self.operation()
        self.prepare_sample()

    def time_update(self, store, images, change):
        if change == REPLACE:
            self.store.replace(self.target, self.changed, self.others)
        else:
            self.store.delete(self.target, self.changed)
        sync_tree(self.target)

    def check_sample(self):
        if self.change == REPLACE:
            after = after_replacing(self.store, self.target, self.images, self.changed, self.others)
        else:
            after = after_deleting(self.images, self.changed)
        check_stored(self.store, self.target, after)
        rows = [0, *(row for row in self.changed if row < len(after)), len(after) - 1]
        with self.store.open(self.target) as opened:
            check(opened.take(rows), after, rows)
        self.record["bytes_after"] = stored_size(self.target)[0]
