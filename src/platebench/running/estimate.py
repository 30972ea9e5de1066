"""How long a run will take and how much disk it needs, told before it starts.

Rough on purpose: a person decides with it whether to wait. The figures are means over the stores of
a short run (the tunings default and fast of each format) on 2 cores of a shared machine with a
virtual disk and Python 3.11. They come from three runs of generated images of 1.4 MB:

    platebench run --images 8 --rounds 1
    platebench run --images 32 --rounds 2
    platebench run --images 128 --rounds 1

The time from one group to the next, divided by the stores of the group, was fitted by a straight
line over the megabytes of pixels of the image set. Since then a group takes more samples, for 9
seconds in place of 1.5. The costs of fast operations were raised by what that adds.
Those of crops and readers are from the reference run, with 512 images.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import pairwise

from platebench.results.operations import (
    OPERATIONS,
    Operation,
    details_in_full,
    measured_once,
    pattern_text,
)
from platebench.running.groups import stores_together
from platebench.stores.name import StoreName
from platebench.stores.registry import REFERENCES


@dataclass(frozen=True)
class Cost:
    """Seconds of one cell: `fixed`, mostly to start Python and import a library, and per MB."""

    fixed: float
    per_mb: float

    def seconds(self, megabytes: float) -> float:
        """Return the seconds for an image set of so many megabytes of pixels."""
        return self.fixed + self.per_mb * megabytes


COSTS = {
    "write": Cost(0.4, 0.027),
    "scan": Cost(0.7, 0.007),
    "take": Cost(0.78, 0.005),
    "append": Cost(0.5, 0.016),
    "open": Cost(0.7, 0.0),
    "open-plate": Cost(0.75, 0.0003),
    "open-version": Cost(0.66, 0.009),
    "crop": Cost(0.8, 0.003),
    "readers": Cost(2.0, 0.002),
}
"""What was measured, by operation. Others are taken to be like the mean of these."""

GUESSED = {
    "epoch": Cost(2.0, 0.03),
    "readers-and-writer": Cost(4.0, 0.04),
    "update": Cost(0.8, 0.06),
    "convert": Cost(0.6, 0.04),
    "writers": Cost(2.5, 0.03),
}
"""Not measured yet. Workers are interpreters that start with each cell. An epoch reads a whole set
several times before it is timed. `update` is a copy and a write, `convert` decodes and writes."""

COPIES = {
    "write": 1,
    "append": 1,
    "grow": 3,
    "prune": 2,
    "update": 2,
    "convert": 1,
    "writers": 1,
    "readers-and-writer": 2,
}
"""Copies of the pixels that a cell of an operation has on the disk while it is measured."""

STORING = Cost(0.45, 0.0025)
"""Seconds to write one store once before it is measured, with two processes at a time."""

PER_IMAGE = 0.0005
"""Seconds per image and cell beside those per megabyte: what matters for many small images.

