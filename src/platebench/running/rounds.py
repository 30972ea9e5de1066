"""Rounds: one pass over all cells after another, each in its own shuffled order.

A shared machine is fast in one minute and slow in the next. Cells that are compared must be
neighbours in time, and none may always come first; so every round measures every cell, and
ratios are formed inside a round.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from platebench.results.measurement import CellName, Run
from platebench.running.suite import Suite
from platebench.running.turn_server import TurnServer

Announce = Callable[[int, CellName], None]
"""Called with the round and the cell before it is measured."""


Wanted = Callable[[int], Sequence[CellName]]
"""Called with the number of a round before it begins: the cells to measure, or none to end."""


def rounds(
    suite: Suite,
    wanted: Wanted,
    repeat: Sequence[float] | None = None,
    announce: Announce = lambda number, cell: None,
    done: frozenset[tuple[int, CellName]] = frozenset(),
) -> Iterator[tuple[int, Run]]:
    """Yield each run with its round, counted from 1; what is `done` is left out."""
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
) -> list[Run]:
    """Measure a cell in several arms at once, or one after another where they take no turns.

    Of asv's `repeat` each arm gets its own seconds. One after another, the arm at place `first`,
    counted round and round, begins.
    """
    if turns is not None:
        shared = repeat and (*repeat[:2], repeat[2] * len(suites))
        return turns.together([partial(suite.run, cell, shared) for suite in suites])
    order = [(first + step) % len(suites) for step in range(len(suites))]
    runs = {place: suites[place].run(cell, repeat) for place in order}
    return [runs[place] for place in range(len(suites))]


def shuffled(cells: Sequence[CellName], this_round: int) -> list[CellName]:
    """Return the cells in the order of a round: another in each, but the same when resumed."""
    order = list(cells)
    random.Random(this_round).shuffle(order)
    return order
