"""Read single images by row."""

import random

from platebench.errors import Unsupported
from platebench.timing import page_cache
from platebench.timing.cell import Cell
from platebench.timing.drain import check

from .common import WORKSPACE

ROWS = ["1", "16 scattered", "16 in a run"]
MANY = 16
"""The rows of the last two. Fewer images would be read twice, from the processor's cache."""

HANDLES = ["reopened", "kept"]

ROWS_VERIFIED = 64
"""Rows compared before the first sample, in random order. Smaller sets are compared whole."""


class RandomRows(Cell):
    """Copy the images of some rows out. Files are in the page cache.

    The store is opened for each sample, or the handle is kept open. Each sample reads other rows,
    the same for every store. With the same rows, a library that caches decoded images would be
    measured on its cache.
    """

    version = "2"
    workspace = WORKSPACE
    param_names = [*Cell.param_names, "rows", "handle"]
    params = [*Cell.params, ROWS, HANDLES]

    def prepare_cell(self, rows, handle="reopened"):
        if rows != "1" and len(self.images) < MANY:
            raise Unsupported(f"reads {rows}, and the image set has {len(self.images)}")
        self.pattern = rows
        self.chance = random.Random(len(self.images))
        self.kept = self.store.open(self.path) if handle == "kept" else None

    def prepare_sample(self):
        self.expect(choose_rows(self.pattern, len(self.images), self.chance))

    def time_take(self, store, images, rows, handle):
        if self.kept is not None:
            self.copied = self.drain(self.kept.take_into(self.rows, self.memory))
            return
        with self.store.open(self.path) as opened:
            self.copied = self.drain(opened.take_into(self.rows, self.memory))

    def verify(self):
        images = len(self.images)
        rows = random.Random(images).sample(range(images), min(images, ROWS_VERIFIED))
        with self.store.open(self.path) as opened:
            check(opened.take_into(rows, self.memory), self.images, rows)

    def check_sample(self):
        self.check_copied()


class ColdRandomRows(RandomRows):
    """The same from the disk. The store is opened for each sample."""

    version = "3"
    param_names = [*Cell.param_names, "rows"]
    params = [*Cell.params, ROWS]

    def prepare_sample(self):
        super().prepare_sample()
        page_cache.make_cold(self.path)

    def time_take(self, store, images, rows):
        with self.store.open(self.path) as opened:
            self.copied = self.drain(opened.take_into(self.rows, self.memory))


def choose_rows(pattern, images, chance):
    """Return the rows to read: the same for the same `chance`, on every machine.

    Scattered rows are in random order and distinct, so there must be at least 16 images.
    """
    if pattern == "1":
        return [chance.randrange(images)]
    if pattern == "16 scattered":
        return chance.sample(range(images), MANY)
    start = chance.randrange(images - MANY + 1)
    return list(range(start, start + MANY))
