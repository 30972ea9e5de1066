"""Read crops of images, as a classifier of cells or a training on patches does."""

import random

from platebench.errors import Mismatch, Unsupported
from platebench.timing import page_cache
from platebench.timing.cell import Cell
from platebench.timing.crops import (
    bytes_of_reading,
    check_crops,
    check_room,
    crop_bytes,
    random_crops,
)

from .common import WORKSPACE

MANY = 16
"""Crops of a sample, each of another image."""

CROPS_VERIFIED = 64
"""Crops compared before the first sample, each of another image. Smaller sets: one of each."""


class Crop(Cell):
    """Open the store, copy 16 crops out, close. Files are in the page cache.

    A crop is 224 x 224 pixels at a random place of a random image, with all channels. The crops are
    the same for every store, and others in each sample. A store reads what it must to return them,
    often whole images.
    """

    version = "1"
    workspace = WORKSPACE
    side = 224

    def prepare_cell(self):
        check_room(self.images, self.side)
        if len(self.images) < MANY:
            raise Unsupported(f"reads {MANY} images, and the image set has {len(self.images)}")
        self.chance = random.Random(len(self.images))

    def prepare_sample(self):
        rows = self.chance.sample(range(len(self.images)), MANY)
        self.crops = random_crops(self.images, rows, self.side, self.chance)
        self.expect(rows)
        self.expected_bytes = sum(crop_bytes(self.images, crop) for crop in self.crops)
        self.record["pixel_bytes"] = self.expected_bytes

    def time_crop(self, store, images):
        with self.store.open(self.path) as opened:
            self.copied = self.drain(opened.crops_into(self.crops, self.memory))

    def verify(self):
        count = len(self.images)
        chance = random.Random(count)
        rows = chance.sample(range(count), min(count, CROPS_VERIFIED))
        crops = random_crops(self.images, rows, self.side, chance)
        with self.store.open(self.path) as opened:
            check_crops(opened.crops_into(crops, self.memory), self.images, crops)

    def check_sample(self):
        if self.copied != self.expected_bytes:
            raise Mismatch(f"{self.copied} of {self.expected_bytes} bytes were copied out")
        check_crops([self._drain.last], self.images, self.crops[-1:])


class ColdCrop(Crop):
    """The same from the disk.

    `fetched_bytes` are those that came from it for one sample, with what the kernel read ahead.
    """

    version = "2"

    def prepare_sample(self):
        super().prepare_sample()
        page_cache.make_cold(self.path)

    def verify(self):
        super().verify()
        self.prepare_sample()
        self.record["fetched_bytes"] = bytes_of_reading(
            self.store, self.path, self.crops, self._drain
        )