From a run of one round on 1,500 TIFF files of 8 KB.
"""

PATIENT = 1.6
"""A run of all details takes more samples, and so this many times as long per cell."""

_OTHER = Cost(
    sum(cost.fixed for cost in COSTS.values()) / len(COSTS),
    sum(cost.per_mb for cost in COSTS.values()) / len(COSTS),
)


@dataclass(frozen=True)
class Size:
    """How many images there are, and their uncompressed pixels in bytes."""

    images: int
    pixel_bytes: int

    @property
    def megabytes(self) -> float:
        """The size in 10^6 bytes."""
        return self.pixel_bytes / 1e6


@dataclass(frozen=True)
class Plan:
    """The cells of one image set in one round, and the store files that they need.

    `operations` has one entry per process: a reference store is measured in every group of an
    operation. `cells` counts each once. `stored` is how often the pixels are written by all stores
    together before they are measured: once for reads, and twice more for versions. `copies` is how
    often they are on the disk besides, while a group of cells that write is measured.
    """

    operations: tuple[str, ...]
    cells: int
    stored: int
    patient: bool = False
    copies: int = 0

    @classmethod
    def of(
        cls,
        stores: Sequence[StoreName],
        operations: Sequence[str],
        brief: bool,
        patterns: Sequence[str] = (),
    ) -> Plan:
        """Return the cells of these stores and operations; of all operations if none are named.

        `patterns` of classes and details count in place of `operations`, if there are any.
        """
        tables = [
            (
                operation,
                stores_together(operation.processes(details)),
                [store for store in stores if not measured_once(operation.name, store)],
            )
            for name, operation in OPERATIONS.items()
            if not operations or operation.name in operations
            for details in _details(operation, operations, brief and not patterns)
            if not patterns or any(fnmatch(pattern_text(name, details), each) for each in patterns)
        ]
        cells = [(operation, store) for operation, most, mine in tables for store in mine]
        kinds = {
            (store, kind)
            for operation, store in cells
            for kind in (("first", "history") if operation.on_versions else ("data",))
        }
        processes = [
            operation.name
            for operation, most, mine in tables
            for _ in range(_processes(mine, most))
        ]
        copies = [
            COPIES.get(operation.name, 0) * min(len(mine), most) for operation, most, mine in tables
        ]
        return cls(tuple(processes), len(cells), len(kinds), not brief, max(copies, default=0))

    def round_seconds(self, size: Size) -> float:
        """Return about how long one round takes."""
        return cells_seconds(self.operations, size) * (PATIENT if self.patient else 1.0)

    def storing_seconds(self, size: Size) -> float:
        """Return about how long it takes to write the stores before the first round."""
        return storing_seconds(self.stored, size)

    def seconds(self, size: Size, rounds: int) -> float:
        """Return about how long the whole run takes."""
        return self.storing_seconds(size) + rounds * self.round_seconds(size)

    def disk_bytes(self, size: Size) -> int:
        """Return about how many bytes are written to the work folder, and stay there."""
        return disk_bytes(self.stored, size)

    def disk_bytes_of_all(self, sizes: Sequence[Size], tidy: bool) -> int:
        """Return about how many bytes there are at once, of image sets of these sizes.

        A tidy run keeps the stores of one image set at a time.
        """
        if not tidy:
            return sum(map(self.disk_bytes, sizes))
        images = sum(2 * size.pixel_bytes for size in sizes)
        return images + max(self.stored * size.pixel_bytes for size in sizes)

    def images_that_fit(self, size: Size, rounds: int, seconds: float) -> int:
        """Return how many images of this mean size can be measured in so many seconds.

        At least `FEWEST_IMAGES`, if there are as many.
        """
        least = Size(0, 0)
        fixed = self.seconds(least, rounds)
        per_image = (self.seconds(size, rounds) - fixed) / size.images
        return min(size.images, max(FEWEST_IMAGES, int((seconds - fixed) / per_image)))


def rough_time(minutes: float) -> str:
    """Return a rough time, such as `a minute`, `40 minutes` or `2 hours`."""
    if minutes < 1.5:
        return "a minute"
    return f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.0f} hours"


def cells_seconds(operations: Iterable[str], size: Size) -> float:
    """Return about how long it takes to measure one cell for each name of an operation once."""
    return sum(_cost(name).seconds(size.megabytes) + PER_IMAGE * size.images for name in operations)


def storing_seconds(stores: int, size: Size) -> float:
    """Return about how long it takes to write so many stores of an image set."""
    return stores * (STORING.seconds(size.megabytes) + PER_IMAGE / 2 * size.images)


def disk_bytes(stores: int, size: Size) -> int:
    """Return about how many bytes so many stores of an image set take, with the set.

    The set is there twice, as pixels and as TIFF files. A store is taken to be as large as its
    pixels; most are smaller.
    """
    return (stores + 2) * size.pixel_bytes


FEWEST_IMAGES = 20
"""A sample has more images than the 16 that random reads take."""


def evenly_spread(images: int, number: int) -> list[int]:
    """Return `number` rows of `images`, one from each of as many equal parts, in order.

    Which row of a part is taken varies in a fixed way. Every hundredth row could always be of the
    same channel.
    """
    ends = [place * images // number for place in range(number + 1)]
    return [
        start + (place * _STRIDE) % (end - start)
        for place, (start, end) in enumerate(pairwise(ends))
    ]


_STRIDE = 7919
"""A prime, so that it shares no factor with the number of channels, sites or wells."""


def _cost(operation: str) -> Cost:
    return (COSTS | GUESSED).get(operation, _OTHER)


def _processes(stores: Sequence[StoreName], most: int) -> int:
    """Return how many cells are measured in one round (see `groups.groups_of`).

    A group has at most so many.
    """
    others = len(set(stores) - set(REFERENCES))
    references = len(stores) - others
    return others + references * max(1, math.ceil(others / (most - len(REFERENCES))))


def _details(operation: Operation, named: Sequence[str], brief: bool) -> Sequence[tuple[str, ...]]:
    """Return the details of an operation that a run measures (see `operations.in_brief_run`)."""
    if brief and (operation.in_brief or operation.name not in named):
        return operation.in_brief
    if brief:
        return operation.if_named or operation.details
    return [each for each in operation.details if details_in_full(operation, each)]
