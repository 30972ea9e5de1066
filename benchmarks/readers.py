"""Read random rows of one store by several processes at once, alone or while another appends."""

import random

import numpy as np

from platebench.errors import Mismatch
from platebench.timing.drain import MOST_BYTES, check_stored
from platebench.timing.pool import Pool, SharedMemory
from platebench.timing.reading_workers import RowWorker, some_pixels
from platebench.timing.worker_cell import WorkerCell, check_bytes, workers_in
from platebench.timing.writers import Appender

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


class ReadersAndWriter(Readers):
    """Have two processes take 64 random rows each, while a third appends images to the same store.

    The readers keep the version open that was there before. The writer appends one image a version,
    without fsync, until the last reader has its last row; it begins one at least. Each sample has a
    new copy of the stored files, which is read whole afterwards.
    """

    version = "1"
    versioned = True
    kind = "first"
    params = [*WorkerCell.params, ["2 readers and 1 writer"]]

    def prepare_cell(self, processes):
        super().prepare_cell(processes)
        self.end = SharedMemory(1)
        root = str(self.workspace.root)
        self.writer = Pool(1, Appender, root, self.images.name, self.store, self.end)
        readers_cpu_s = self.timer.others
        self.timer.others = lambda: readers_cpu_s() + self.writer.cpu_s()

    def prepare_sample(self):
        super().prepare_sample()
        self.target = self.copy_of_stored()
        self.pool.all("move", self.target)

    def warm_up(self):
        """Have every process read a few rows and the other append, then begin with a new copy."""
        super().warm_up()
        self.operation()
        self.written()
        self.prepare_sample()

    def time_readers(self, store, images, processes):
        self.end.array[0] = 0
        self.writer.send(0, "append", self.target)
        try:
            super().time_readers(store, images, processes)
        finally:
            self.end.array[0] = 1

    def written(self):
        """Wait until the writer has ended, and return the images that it has appended."""
        _, appended = self.writer.receive()
        return appended

    def check_sample(self):
        if self.has_failed:
            return
        appended = self.written()
        super().check_sample()
        rows = [*range(len(self.images)), *appended]
        check_stored(self.store, self.target, self.images.select(rows))
