"""How many times as long one cell takes as another, and how the page says it."""

from __future__ import annotations

from dataclasses import dataclass

from platebench.results.ratios import ratio
from platebench.results.report import figure
from platebench.results.tidy import CellResult


@dataclass(frozen=True)
class Times:
    """How many times as much, and where a second run's figure would be 95 times in 100.

    `low` and `high` are None from one round and for what is counted.
    """

    estimate: float
    low: float | None = None
    high: float | None = None

    @property
    def open(self) -> bool:
        """Whether there is an interval and it holds 1: a second run might show another order."""
        return self.low is not None and self.high is not None and self.low <= 1 <= self.high

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return figure(self.estimate)
        return f"{figure(self.estimate)} ({figure(self.low)} to {figure(self.high)})"


def of_floor(cell: CellResult) -> Times | None:
    """Return a cell's time of the floor's, as `platebench report` gives it."""
    if cell.floor_ratio is None:
        return None
    return Times(cell.floor_ratio, cell.floor_low, cell.floor_high)


def times_of(cell: CellResult, base: CellResult) -> Times | None:
    """Return how many times as long a cell takes as another, in the rounds that hold both."""
    if not cell.by_round.keys() & base.by_round.keys():
        return None
    formed = ratio(cell.by_round, base.by_round)
    return Times(formed.estimate, formed.low, formed.high)
