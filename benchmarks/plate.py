"""Read the images of the first site of a well, which are found in the table."""

import random

from platebench.errors import Mismatch, Unsupported
from platebench.timing import page_cache
from platebench.timing.cell import Cell
from platebench.timing.drain import check
from platebench.timing.plate import first_site, rows_by_well

from .common import WORKSPACE

WELLS_VERIFIED = 4
"""Wells compared before the first sample, chosen at random."""


class OpenPlate(Cell):
    """Open the store, find a well's first site in the table, copy its images out, close.

    What a viewer does for one well of a 384-well plate; of a movie it shows the first frame. The
    suite finds the rows with the same code for every store. Each sample reads another well, the
    same for every store. Files are in the page cache.
    """

    version = "1"
    workspace = WORKSPACE

    def prepare_cell(self):
        self.wells = rows_by_well(self.images.table)
        if not self.wells:
            raise Unsupported("reads a well, and no image of the set has one in the table")
        self.chance = random.Random(len(self.images))

    def prepare_sample(self):
        self.well = self.chance.choice(list(self.wells))
        self.expect(self.wells[self.well])

    def time_plate(self, store, images):
        with self.store.open(self.path) as opened:
            self.found = first_site(opened.table(), *self.well)
            self.copied = self.drain(opened.take_into(self.found, self.memory))

    def verify(self):
        wells = list(self.wells)
        with self.store.open(self.path) as opened:
            for well in random.Random(0).sample(wells, min(len(wells), WELLS_VERIFIED)):
                rows = first_site(opened.table(), *well)
                check(opened.take_into(rows, self.memory), self.images, self.wells[well])

    def spoil(self):
        super().spoil()
        self.found = None

    def check_sample(self):
        if self.found != self.rows:
            plate, well = self.well
            raise Mismatch(
                f"well {well} of {plate} has rows {self.rows}, and {self.found} were found"
            )
        self.check_copied()


class ColdOpenPlate(OpenPlate):
    """The same from the disk."""

    version = "2"

    def prepare_sample(self):
        super().prepare_sample()
        page_cache.make_cold(self.path)
