"""The ratio of two variants that took turns, and its interval of order statistics."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class TurnRatio:
    """The median over turns of one time divided by the other, and its interval."""

    estimate: float
    low: float
    high: float
    turns: int

    @property
    def interval(self) -> str:
        """The interval as text."""
        return f"{self.low:.2f} to {self.high:.2f}"


def turn_ratio(one: Sequence[float], other: Sequence[float]) -> TurnRatio:
    """Return the ratio of seconds of the same turns."""
    ratios = sorted(mine / its for mine, its in zip(one, other, strict=True))
    skipped = _outside(len(ratios))
    return TurnRatio(statistics.median(ratios), ratios[skipped], ratios[-1 - skipped], len(ratios))


def _outside(turns: int) -> int:
    """Return how many ratios lie outside the median's interval on each side.

    The interval of order statistics needs no assumption about the distribution (binomial, p = 1/2).
    """
    below, outside = 0.0, 0
    for k in range(turns // 2):
        below += math.comb(turns, k) / 2**turns
        if 2 * below > 1 - CONFIDENCE:
            break
        outside = k + 1
    return max(0, outside - 1) if outside else 0
