"""Ratios of two cells and the typical time of one, from samples kept by round.

A ratio is formed inside a round, between processes that were neighbours in time, and pooled over
rounds on the log scale. Machines drift: over 260 processes each of reading a file, decompressing,
reading Parquet and writing, taken in turn for 16 minutes on a shared machine, the logs of
neighbours' medians correlated at 0.3 to 0.8, and ratios of neighbours spread 1.2 to 2.3 times less
than ratios of any two. Arms of a comparison go further: their processes take turns at samples
(running/turn_server.py).

Each round speaks with the median of its samples. On those same timings the minimum spread 2.2 times
as much for writing and 1.1 times for decompressing, where a process meets a fast or a slow moment
by luck, and only a tenth less for the two reads; and it falls as samples are added, so a slow store
with few samples would look slower still. The lower quartile was within about a tenth of the median
either way. The median is also what the tables show.

Two different intervals can be asked for, both from Student's t on the log scale:

- `low` and `high`, the interval that is published: 95 times in 100 a second run of as many rounds
  gives a ratio inside. It is a prediction interval, sqrt(2) wider than a confidence interval,
  because a second run has an error of its own: only about 83% of second runs fall inside a plain
  95% confidence interval (Cumming and Maillardet 2006, Confidence intervals and replication,
  Psychol. Methods 11:217; Spence and Stanley 2016, Prediction interval, PLoS ONE 11:e0162874).
  Simulated second runs fall inside 93 times in 100 with 6 rounds and 95 with 16; on the timings
  above, an operation against itself, 92 and 90 times. What moves a ratio for a whole run is not in
  it: where that exceeds two thirds of the ratio's standard error, fewer than 90 in 100 fall inside.
- `limits`, the confidence interval of the true ratio, which verdicts are made with.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import special

from platebench.results.robust_mean import Spread, pool

Rounds: TypeAlias = Mapping[int, Sequence[float]]
"""One cell's samples in seconds, by the number of the round they were measured in."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Pooled:
    """A figure pooled over rounds: seconds for one cell, a pure number for a ratio."""

    spread: Spread

    @property
    def estimate(self) -> float:
        """Return the figure itself."""
        return math.exp(self.spread.centre)

    @property
    def rounds(self) -> int:
        """Return how many rounds were pooled, those set aside included."""
        return self.spread.kept + self.spread.outliers

    @property
    def low(self) -> float | None:
        """Return the lower end of the 95% interval for a second run; None from one round."""
        return self._end(-math.sqrt(2))

    @property
    def high(self) -> float | None:
        """Return the upper end of the 95% interval for a second run; None from one round."""
        return self._end(math.sqrt(2))

    def limits(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Return the ends of the confidence interval of the true figure; None from one round."""
        reach = self._reach(confidence)
        if reach is None:
            return None
        return math.exp(self.spread.centre - reach), math.exp(self.spread.centre + reach)

    def _end(self, reaches: float) -> float | None:
        reach = self._reach(CONFIDENCE)
        return None if reach is None else math.exp(self.spread.centre + reaches * reach)

    def _reach(self, confidence: float) -> float | None:
        if self.spread.error is None:
            return None
        quantile = special.stdtrit(self.spread.freedom, (1 + confidence) / 2)
        return float(quantile) * self.spread.error


@dataclass(frozen=True)
class Ratio(Pooled):
    """How many times as long one cell takes as another."""

    @property
    def settled(self) -> bool:
        """Return whether the order is settled: a second run would very likely show it again.

        True when the published interval leaves out 1. Of simulated pairs without a difference that
        settled an order in vain for 4 in 100 with 2 rounds, 3 with 6, 2 with 8 and 1 with 16.
        """
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high

    @property
    def p_value(self) -> float | None:
        """Return the two-sided p of Student's t against a ratio of 1; None from one round."""
        slower = chance_of_slower(self.spread)
        return None if slower is None else 2 * min(slower, 1 - slower)


def ratio(cell: Rounds, base: Rounds) -> Ratio:
    """Return how many times as long `cell` takes as `base`, over the rounds that hold both.

    Raises ValueError when no round holds both, when a round is empty, or when a sample is not a
    positive finite number of seconds.
    """
    return Ratio(pool(log_ratios(cell, base)))


def typical(cell: Rounds) -> Pooled:
    """Return the typical seconds of one cell, pooled over its rounds.

    The interval knows only the drift that happened within these rounds; compare stores by `ratio`,
    where it cancels. Raises ValueError as `ratio` does.
    """
    if not cell:
        raise ValueError("a cell without rounds has no typical time")
    return Pooled(pool(np.array([_log_median(cell[number], number) for number in sorted(cell)])))


def width(pooled: Pooled) -> float:
    """Return the half-width of the published interval, relative to the figure: 0.05 is +-5%.

    Infinite from one round, so that it is never narrow enough. Who adds rounds until the interval
    is narrow stops at a lucky moment: in simulations 89 to 91 second runs in 100 fell inside.
    """
    if pooled.low is None or pooled.high is None:
        return math.inf
    return math.sqrt(pooled.high / pooled.low) - 1


def log_ratios(cell: Rounds, base: Rounds) -> np.ndarray:
    """Return the log ratio of each round that holds both, float64, in the order of the rounds.

    Raises ValueError as `ratio` does.
    """
    shared = sorted(cell.keys() & base.keys())
    if not shared:
        raise ValueError("no round holds samples of both cells")
    return np.array(
        [_log_median(cell[number], number) - _log_median(base[number], number) for number in shared]
    )


def chance_of_slower(spread: Spread) -> float | None:
    """Return the one-sided p of Student's t against a ratio of 1 or less; None from one round."""
    error = spread.error
    if error is None:
        return None
    if error == 0:
        return 0.5 if spread.centre == 0 else float(spread.centre < 0)
    return float(special.stdtr(spread.freedom, -spread.centre / error))


def _log_median(samples: Sequence[float], number: int) -> float:
    if len(samples) == 0:
        raise ValueError(f"round {number} holds no samples")
    for sample in samples:
        if not 0 < sample < math.inf:
            raise ValueError(f"round {number} holds {sample}, not a positive number of seconds")
    return math.log(statistics.median(samples))
