"""Convert a folder of TIFF files into a store."""

from contextlib import ExitStack

from platebench.stores.stored_images import StoredImages
from platebench.timing import page_cache
from platebench.timing.cell import Cell
from platebench.timing.drain import check_files, check_stored
from platebench.timing.prepare import prepare_folder

from .common import WORKSPACE


class Convert(Cell):
    """Read and decode a folder of TIFF files, and write the store, to the end of fsync.

    The folder is in the page cache. After the timer all images are read back; where the store keeps
    TIFF files, each is the folder's, byte for byte. The record's `converted_bytes` are those
    written.
    """

    version = "1"
    workspace = WORKSPACE

    def prepare_cell(self):
        self.folder_store, self.folder = prepare_folder(self.workspace, self.images)
        page_cache.renew(self.folder)

    def prepare_sample(self):
        self.target = self.new_target()

    def convert(self, target, rows=None):
        with ExitStack() as stack:
            opened = stack.enter_context(self.folder_store.open(self.folder))
            files = stack.enter_context(self.folder_store.open_files(self.folder))
            images = StoredImages(opened, files)
            self.store.write(images if rows is None else images.select(rows), target)

    def warm_up(self):
        self.convert(self.target.with_name("one-image"), [0])

    def time_convert(self, store, images):
        self.convert(self.target)
        page_cache.sync_tree(self.target)

    def check_sample(self):
        check_stored(self.store, self.target, self.images)
        check_files(self.store, self.target, self.images)
        self.record["converted_bytes"], _ = page_cache.stored_size(self.target)
