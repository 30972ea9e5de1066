"""Ratios of two cells and the typical time of one, from samples kept by round.

A ratio is formed inside a round, between processes that ran close in time, and pooled over rounds
on the log scale. Machines drift. Evidence: 260 processes each of reading a file, decompressing,
reading Parquet and writing took turns for 16 minutes on a shared machine. The logs of neighbouring
medians correlated at 0.3 to 0.8, and ratios of neighbours varied 1.2 to 2.3 times less than ratios
of any two. The arms of a comparison go further: their processes take turns at samples
(running/turn_server.py).

A round is represented by the median of its samples. On the same timings, the minimum varied 2.2
times as much for writing and 1.1 times as much for decompressing, where a process meets a fast or a
slow moment by luck, and only a tenth less for the two reads. The minimum also falls as samples are
added, so a slow store with few samples would look slower still. The lower quartile was within about
a tenth of the median in either direction. Tables show the median too.

There are two intervals, both from Student's t on the log scale:

- `low` and `high`, the published 95% interval for a repeat run: a second run of as many rounds
  gives a ratio inside it 95 times in 100. It is a prediction interval, sqrt(2) wider than a
  confidence interval, because the second run has an error of its own: only about 83% of second runs
  fall inside a plain 95% confidence interval (Cumming and Maillardet 2006, Confidence intervals and
  replication, Psychol. Methods 11:217; Spence and Stanley 2016, Prediction interval, PLoS ONE
  11:e0162874). Simulated second runs fall inside 93 times in 100 with 6 rounds and 95 with 16; on
  the timings above, an operation against itself, 92 and 90 times. The interval does not include
  what shifts a ratio for a whole run: if that exceeds two thirds of the ratio's standard error,
  fewer than 90 in 100 fall inside.
- `limits`, the confidence interval of the true ratio. Verdicts use it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import special

from platebench.results.robust_mean import RobustMean, pool

Rounds: TypeAlias = Mapping[int, Sequence[float]]
"""Samples of one cell in seconds, by the number of their round."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Pooled:
    """A figure pooled over rounds: seconds for one cell, a pure number for a ratio."""

    mean: RobustMean

    @property
    def estimate(self) -> float:
        """Return the figure itself."""
        return math.exp(self.mean.centre)

    @property
    def rounds(self) -> int:
        """Return how many rounds were pooled, outliers included."""
        return self.mean.kept + self.mean.outliers

    @property
    def low(self) -> float | None:
        """Return the lower end of the 95% interval for a repeat run; None from one round."""
        return self._end(-math.sqrt(2))

    @property
    def high(self) -> float | None:
        """Return the upper end of the 95% interval for a repeat run; None from one round."""
        return self._end(math.sqrt(2))

    def limits(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Return the ends of the confidence interval of the true figure; None from one round."""
        reach = self._reach(confidence)
        if reach is None:
            return None
        return math.exp(self.mean.centre - reach), math.exp(self.mean.centre + reach)

    def _end(self, reaches: float) -> float | None:
        reach = self._reach(CONFIDENCE)
        return None if reach is None else math.exp(self.mean.centre + reaches * reach)

    def _reach(self, confidence: float) -> float | None:
        if self.mean.error is None:
            return None
        quantile = special.stdtrit(self.mean.degrees_of_freedom, (1 + confidence) / 2)
        return float(quantile) * self.mean.error


@dataclass(frozen=True)
class Ratio(Pooled):
    """How many times as long one cell takes as another."""

    @property
    def settled(self) -> bool:
        """Return True if the order is settled: a repeat run would very likely show it again.

        The published interval must exclude 1. Of simulated pairs without a difference this wrongly
        settled 4 in 100 with 2 rounds, 3 with 6, 2 with 8 and 1 with 16.
        """
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high

    @property
    def p_value(self) -> float | None:
        """Return the two-sided p of Student's t against a ratio of 1; None from one round."""
        slower = chance_of_slower(self.mean)
        return None if slower is None else 2 * min(slower, 1 - slower)


def ratio(cell: Rounds, base: Rounds) -> Ratio:
    """Return how many times as long `cell` takes as `base`, over their shared rounds.

    Raises ValueError if they share no round, if a round is empty, or if a sample is not a positive
    finite number of seconds.
    """
    return Ratio(pool(log_ratios(cell, base)))


def typical(cell: Rounds) -> Pooled:
    """Return the typical seconds of one cell, pooled over its rounds.

    The interval includes only the drift during these rounds. Compare stores by `ratio`, where drift
    cancels. Raises ValueError as `ratio` does.
    """
    if not cell:
        raise ValueError("a cell without rounds has no typical time")
    return Pooled(pool(np.array([_log_median(cell[number], number) for number in sorted(cell)])))


def width(pooled: Pooled) -> float:
    """Return the half-width of the published interval, relative to the figure: 0.05 is +-5%.

    Infinite from one round, so that it is never narrow enough. Adding rounds until an interval is
    narrow stops at a lucky moment: in simulations 89 to 91 repeat runs in 100 fell inside.
    """
    if pooled.low is None or pooled.high is None:
        return math.inf
    return math.sqrt(pooled.high / pooled.low) - 1


def log_ratios(cell: Rounds, base: Rounds) -> np.ndarray:
    """Return the log ratio in each shared round, float64, in the order of the rounds.

    Raises ValueError as `ratio` does.
    """
    shared = sorted(cell.keys() & base.keys())
    if not shared:
        raise ValueError("no round holds samples of both cells")
    return np.array(
        [_log_median(cell[number], number) - _log_median(base[number], number) for number in shared]
    )


def chance_of_slower(mean: RobustMean) -> float | None:
    """Return the one-sided p of Student's t against a ratio of 1 or less; None from one round."""
    error = mean.error
    if error is None:
        return None
    if error == 0:
        return 0.5 if mean.centre == 0 else float(mean.centre < 0)
    return float(special.stdtr(mean.degrees_of_freedom, -mean.centre / error))


def _log_median(samples: Sequence[float], number: int) -> float:
    if len(samples) == 0:
        raise ValueError(f"round {number} holds no samples")
    for sample in samples:
        if not 0 < sample < math.inf:
            raise ValueError(f"round {number} holds {sample}, not a positive number of seconds")
    return math.log(statistics.median(samples))
