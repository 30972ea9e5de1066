"""Read random rows of one store by several processes at the same time."""

import random

import numpy as np

from platebench.errors import Mismatch
from platebench.timing.drain import MOST_BYTES
from platebench.timing.reading_workers import RowWorker, some_pixels
from platebench.timing.worker_cell import WorkerCell, check_bytes, workers_in

from .common import WORKSPACE

PROCESSES = ["1 process", "2 processes", "4 processes", "8 processes", "16 processes"]

TAKES = 64
"""Takes of each process in a sample, each of one random row."""

SLOTS = 16
"""Images that the memory of a process has room for."""


ROWS_VERIFIED = 64
"""Rows that each process reads before the first sample, to compare them. Smaller sets: all."""


class Readers(WorkerCell):
    """Have each of some processes take 64 random rows, one row a call, all at the same time.

    The processes are started and have opened the store before, and each keeps it open. A sample
    lasts until the last one has its last row. The seconds of one take are recorded over all takes,
    as `take_p50_s` and `take_p99_s`. Files are in the page cache.
    """

    version = "1"
    workspace = WORKSPACE
    param_names = [*WorkerCell.param_names, "processes"]
    params = [*WorkerCell.params, PROCESSES]

    def prepare_cell(self, processes):
        count = len(self.images)
        self.chance = random.Random(count)
        self.takes = []
        slot_bytes = -(-max(map(self.images.image_bytes, range(count))) // 4096) * 4096 or 4096
        self.in_memory = max(1, min(SLOTS, MOST_BYTES // slot_bytes))
        self.start(workers_in(processes), RowWorker, self.in_memory, slot_bytes)

    def prepare_sample(self):
        count = len(self.images)
        self.asked = [
            [self.chance.randrange(count) for _ in range(TAKES)] for _ in range(len(self.pool))
        ]
        self.expect([row for rows in self.asked for row in rows])

    def warm_up(self):
        """Have every process read a few rows, so that its libraries are imported."""
        self.pool.each("take", [(rows[:4],) for rows in self.asked])

    def spoil(self):
        """Nothing to do: the processes change their own memory."""

    def time_readers(self, store, images, processes):
        self.read = self.pool.each("take", [(rows,) for rows in self.asked])

    def verify(self):
        """Have every process read many images, or all, in random order, and compare them."""
        count = len(self.images)
        many = random.Random(count).sample(range(count), min(count, ROWS_VERIFIED))
        for first in range(0, len(many), self.in_memory):
            rows = many[first : first + self.in_memory]
            self.pool.all("take", rows)
            for _, _, digests in self.pool.all("results"):
                self.check_digests(rows, digests)

    def check_sample(self):
        if self.has_failed:
            return
        check_bytes(sum(self.read), self.expected_bytes)
        for rows, (seconds, pixels, digests) in zip(
            self.asked, self.pool.all("results"), strict=True
        ):
            self.check_pixels(rows, pixels)
            self.check_digests(rows[-self.in_memory :], digests)
            self.takes += seconds if self.timer.wall_s else []
        if self.takes:
            half, most = np.percentile(self.takes, [50, 99])
            self.record |= {"take_p50_s": float(half), "take_p99_s": float(most)}

    def check_digests(self, rows, digests):
        """Raise Mismatch unless these are the digests of these rows."""
        expected = self.images.digests()
        for row, found in zip(rows, digests, strict=False):
            if found != expected[row]:
                raise Mismatch(
                    f"image {expected.index(found)} came back in place of image {row}"
                    if found in expected
                    else f"image {row} came back changed"
                )
        if len(digests) != len(rows):
            raise Mismatch(f"{len(digests)} of the {len(rows)} images asked for came back")

    def check_pixels(self, rows, pixels):
        """Raise Mismatch unless the pixels that were kept of every take are those of its row."""
        if len(pixels) != len(rows):
            raise Mismatch(f"{len(pixels)} of the {len(rows)} images asked for came back")
        for row, found in zip(rows, pixels, strict=True):
            if not np.array_equal(found, some_pixels(self.images.pixels(row))):
                raise Mismatch(f"image {row} came back changed or in place of another")
