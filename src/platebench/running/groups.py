"""Groups: the stores of an operation that take turns at samples in one round.

The speed of a shared machine changes from minute to minute and within a second. Stores that are
compared must be measured at the same moments. So in every round the stores of an operation are
divided into groups. The processes of a group are set up first, then take turns at samples. The
reference stores are in every group, so that stores of different groups can be compared. Every round
divides the stores anew, so that over the rounds most pairs share a group.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from platebench.results.measurement import CellName
from platebench.results.operations import OPERATIONS, same_on
from platebench.results.records import Record
from platebench.running.machine_facts import available_memory
from platebench.running.suite import Suite
from platebench.running.turn_server import Sampling, TurnServer
from platebench.stores.registry import FLOOR, REFERENCES

MOST_STORES = 18
"""Processes of a group, with those of the reference stores. Each has 100 to 200 MB of its own.

Setting up a process takes a second, and the reference stores are set up again for every group. So
one group of 17 stores takes three quarters of the time of two, and needs no reference between them.
"""

MOST_WORKERS = 36
"""Processes of a group whose operation is done by workers, with these. A worker has one library."""

THOROUGH = Sampling(least=4, most=24, seconds=12.0)
"""Samples of a run."""

REFERENCE = Sampling(least=3, most=24, seconds=12.0)
"""Samples of the reference run.

Most of the noise is between processes and rounds, so more rounds are worth more than more samples.
But the median of two follows a single slow one: while other programs ran now and then, one of two
samples of reading 512 images took up to five times as long as the other in 3 of 6 rounds.
"""

BRIEF = Sampling(least=4, most=16, seconds=9.0)
"""Samples of an overview, which takes minutes.

The noise of 3 samples of a process was half of the variance between rounds, or all of it (7
operations, 17 stores, 3 rounds). Setting up a group takes 9 seconds, so more samples cost less than
more rounds.
"""

QUICK = Sampling(least=1, most=2, seconds=0.5)
"""Samples of a first look."""

HURRIED = Sampling(least=2, most=8, seconds=5.0)
"""Samples of a run that has three minutes for twenty stores and more than one round."""


@dataclass(frozen=True)
class Group:
    """Cells of the same operation, details and image set that take turns in a round.

    `number` counts the groups of the operation in the round, from 1.
    """

    round: int
    number: int
    cells: tuple[CellName, ...]

    def __str__(self) -> str:
        first = self.cells[0]
        return " ".join([first.kind, *first.details, first.images])


Wanted = Callable[[int], Sequence[CellName]]
"""Called with the number of a round before it starts; returns its cells, or none to stop."""

Announce = Callable[[Group], None]
"""Called with a group before it is measured."""

Done = frozenset[tuple[int, int | None, CellName]]
"""Round, group and cell of what is measured already."""


def done_of(records: Iterable[Record]) -> Done:
    """Return what is measured already."""
    return frozenset((record.round, record.group, record.run.cell) for record in records)


def groups_of(
    cells: Sequence[CellName], this_round: int, most: int = MOST_STORES, first: int = 1
) -> list[Group]:
    """Divide the cells of a round into groups of at most `most`, in random order.

    Both depend on the round only, so a resumed run has the same groups. A reference store is in
    every group of an operation if its cell is among `cells`. The groups of an operation are
    numbered from `first`.
    """
    chance = random.Random(this_round)
    tables: dict[CellName, list[CellName]] = {}
    for cell in cells:
        tables.setdefault(same_on(cell, FLOOR), []).append(cell)
    groups: list[Group] = []
    for table in tables.values():
        references = [cell for cell in table if cell.store in REFERENCES]
        others = [cell for cell in table if cell.store not in REFERENCES]
        chance.shuffle(others)
        together = stores_together(_processes(table[0]), most)
        count = max(1, math.ceil(len(others) / (together - len(REFERENCES))))
        groups += [
            Group(this_round, first + place, (*references, *others[place::count]))
            for place in range(count)
        ]
    chance.shuffle(groups)
    return groups


def stores_together(processes: int, most: int = MOST_STORES) -> int:
    """Return how many stores a group may have if each is measured by so many processes."""
    return max(len(REFERENCES) + 1, min(most, MOST_WORKERS // processes))


def _processes(cell: CellName) -> int:
    operation = OPERATIONS.get(cell.kind)
    return 1 if operation is None else operation.processes(cell.details)


def left_of(groups: Sequence[Group], done: Done) -> list[Group]:
    """Return the groups that are not measured whole.

    A group that was cut off is measured again: its processes must take turns.
    """
    return [
        group
        for group in groups
        if any((group.round, group.number, cell) not in done for cell in group.cells)
    ]


def in_groups(
    suite: Suite,
    turns: TurnServer,
    wanted: Wanted,
    announce: Announce,
    done: Done = frozenset(),
    image_bytes: int = 0,
) -> Iterator[list[Record]]:
    """Yield the records of each group of each round, counted from 1, without those `done`.

    `image_bytes` are those of the largest image set, in pixels. They limit how many processes are
    set up at the same time.
    """
    this = 1
    while cells := wanted(this):
        for group in left_of(groups_of(cells, this), done):
            announce(group)
            yield measured(group, suite, turns, image_bytes)
        this += 1


def measured(group: Group, suite: Suite, turns: TurnServer, image_bytes: int = 0) -> list[Record]:
    """Measure a group: its processes take turns. `image_bytes` is as for `in_groups`."""
    jobs = [partial(suite.run, cell) for cell in group.cells]
    runs = turns.together(jobs, at_once(image_bytes))
    return [Record(group.round, run, group.number) for run in runs]


def at_once(image_bytes: int) -> int:
    """Return how many processes may be set up at the same time.

    As many as there are processors, if the available memory has room for the libraries of each and
    the images of the set: a store may hold all of them while it is set up.
    """
    available = available_memory()
    processors = len(os.sched_getaffinity(0))
    if available is None:
        return processors
    return max(1, min(processors, available // (_LIBRARIES + 2 * image_bytes)))


_LIBRARIES = 400 * 2**20
"""Memory of a process that has imported its libraries: LanceDB's has 330 MB."""
