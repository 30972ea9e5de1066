"""Read and grow the table of objects that belongs to the images.

A read ends when all values are copied into the suite's memory. A sample is compared with the table
that was written; the pixels with their digests.
"""

import pyarrow as pa

from platebench.errors import Mismatch
from platebench.images.objects import FEATURES, KEYS, OBJECT, OBJECTS, more_objects_of
from platebench.timing import page_cache
from platebench.timing.drain import check
from platebench.timing.joined import objects_by_image
from platebench.timing.page_cache import sync_tree
from platebench.timing.table_cell import LARGE_MITOTIC, SCALES, TableCell, check_equal

from .common import WORKSPACE

TWO = ["area", "mean_dna"]
"""Columns that ReadColumns reads: what a scatter plot needs."""

FIVE = ["well", OBJECT, "area", "mean_dna", "std_dna"]
"""Columns of the rows that FilterRows selects."""

JOINED = [OBJECT, *FEATURES]
"""Columns that Join hands over with each image. It also reads the keys."""

ADDED = 1000
"""Rows that AppendRows adds: the objects of a few more images."""


class ReadColumns(TableCell):
    """Open the store, copy two columns of the table out, close. Files are in the page cache."""

    version = "1"
    workspace = WORKSPACE

    def prepare_cell(self, objects):
        super().prepare_cell(objects)
        self.expect_table(self.objects.select(TWO))

    def time_column(self, store, images, objects):
        with self.store.open(self.path) as opened:
            self.receive(opened.read_table(OBJECTS, TWO))

    def check_sample(self):
        self.check_received()


class ColdReadColumns(ReadColumns):
    """The same from the disk."""

    version = "2"

    def prepare_sample(self):
        page_cache.make_cold(self.path)


class FilterRows(TableCell):
    """Open the store, copy five columns of the large mitotic objects out, close.

    Files are in the page cache.
    """

    version = "1"
    workspace = WORKSPACE

    def prepare_cell(self, objects):
        super().prepare_cell(objects)
        self.expect_table(self.large_mitotic().select(FIVE))

    def time_filter(self, store, images, objects):
        with self.store.open(self.path) as opened:
            self.receive(opened.read_table(OBJECTS, FIVE, LARGE_MITOTIC))

    def check_sample(self):
        self.check_received()


class ColdFilterRows(FilterRows):
    """The same from the disk."""

    version = "2"

    def prepare_sample(self):
        page_cache.make_cold(self.path)


class ImagesWhere(TableCell):
    """Open the store, copy the images that hold large mitotic objects out, close.

    They are about one image of six. Files are in the page cache.
    """

    version = "1"
    workspace = WORKSPACE

    def prepare_cell(self, objects):
        super().prepare_cell(objects)
        found = self.objects_per_image(self.large_mitotic())
        self.expect([row for row, number in enumerate(found) if number])

    def time_images_where(self, store, images, objects):
        with self.store.open(self.path) as opened:
            self.copied = self.drain(opened.images_where_into(OBJECTS, LARGE_MITOTIC, self.memory))

    def verify(self):
        with self.store.open(self.path) as opened:
            found = opened.images_where_into(OBJECTS, LARGE_MITOTIC, self.memory)
            check(found, self.images, self.rows)

    def check_sample(self):
        self.check_copied()


class ColdImagesWhere(ImagesWhere):
    """The same from the disk."""

    version = "2"

    def prepare_sample(self):
        page_cache.make_cold(self.path)


class Join(TableCell):
    """Open the store, copy every image out with the features of its objects, close.

    The suite links objects and images by their keys, with the same code for every store. Files are
    in the page cache.
    """

    version = "1"
    workspace = WORKSPACE

    def prepare_cell(self, objects):
        super().prepare_cell(objects)
        self.expect_table(self.objects.select(JOINED), range(len(self.images)))
        self.found = self.objects_per_image(self.objects)

    def time_join(self, store, images, objects):
        with self.store.open(self.path) as opened:
            read = opened.read_table(OBJECTS, [*KEYS, *JOINED])
            parts = objects_by_image(read, opened.table(), JOINED)
            arrays = opened.scan_into(self.memory)
            self.copied = self.drain(self.receive.beside(arrays, parts))

    def verify(self):
        with self.store.open(self.path) as opened:
            check(opened.scan_into(self.memory), self.images, self.rows)

    def check_sample(self):
        self.check_copied()
        self.check_received()
        if self.receive.lengths != self.found:
            raise Mismatch("some objects came with another image than their own")


class ColdJoin(Join):
    """The same from the disk."""

    version = "2"

    def prepare_sample(self):
        page_cache.make_cold(self.path)


class AppendRows(TableCell):
    """Append 1,000 rows to the table, to the end of fsync. Read back after the timer."""

    version = "1"
    workspace = WORKSPACE

    def prepare_cell(self, objects):
        super().prepare_cell(objects)
        self.added = more_objects_of(self.images, SCALES[objects], ADDED)
        self.grown = pa.concat_tables([self.objects, self.added])
        self.expect([])

    def prepare_sample(self):
        self.target = self.copy_of_stored(whole=True)

    def warm_up(self):
        self.store.append_rows(OBJECTS, self.added.slice(0, 1), self.target)
        self.prepare_sample()

    def time_append_rows(self, store, images, objects):
        self.store.append_rows(OBJECTS, self.added, self.target)
        sync_tree(self.target)

    def verify(self):
        """Compare the images too: adding rows must not touch them."""
        with self.store.open(self.target) as opened:
            check(opened.scan(), self.images, range(len(self.images)))

    def check_sample(self):
        with self.store.open(self.target) as opened:
            check_equal(self.grown, opened.read_table(OBJECTS))
