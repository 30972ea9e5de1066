"""How well a run's intervals held in a second run of the same plan."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platebench.errors import UserError
from platebench.results.tidy import CellResult
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR

BASES = ("floor", "tiff")
"""The stores whose ratios are compared. The best store may be another in the second run."""


@dataclass(frozen=True)
class Interval:
    """A published ratio with the ends of its interval."""

    estimate: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """True if a value is inside."""
        return self.low <= value <= self.high

    @property
    def half_width(self) -> float:
        """Half of the width, relative to the estimate."""
        return float((self.high / self.low) ** 0.5 - 1)


@dataclass(frozen=True)
class Coverage:
    """What two runs of the same plan say of each other, over all ratios of one cache state.

    `second_inside` is the share of the second run's ratios inside the first's intervals, and
    `first_inside` the other way round. `difference` is the median difference of the two ratios,
    relative to the smaller, `half_width` the median half-width of all intervals.
    """

    cache: str
    ratios: int
    second_inside: float
    first_inside: float
    difference: float
    half_width: float


@dataclass(frozen=True)
class RankChanges:
    """How the order of stores changed from the first run to the second.

    `tables` have two ranked stores or more in both. `same_best`: the second run's fastest store is
    the first's, or one that tied with it. `pairs` were settled in the first run, of which
    `reversed_pairs` were settled the other way in the second.
    """

    tables: int
    same_best: int
    pairs: int
    reversed_pairs: int


def coverage(first: Sequence[CellResult], second: Sequence[CellResult]) -> list[Coverage]:
    """Compare the ratios of two runs, warm and cold apart.

    Raises UserError if they share no ratio with an interval.
    """
    ours, theirs = _intervals(first), _intervals(second)
    shared = [key for key in ours if key in theirs]
    if not shared:
        raise UserError("the two runs share no ratio with an interval")
    found = []
    for cache in dict.fromkeys(key[0] for key in shared):
        pairs = [(ours[key], theirs[key]) for key in shared if key[0] == cache]
        found.append(_coverage(cache, pairs))
    return found


def rank_changes(first: Sequence[CellResult], second: Sequence[CellResult]) -> RankChanges:
    """Compare the order of stores in the tables that both runs have."""
    ours, theirs = _tables(first), _tables(second)
    tables = same_best = pairs = reversed_pairs = 0
    for table in ours:
        mine, other = ours[table], theirs.get(table, {})
        stores = [store for store in mine if store in other and store != FLOOR]
        if len(stores) < 2:
            continue
        tables += 1
        best = min(stores, key=lambda store: other[store].best_ratio or 0.0)
        same_best += mine[best].rank in ("1", "=1")
        for place, one in enumerate(stores):
            for two in stores[place + 1 :]:
                before = _order(mine[one], mine[two])
                pairs += before != 0
                reversed_pairs += before * _order(other[one], other[two]) < 0
    return RankChanges(tables, same_best, pairs, reversed_pairs)


def _coverage(cache: str, pairs: Sequence[tuple[Interval, Interval]]) -> Coverage:
    return Coverage(
        cache,
        len(pairs),
        statistics.fmean(one.holds(two.estimate) for one, two in pairs),
        statistics.fmean(two.holds(one.estimate) for one, two in pairs),
        statistics.median(
            max(one.estimate, two.estimate) / min(one.estimate, two.estimate) - 1
            for one, two in pairs
        ),
        statistics.median(each.half_width for pair in pairs for each in pair),
    )


def _intervals(cells: Sequence[CellResult]) -> dict[tuple[str, ...], Interval]:
    """Return the ratios with an interval, by the cache state, the rest of the table, and stores."""
    found: dict[tuple[str, ...], Interval] = {}
    for cell in cells:
        for base in BASES:
            estimate, low, high = (
                getattr(cell, f"{base}_{part}") for part in ("ratio", "low", "high")
            )
            # A store's ratio to itself has an interval without width.
            if cell.status == "ok" and None not in (estimate, low, high) and low < high:
                key = (cell.cache, *cell.table, str(cell.store), base)
                found[key] = Interval(estimate, low, high)
    return found


def _tables(cells: Sequence[CellResult]) -> dict[tuple[str, ...], Mapping[StoreName, CellResult]]:
    found: dict[tuple[str, ...], dict[StoreName, CellResult]] = {}
    for cell in cells:
        if cell.status == "ok" and cell.wall.blocks:
            found.setdefault(cell.table, {})[cell.store] = cell
    return dict(found)


def _order(one: CellResult, two: CellResult) -> int:
    """Return -1 if the first is faster beyond doubt, 1 if it is slower, 0 if that is open."""
    found = one.wall.over(two.wall)
    if found is None or not found.settled:
        return 0
    return -1 if found.estimate < 1 else 1
