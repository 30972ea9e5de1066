"""Rounds: passes over all cells, each in a different random order.

The speed of a shared machine changes from minute to minute. Cells that are compared must be
measured close together, and none may always come first. So every round measures every cell, and
ratios are formed inside a round.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from platebench.results.measurement import CellName, Measurement
from platebench.running.suite import Suite
from platebench.running.turn_server import TurnServer

Announce = Callable[[int, CellName], None]
"""Called with the round and the cell before it is measured."""


Wanted = Callable[[int], Sequence[CellName]]
"""Called with the number of a round before it starts; returns its cells, or none to stop."""


def rounds(
    suite: Suite,
    wanted: Wanted,
    repeat: Sequence[float] | None = None,
    announce: Announce = lambda number, cell: None,
    done: frozenset[tuple[int, CellName]] = frozenset(),
) -> Iterator[tuple[int, Measurement]]:
    """Yield each run with its round, counted from 1, without those that are `done`."""
    this = 1
    while cells := wanted(this):
        for cell in shuffled(cells, this):
            if (this, cell) not in done:
                announce(this, cell)
                yield this, suite.run(cell, repeat)
        this += 1


def side_by_side(
    suites: Sequence[Suite],
    cell: CellName,
    repeat: Sequence[float] | None,
    turns: TurnServer | None,
    first: int,
) -> list[Measurement]:
    """Measure a cell in several arms in parallel, or one after another without `turns`.

    The seconds of asv's `repeat` are per arm. One after another, arm `first` modulo the number of
    arms starts.
    """
    if turns is not None:
        shared = repeat and (*repeat[:2], repeat[2] * len(suites))
        return turns.together([partial(suite.run, cell, shared) for suite in suites])
    order = [(first + step) % len(suites) for step in range(len(suites))]
    runs = {place: suites[place].run(cell, repeat) for place in order}
    return [runs[place] for place in range(len(suites))]


def shuffled(cells: Sequence[CellName], this_round: int) -> list[CellName]:
    """Shuffle the cells; the order depends on the round only, so a resumed run keeps it."""
    order = list(cells)
    random.Random(this_round).shuffle(order)
    return order
