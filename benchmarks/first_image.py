"""Read the first image: start Python, import the libraries, open the store, read one image.

A script or a viewer waits for this before it shows anything. Warm reads through a kept handle hide
it.
"""

import random
import subprocess
import sys

from platebench.errors import Mismatch
from platebench.stores import one_image
from platebench.timing.cell import Cell
from platebench.timing.failure import why_failed

from .common import WORKSPACE


class FirstImage(Cell):
    """Run a program that reads one image. The interpreter's own start is included."""

    version = "1"
    workspace = WORKSPACE

    def prepare_cell(self):
        self.chance = random.Random(len(self.images))

    def prepare_sample(self):
        row = self.chance.randrange(len(self.images))
        self.expect([row])
        program = [sys.executable, "-m", one_image.__name__]
        self.command = [*program, str(self.store.name), str(self.path), str(row)]

    def warm_up(self):
        """Nothing to do: the timed process imports everything itself."""

    def time_first(self, store, images):
        self.done = subprocess.run(self.command, capture_output=True, text=True, check=False)

    def check_sample(self):
        (row,) = self.rows
        if self.done.returncode != 0:
            raise Mismatch(why_failed(self.done.stderr, self.done.returncode))
        if self.done.stdout.strip() != self.images.digests()[row]:
            raise Mismatch(f"image {row} came back changed")
