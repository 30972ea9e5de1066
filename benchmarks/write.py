"""Writing an image set."""

from platebench.timing.writing import WriteCell

from .common import StoreCell


class Write(StoreCell, WriteCell):
    """Write all images and their table, to the end of fsync; read back after the timer."""

    version = "1"

    def time_write(self, store, images):
        self.operation()
