"""Ratios of two cells and the typical time of one, from samples kept by block.

A ratio is formed inside a round, from samples that took turns where there are any (`blocks`), and
pooled over rounds on the log scale. Machines drift. Evidence: 260 processes each of reading a file,
decompressing, reading Parquet and writing took turns for 16 minutes on a shared machine. The logs
of neighbouring medians correlated at 0.3 to 0.8, and ratios of neighbours varied 1.2 to 2.3 times
less than ratios of any two. Two stores that share no block are compared through the reference
stores of their blocks. Processes that took no turns, as in records of older versions, are compared
by their medians.

There are two intervals, both from Student's t on the log scale:

- `low` and `high`, the published 95% interval for a repeat run: a second run of as many rounds
  gives a ratio inside it 95 times in 100. It is a prediction interval, sqrt(2) wider than a
  confidence interval, because the second run has an error of its own: only about 83% of second runs
  fall inside a plain 95% confidence interval (Cumming and Maillardet 2006, Confidence intervals and
  replication, Psychol. Methods 11:217; Spence and Stanley 2016, Prediction interval, PLoS ONE
  11:e0162874). Its variance has two parts: the error of the pooled ratio, and `RUN_SHIFT`, since
  every run also shifts a ratio by something that its rounds do not show. The variance between
  rounds is moderated over the cells of the run (`moderated_variance`). Without that, intervals of
  two or three rounds are many times too wide. A cell of one round has the common variance.
- `limits`, the confidence interval of the true ratio. Verdicts use it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from platebench.results.blocks import (
    Block,
    Blocks,
    BlockSamples,
    by_round,
    log_median,
    log_ratio_of_turns,
    without_turns,
)
from platebench.results.moderated_variance import Noise, with_noise
from platebench.results.robust_mean import RobustMean, pool

CONFIDENCE = 0.95

RUN_SHIFT: Mapping[str, float] = {"warm": 0.02, "cold": 0.04}
"""How far one whole run shifts a log ratio, as a standard deviation, by the state of the cache.

Rounds of one run share the stored files and their places on the disk, the build of the libraries
and the hour. A second run has others. Its rounds cannot show this part, so it is a constant. With
these values, of two pilot runs (17 stores, 6 operations, 2 rounds, one after the other) 98 in 100
warm ratios lay inside the other's intervals and 95 in 100 cold ones. The values were fixed then,
before the runs whose coverage is published.
"""

_MOST_FREEDOM = 1e6
"""Student's t with so many degrees of freedom is the normal distribution."""


