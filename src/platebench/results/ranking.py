"""Rank stores by speed, from pairs inside rounds, and name ties.

Machines drift, so a store's median over all rounds says little about its order. Every pair of
stores that shares rounds gives one log ratio, formed inside rounds and pooled as in `ratios`, from
samples that took turns or through the reference stores of their groups. The
scores are the least-squares fit of one value per store to all these pair ratios (Jiang, Lim, Yao
and Ye 2011, Statistical ranking and combinatorial Hodge theory, Math. Program. 127:203). Where all
stores share the same rounds, a score is the mean of a store's log ratios to all others. One noisy
store, the floor for example, can then not decide the order of two others.

A group holds stores that tie: the group's fastest store, and each slower one whose paired ratio to
it is not settled (`ratios.Ratio.settled`). The report, the page and the README all use this order.
Stores are also ranked by CPU seconds, in the same way: threads are not free for a reader who has
other work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from platebench.results.blocks import Blocks, by_round
from platebench.results.ratios import Timing, log_ratios, typical
from platebench.results.robust_mean import pool
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR

if TYPE_CHECKING:
    from platebench.results.tidy import CellResult

TimingOf = Callable[["CellResult"], Timing]
"""Returns by what a cell is ranked."""

FEWEST_ROUNDS = 2
"""If the fastest store has fewer, its order to others is that of one measurement."""

_UNPAIRED = 1e-6
"""Weight of a pair without a shared round: it only links stores that nothing else links."""


@dataclass(frozen=True)
class Ranking:
    """Stores of one operation in groups that tie, the fastest first; the floor is not among them.

    `one_round` is True if the fastest store was measured in one round only: the order is then that
    of one measurement.
    """

    groups: tuple[tuple[CellResult, ...], ...]
    one_round: bool

    @property
    def order(self) -> list[CellResult]:
        """All stores, the fastest first."""
        return [cell for group in self.groups for cell in group]

    @property
    def best(self) -> CellResult | None:
        """The fastest store, None if no store was measured."""
        return self.groups[0][0] if self.groups else None

    @property
    def tied(self) -> tuple[CellResult, ...]:
        """The stores that tie with the fastest."""
        return self.groups[0][1:] if self.groups else ()

    def ranks(self) -> dict[StoreName, str]:
        """Return the rank of each store as text: `2`, or `=2` for a store in a tie."""
        said: dict[StoreName, str] = {}
        place = 1
        for group in self.groups:
            mark = "=" if len(group) > 1 else ""
            said |= {cell.store: f"{mark}{place}" for cell in group}
            place += len(group)
        return said

    def places(self) -> dict[StoreName, int]:
        """Return the position of each store in `order`, from 1."""
        return {cell.store: place for place, cell in enumerate(self.order, 1)}


def wall(cell: CellResult) -> Timing:
    """Return the wall time of a cell."""
    return cell.wall


def cpu(cell: CellResult) -> Timing:
    """Return the CPU time of a cell, of all its threads."""
    return cell.cpu


def rank(cells: Iterable[CellResult], by: TimingOf = wall) -> Ranking:
    """Rank the measured cells of one operation, detail, cache and image set.

    Cells without a time are left out. The floor takes part in the pairs, but gets no rank.
    """
    found = [cell for cell in cells if cell.status == "ok" and by(cell).blocks]
    scores = pair_scores([by(cell).blocks for cell in found])
    by_score = sorted(zip(scores, found, strict=True), key=lambda each: (each[0], each[1].store))
    left = [cell for _, cell in by_score if cell.store != FLOOR]
    one_round = bool(left) and len(by(left[0]).rounds) < FEWEST_ROUNDS
    groups = []
    while left:
        best, *others = left
        group = [best, *(cell for cell in others if ties(by(cell), by(best)))]
        groups.append(tuple(group))
        stores = {cell.store for cell in group}
        left = [cell for cell in left if cell.store not in stores]
    return Ranking(tuple(groups), one_round)


def ties(one: Timing, other: Timing) -> bool:
    """Return True if two cells share rounds, and these leave open which is faster."""
    found = one.over(other)
    return found is not None and found.low is not None and not found.settled


def pair_scores(cells: Sequence[Blocks]) -> list[float]:
    """Return a score per cell on the log scale, lower is faster; only differences have a meaning.

    A pair is weighted by the rounds that it shares.
    """
    count = len(cells)
    laplacian = np.zeros((count, count))
    divergence = np.zeros(count)
    for i, j in combinations(range(count), 2):
        log_ratio, weight = _pair(cells[i], cells[j])
        laplacian[[i, j], [i, j]] += weight
        laplacian[[i, j], [j, i]] -= weight
        divergence[i] += weight * log_ratio
        divergence[j] -= weight * log_ratio
    # The scores' sum is free. Adding a constant to the matrix sets it to 0.
    scores = np.linalg.solve(laplacian + 1.0, divergence) if count else divergence
    return [float(score) for score in scores]


def _pair(cell: Blocks, other: Blocks) -> tuple[float, float]:
    """Return the log ratio of two cells and its weight."""
    shared = len(by_round(cell).keys() & by_round(other).keys())
    if shared:
        return pool(log_ratios(cell, other)).centre, float(shared)
    return math.log(typical(cell).estimate / typical(other).estimate), _UNPAIRED
