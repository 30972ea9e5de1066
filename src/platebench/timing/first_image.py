"""The first image: a fresh interpreter, its imports, opening the store, one image.

What a script or a viewer waits for before anything is on the screen, and what a warm, imported,
kept handle hides.
"""

from __future__ import annotations

import random
import subprocess
import sys

from platebench.errors import Mismatch
from platebench.stores import one_image
from platebench.timing.cell import Cell
from platebench.timing.failure import why_failed


class FirstImageCell(Cell):
    """Start an interpreter that reads one image; the interpreter's own start is part of it."""

    def first(self) -> None:
        """Choose rows one after another, the same for every store."""
        self._chance = random.Random(len(self.images))

    def before(self) -> None:
        """Choose the next sample's row."""
        self.expects([self._chance.randrange(len(self.images))])

    def operation(self) -> None:
        """Run the program that reads one image."""
        (row,) = self.rows
        command = [
            sys.executable,
            "-m",
            one_image.__name__,
            str(self.store.name),
            str(self.path),
            str(row),
        ]
        self.printed = subprocess.run(command, capture_output=True, text=True, check=False)

    def after(self) -> None:
        """Compare the digest that was printed."""
        (row,) = self.rows
        if self.printed.returncode != 0:
            raise Mismatch(why_failed(self.printed.stderr, self.printed.returncode))
        if self.printed.stdout.strip() != self.images.digests()[row]:
            raise Mismatch(f"image {row} came back changed")

    def warm_up(self) -> None:
        """Nothing: what is timed begins in another process, with nothing imported."""

    def verify(self) -> None:
        """Nothing more than `after` has compared."""
