"""The cells that read: a scan, rows, the table; warm, or with the page cache emptied first."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, ClassVar

from platebench.timing import page_cache
from platebench.timing.cell import Cell
from platebench.timing.drain import check, check_table

COMPARED = 64
"""Rows that are compared before any are timed: some of many, all of few."""

ROWS = ("1", "16 scattered", "16 in a run")
HANDLES = ("reopened", "kept")


class Cold(Cell):
    """A cell whose files are out of the page cache before every sample."""

    def before(self) -> None:
        """Empty the page cache of the store's files, and see that it is empty."""
        super().before()
        page_cache.empty(self.path)


class ScanCell(Cell):
    """Open, read every image in order, close."""

    def operation(self) -> None:
        """Copy every image out."""
        with self.store.open(self.path) as opened:
            self.copied = self.drain(opened.scan())

    def verify(self) -> None:
        """Compare every image."""
        with self.store.open(self.path) as opened:
            check(opened.scan(), self.images, self.rows)


class TakeCell(Cell):
    """Read the images of some rows, through a handle kept open or opened for it."""

    param_names: ClassVar[list[str]] = [*Cell.param_names, "rows", "handle"]
    params: ClassVar[list[list[str]]] = [*Cell.params, list(ROWS), list(HANDLES)]

    def first(self, rows: str, handle: str = "reopened") -> None:
        """Open the handle if it is kept."""
        self._which = rows
        self._chance = random.Random(len(self.images))
        self._kept: Any = self.store.open(self.path) if handle == "kept" else None

    def before(self) -> None:
        """Choose the next sample's rows, the same ones for every store.

        They differ from sample to sample, or a library that keeps what it last decoded would be
        measured at giving it out again.
        """
        self.expects(choose_rows(self._which, len(self.images), self._chance))
        super().before()

    def operation(self) -> None:
        """Copy the rows' images out."""
        if self._kept is not None:
            self.copied = self.drain(self._kept.take(self.rows))
            return
        with self.store.open(self.path) as opened:
            self.copied = self.drain(opened.take(self.rows))

    def verify(self) -> None:
        """Compare the images of more rows than a sample asks for, in random order."""
        images = len(self.images)
        rows = random.Random(images).sample(range(images), min(images, COMPARED))
        with self.store.open(self.path) as opened:
            check(opened.take(rows), self.images, rows)


class TableCell(Cell):
    """Open, read the columns that are not pixels, close."""

    def first(self) -> None:
        """Expect no pixels."""
        self.expects([])

    def operation(self) -> None:
        """Read the table."""
        with self.store.open(self.path) as opened:
            self.table = opened.table()

    def after(self) -> None:
        """Compare the whole table; it is small."""
        check_table(self.table, self.images)

    def warm_up(self) -> None:
        """Read it once; it is small."""
        self.operation()

    def verify(self) -> None:
        """Nothing more than `after` has compared."""


def choose_rows(which: str, images: int, chance: random.Random) -> Sequence[int]:
    """Return the rows to take: the same from the same `chance`, on every machine.

    Scattered rows are in random order and differ while there are 16 images to choose from;
    of fewer images, some are asked for again.
    """
    if which == "1":
        return [chance.randrange(images)]
    if which == "16 scattered":
        if images >= 16:
            return chance.sample(range(images), 16)
        return [chance.randrange(images) for _ in range(16)]
    start = chance.randrange(max(1, images - 15))
    return [(start + step) % images for step in range(16)]
