"""Reading single images by row."""

from platebench.timing.reading import Cold, TakeCell

from .common import StoreCell


class RandomRows(StoreCell, TakeCell):
    """Copy some rows' images out, through a handle reopened each time or kept; from the cache."""

    version = "1"

    def time_take(self, store, images, rows, handle):
        self.operation()


class ColdRandomRows(StoreCell, Cold, TakeCell):
    """The same with a reopened handle, from the disk."""

    version = "1"
    param_names = TakeCell.param_names[:-1]
    params = TakeCell.params[:-1]

    def time_take(self, store, images, rows):
        self.operation()
