"""Read every image once, shuffled, in batches, by worker processes: an epoch of a training."""

from statistics import median

from platebench.errors import Mismatch
from platebench.timing import page_cache
from platebench.timing.drain import check
from platebench.timing.loader import Loader, Slots, shuffled
from platebench.timing.reading_workers import BatchWorker
from platebench.timing.worker_cell import WorkerCell, check_bytes, workers_in

from .common import WORKSPACE

WORKERS = ["1 worker", "2 workers"]


class Epoch(WorkerCell):
    """Receive every image once, in shuffled order and batches of 32, from workers that read ahead.

    A sample is the second or a later epoch: the workers are started and have opened the store and
    read an epoch before. What the first batch of the first epoch takes, with the start of the
    workers and their imports, is recorded as `start_s`, and what that of a later one takes as
    `first_batch_s`. Batches arrive in shared memory. Files are in the page cache.
    """

    version = "1"
    workspace = WORKSPACE
    param_names = [*WorkerCell.param_names, "workers"]
    params = [*WorkerCell.params, WORKERS]

    def prepare_cell(self, workers):
        self.epochs = 0
        self.first_batches = []
        self.slots = Slots(self.images, workers_in(workers))
        memory, slot_bytes = self.slots.memory, self.slots.slot_bytes
        self.start(workers_in(workers), BatchWorker, memory, slot_bytes)
        self.loader = Loader(self.pool)

    def prepare_sample(self):
        self.epochs += 1
        self.batches = shuffled(len(self.images), self.epochs)

    def warm_up(self):
        """Read the first epoch, and compare every image of it."""
        starting = self.elapsed()
        for batch in self.loader.epoch(self.batches, "kinds"):
            rows = self.batches[batch.number]
            self.check_kinds(batch.returned, rows)
            check(self.slots.images_in(batch.slot, rows), self.images, rows)
        self.record["start_s"] = starting + self.loader.first_batch_s

    def spoil(self):
        self.slots.spoil()

    def time_epoch(self, store, images, workers):
        self.arrived = list(self.loader.epoch(self.batches))

    def check_sample(self):
        if self.has_failed:
            return
        check_bytes(sum(batch.returned for batch in self.arrived), self.expected_bytes)
        for batch in self.arrived[-self.slots.count :]:  # those that are in memory still
            rows = self.batches[batch.number]
            check(self.slots.images_in(batch.slot, rows), self.images, rows)
        if self.timer.wall_s:
            self.first_batches.append(self.loader.first_batch_s)
            self.record["first_batch_s"] = median(self.first_batches)

    def check_kinds(self, kinds, rows):
        """Raise Mismatch unless a batch has the dtypes and shapes of these rows."""
        expected = [(self.images.dtypes[row].str, self.images.shapes[row]) for row in rows]
        for row, found, wanted in zip(rows, kinds, expected, strict=False):
            if found != wanted:
                raise Mismatch(f"image {row} came back as {found}, not {wanted}")
        if len(kinds) != len(rows):
            raise Mismatch(f"{len(kinds)} images came back for the {len(rows)} of a batch")


class ColdEpoch(Epoch):
    """The same from the disk. The workers open the store anew in each sample."""

    version = "2"

    def prepare_sample(self):
        super().prepare_sample()
        self.pool.all("close")
        page_cache.make_cold(self.path)