@dataclass(frozen=True)
class Pooled:
    """A figure pooled over rounds: seconds for one cell, a pure number for a ratio.

    From one round there is no interval, unless the noise is known from other cells.
    `run_shift` is the standard deviation of what shifts its logarithm for a whole run.
    """

    mean: RobustMean
    run_shift: float = 0.0

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
        reach = self._repeat_reach()
        return None if reach is None else math.exp(self.mean.centre - reach)

    @property
    def high(self) -> float | None:
        """Return the upper end of the 95% interval for a repeat run; None from one round."""
        reach = self._repeat_reach()
        return None if reach is None else math.exp(self.mean.centre + reach)

    def limits(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Return the ends of the confidence interval of the true figure; None from one round."""
        error = self.mean.error
        if error is None:
            return None
        reach = _quantile(self.mean.degrees_of_freedom, confidence) * error
        return math.exp(self.mean.centre - reach), math.exp(self.mean.centre + reach)

    def _repeat_reach(self) -> float | None:
        """Return half the width of the interval for a repeat run, on the log scale.

        The sum of a variance that is known and one that is estimated has the degrees of freedom
        of Satterthwaite (1946, Biometrics Bulletin 2:110).
        """
        error = self.mean.error
        if error is None:
            return None
        variance = error**2 + self.run_shift**2
        share = error**2 / variance if variance else 1.0
        freedom = self.mean.degrees_of_freedom / share**2 if share else math.inf
        return _quantile(freedom, CONFIDENCE) * math.sqrt(2 * variance)


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


@dataclass(frozen=True)
class Timing:
    """The samples of one cell, and what is known of the noise of cells like it."""

    blocks: Blocks
    noise: Noise | None = None
    run_shift: float = 0.0

    @property
    def rounds(self) -> set[int]:
        """The rounds with samples."""
        return {block.round for block in self.blocks}

    def over(self, base: Timing) -> Ratio | None:
        """Return how many times as long this cell takes as another; None without a shared round."""
        if not self.rounds & base.rounds:
            return None
        return ratio(self.blocks, base.blocks, self.noise, self.run_shift)

    def over_another(self, base: Timing) -> Ratio | None:
        """Return the ratio to a cell of another operation or cache; None without a shared round.

        It is from medians inside rounds. The two took no turns together, and the reference stores
        of their groups did different work, so they are no link between them.
        """
        one = Timing(without_turns(self.blocks), self.noise, self.run_shift)
        return one.over(Timing(without_turns(base.blocks)))


def ratio(cell: Blocks, base: Blocks, noise: Noise | None = None, run_shift: float = 0.0) -> Ratio:
    """Return how many times as long `cell` takes as `base`, over their shared rounds.

    With `noise` the variance between rounds is moderated; of a single shared round it is that of
    other cells. Raises ValueError if they share no round, if a block is empty, or if a sample is
    not a positive finite number of seconds.
    """
    return Ratio(with_noise(pool(log_ratios(cell, base)), noise), run_shift)


def typical(cell: Blocks) -> Pooled:
    """Return the typical seconds of one cell, pooled over its rounds.

    The interval includes only the drift during these rounds. Compare stores by `ratio`, where drift
    cancels. Raises ValueError as `ratio` does.
    """
    if not cell:
        raise ValueError("a cell without rounds has no typical time")
    _check(cell)
    logs = [
        _mean([log_median(cell[block].seconds) for block in blocks])
        for _, blocks in sorted(by_round(cell).items())
    ]
    return Pooled(pool(np.array(logs)))


def width(pooled: Pooled) -> float:
    """Return the half-width of the published interval, relative to the figure: 0.05 is +-5%.

    Infinite from one round, so that it is never narrow enough. Adding rounds until an interval is
    narrow stops at a lucky moment: in simulations 89 to 91 repeat runs in 100 fell inside.
    """
    if pooled.low is None or pooled.high is None:
        return math.inf
    return math.sqrt(pooled.high / pooled.low) - 1


def least_width(run_shift: float) -> float:
    """Return the half-width of the published interval of infinitely many rounds."""
    return width(Pooled(RobustMean(0.0, 0.0, 1, 0, math.inf), run_shift))


def log_ratios(cell: Blocks, base: Blocks) -> np.ndarray:
    """Return the log ratio in each shared round, float64, in the order of the rounds.

    Raises ValueError as `ratio` does.
    """
    mine, others = by_round(cell), by_round(base)
    shared = sorted(mine.keys() & others.keys())
    if not shared:
        raise ValueError("no round holds samples of both cells")
    _check({block: cell[block] for number in shared for block in mine[number]})
    _check({block: base[block] for number in shared for block in others[number]})
    return np.array(
        [_in_round(cell, mine[number], base, others[number]) for number in shared], np.float64
    )


def chance_of_slower(mean: RobustMean) -> float | None:
    """Return the one-sided p of Student's t against a ratio of 1 or less; None from one round."""
    error = mean.error
    if error is None:
        return None
    if error == 0:
        return 0.5 if mean.centre == 0 else float(mean.centre < 0)
    return float(special.stdtr(mean.degrees_of_freedom, -mean.centre / error))


def _in_round(cell: Blocks, mine: Sequence[Block], base: Blocks, others: Sequence[Block]) -> float:
    """Return the log ratio in one round.

    From blocks that both share; else through the reference stores of their blocks; else, if
    these lack samples, from medians.
    """
    shared = [block for block in mine if block in base]
    if shared:
        return _mean([_in_block(cell[block], base[block], block) for block in shared])
    relative = [
        [_to_reference(blocks[block]) for block in its]
        for blocks, its in ((cell, mine), (base, others))
    ]
    one, other = ([value for value in values if value is not None] for values in relative)
    if one and other:
        return _mean(one) - _mean(other)
    return _mean([log_median(cell[block].seconds) for block in mine]) - _mean(
        [log_median(base[block].seconds) for block in others]
    )


def _in_block(cell: BlockSamples, base: BlockSamples, block: Block) -> float:
    if block.group is None:
        return log_median(cell.seconds) - log_median(base.seconds)
    return log_ratio_of_turns(cell.seconds, base.seconds)


@lru_cache(maxsize=100_000)  # a ranking forms all pairs of a table
def _to_reference(samples: BlockSamples) -> float | None:
    if samples.reference is None:
        return None
    return log_ratio_of_turns(samples.seconds, samples.reference)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _quantile(degrees_of_freedom: float, confidence: float) -> float:
    return float(special.stdtrit(min(degrees_of_freedom, _MOST_FREEDOM), (1 + confidence) / 2))


def _check(cell: Blocks) -> None:
    for block, samples in cell.items():
        if not samples.seconds:
            raise ValueError(f"round {block.round} holds no samples")
        for sample in samples.seconds:
            if not 0 < sample < math.inf:
                raise ValueError(
                    f"round {block.round} holds {sample}, not a positive number of seconds"
                )
