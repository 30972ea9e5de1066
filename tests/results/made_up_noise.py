"""Samples of a simulated noisy machine, from a seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from platebench.results.blocks import blocks_of
from platebench.results.ratios import Timing

Rounds = dict[int, list[float]]
Pairs = dict[str, tuple[Rounds, Rounds]]


@dataclass(frozen=True)
class Machine:
    """The noise of a machine, as standard deviations of natural logarithms.

    `noise` is that of the median of one process with `samples` samples. `drift` is the step from
    round to round of a random walk that neighbouring processes share. `between_runs` moves a cell's
    ratio from one run to the next. `unlike` is how much the noise differs from cell to cell.
    `outliers` is the part of the processes that are 1.2 to 30 times too slow.
    """

    noise: float = 0.065
    within: float = 0.05
    samples: int = 5
    drift: float = 0.05
    between_runs: float = 0.0
    unlike: float = 0.0
    outliers: float = 0.0

    def measure(self, ratios: np.ndarray, rounds: int, random: np.random.Generator) -> Pairs:
        """Return a cell for each ratio, measured in two arms; the second is slower."""
        shape = (len(ratios), 2, rounds)
        logs = random.normal(0, 1, shape) * self._between_processes(len(ratios), random)
        logs += np.cumsum(random.normal(0, self.drift, (len(ratios), 1, rounds)), axis=2)
        moved = random.normal(0, self.between_runs, len(ratios))
        logs[:, 1] += (np.log(ratios) + moved)[:, None]
        outliers = random.random(shape) < self.outliers
        logs += outliers * random.uniform(math.log(1.2), math.log(30), shape)
        inner = random.normal(0, self.within, (*shape, self.samples))
        seconds = 0.06 * np.exp(logs[..., None] + inner)
        return {
            f"cell {number}": (by_round(first), by_round(second))
            for number, (first, second) in enumerate(seconds)
        }

    def _between_processes(self, cells: int, random: np.random.Generator) -> np.ndarray:
        noise = self.noise * np.exp(random.normal(0, self.unlike, (cells, 1, 1)))
        of_median = self.within * math.sqrt(math.pi / 2 / self.samples)
        return np.sqrt(np.maximum(noise**2 - of_median**2, 0))


def timed(side: Rounds | None) -> Timing | None:
    """Return samples by round as the timing of a cell."""
    return None if side is None else Timing(blocks_of(side))


def timed_pairs(
    cells: Mapping[str, tuple[Rounds | None, Rounds | None]],
) -> dict[str, tuple[Timing | None, Timing | None]]:
    """Return the timings of cells in two arms."""
    return {name: (timed(first), timed(second)) for name, (first, second) in cells.items()}


def by_round(samples: np.ndarray) -> Rounds:
    """Return an array of shape (rounds, samples) as samples by the number of the round."""
    return dict(enumerate(samples.tolist()))
