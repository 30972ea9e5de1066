"""Rounds: one pass over all cells after another, each in its own shuffled order.

A shared machine is fast in one minute and slow in the next. Cells that are compared must be
neighbours in time, and none may always come first; so every round measures every cell, and
ratios are formed inside a round.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from platebench.timing.suite import CellName, Run, Suite

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


def alternating(
    suites: Sequence[Suite], cells: Sequence[CellName], this_round: int
) -> Iterator[tuple[int, Suite, CellName]]:
    """Yield one round over several arms: each cell in every arm before the next cell.

    So the arms' processes are neighbours in time. Which arm goes first changes from round to
    round and from cell to cell. The number is the arm's place in `suites`.
    """
    for place, cell in enumerate(shuffled(cells, this_round)):
        for step in range(len(suites)):
            arm = (this_round + place + step) % len(suites)
            yield arm, suites[arm], cell


def shuffled(cells: Sequence[CellName], this_round: int) -> list[CellName]:
    """Return the cells in the order of a round: another in each, but the same when resumed."""
    order = list(cells)
    random.Random(this_round).shuffle(order)
    return order
