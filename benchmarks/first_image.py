"""From nothing to the first image."""

from platebench.timing.first_image import FirstImageCell

from .common import StoreCell


class FirstImage(StoreCell, FirstImageCell):
    """Start an interpreter, import, open the store, copy one image out."""

    version = "1"

    def time_first(self, store, images):
        self.operation()
