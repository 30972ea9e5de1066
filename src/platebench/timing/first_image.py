"""The first image: a fresh interpreter, its imports, opening the store, one image.

What a script or a viewer waits for before anything is on the screen, and what a warm, imported,
kept handle hides. Run as a program it reads one image and prints its digest.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from platebench.errors import Mismatch
from platebench.images.imageset import digest
from platebench.stores import registry
from platebench.timing.cell import Cell


class FirstImageCell(Cell):
    """Start an interpreter that reads one image; the interpreter's own start is part of it."""

    def first(self) -> None:
        """Choose rows one after another, the same for every store."""
        self._chance = random.Random(len(self.images))

    def before(self) -> None:
        """Choose the next sample's row."""
        self.expects([self._chance.randrange(len(self.images))])

    def operation(self) -> None:
        """Run this module as a program."""
        (row,) = self.rows
        command = [sys.executable, "-m", __name__, self.store.name, str(self.path), str(row)]
        self.printed = subprocess.run(command, capture_output=True, text=True, check=False)

    def after(self) -> None:
        """Compare the digest that was printed."""
        (row,) = self.rows
        if self.printed.returncode != 0:
            raise Mismatch(self.printed.stderr.strip().splitlines()[-1])
        if self.printed.stdout.strip() != self.images.digests()[row]:
            raise Mismatch(f"image {row} came back changed")

    def verify(self) -> None:
        """Nothing more than `after` has compared."""


def main() -> None:
    """Read one image, copy it out, print its digest."""
    store, path, row = sys.argv[1:]
    with registry.find(store).open(Path(path)) as opened:
        for image in opened.take([int(row)]):
            print(digest(image.copy()))


if __name__ == "__main__":
    main()
