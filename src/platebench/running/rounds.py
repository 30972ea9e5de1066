"""Arms: measure one cell in several, and the random order of the cells of a round."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

from platebench.results.measurement import CellName, Measurement
from platebench.running.suite import Suite
from platebench.running.turn_server import TurnServer


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
