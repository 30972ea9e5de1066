"""Verdicts on many cells of two arms: faster, slower, same within X%, undecided.

What the words mean, for a threshold of 10% and in both directions alike:

- **slower**: that the cell is slower at all is beyond doubt, and a slowdown by the threshold is not
  ruled out. Beyond doubt is a test against a ratio of 1 in which, of all cells of the run called
  slower, at most 5% are expected to be so by chance (Benjamini and Hochberg 1995, by
  `scipy.stats.false_discovery_control`). Ruled out means that the confidence interval ends below
  the threshold.
- **same**: the whole confidence interval lies inside 1 / 1.1 to 1.1. This is the pair of one-sided
  tests of Schuirmann (1987, J. Pharmacokinet. Biopharm. 15:657), each at 2.5% over all looks.
- **undecided**: neither. More rounds would tell.

A cell that is slower beyond doubt by 3% +- 1% is the same within 10%, not slower. The stricter
reading of "slower than 10%", an interval wholly above 1.1, would find a true slowdown of 10% once
in 40 runs, however many rounds it has; this one finds it whenever the noise allows. Nor can it call
a trifle slower: to be beyond doubt in a family of cells the estimate lies nearly three errors from
1, and the interval reaches little more than two further, so what is called slower at 10% has been
measured slower by about 5% at the least.

Looking again after more rounds gives chance another try. So looks are planned: at 6, 10 and 16
rounds, and each has a fixed share of every error to spend (Bonferroni over looks: the smallest p
over its share is valid however the run is stopped). Rounds beyond the last look reached wait for
the next. The first look has 0.3 so that a slowdown of 25% is found in it, the last 0.6 so that one
of 10% is.

What that finds depends on the machine. Where the medians of fresh processes spread by 0.065 (log),
simulated families of 40 cells, half of them slower, gave 98 in 100 slowdowns of 10% found within 16
rounds and 99 in 100 of 25% within 6; a cell that is slower all alone among 40 must stand out more
and is found about 80 and 90 times in 100. With no change 2 cells in 1000 were called slower or
faster, and 4 runs in 100 with no change held a cell called slower.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats

from platebench.results.moderated_variance import moderate
from platebench.results.ratios import CONFIDENCE, Ratio, Rounds, chance_of_slower, log_ratios
from platebench.results.robust_mean import Spread, pool

FEWEST_TESTS = 20
"""A smaller family is judged as if it had this many cells.

Control of false discoveries would let a lone cell be called by chance in 5 runs of 100 either way.
Counted as one of twenty it is called in less than 1 of 100, as each cell of a large family is.
"""


class Verdict(StrEnum):
    """What can be said of one cell of two arms."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    UNDECIDED = "undecided"
    FAILED_ON_ONE_SIDE = "failed on one side"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Plan:
    """What counts as a change, and when to look. Raises ValueError where it cannot be followed.

    `threshold` is relative, 0.1 for 10%. `looks` are numbers of rounds, at least 2, rising;
    `shares` what part of the error each may spend, together at most 1. `false_discoveries` is
    the share of wrong calls allowed among the cells called slower, and among those called faster.
    """

    threshold: float = 0.10
    looks: tuple[int, ...] = (6, 10, 16)
    shares: tuple[float, ...] = (0.3, 0.1, 0.6)
    false_discoveries: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.threshold < math.inf:
            raise ValueError(f"a threshold of {self.threshold} is not above 0")
        if not 0 < self.false_discoveries < 1:
            raise ValueError(f"a false discovery rate of {self.false_discoveries} is not in 0 to 1")
        rising = all(low < high for low, high in zip((1, *self.looks), self.looks, strict=False))
        if not self.looks or not rising:
            raise ValueError(f"looks {self.looks} do not rise from 2 rounds or more")
        if len(self.shares) != len(self.looks) or min(self.shares) <= 0 or sum(self.shares) > 1.001:
            raise ValueError(f"shares {self.shares} do not divide 1 over {len(self.looks)} looks")

    def next_look(self, rounds: int) -> int | None:
        """Return the number of rounds of the first look after so many; None after the last."""
        return next((look for look in self.looks if look > rounds), None)

    def confidence(self, rounds: int) -> float:
        """Return the confidence of the interval at the latest look: 95% less what others spend."""
        at = max(look for look in self.looks if look <= rounds)
        return 1 - (1 - CONFIDENCE) * self.shares[self.looks.index(at)]


def single_look(rounds: int, threshold: float = 0.10) -> Plan:
    """Return the plan of a run whose number of rounds is fixed beforehand, at least 2."""
    return Plan(threshold=threshold, looks=(rounds,), shares=(1.0,))


@dataclass(frozen=True)
class Judgement:
    """One cell's verdict with what it rests on.

    `ratio` is the second arm over the first, over the rounds of the latest look (all rounds before
    the first look), its error shared with the run's other cells; None when a side is missing.
    `doubt` is the false discovery rate at which the cell would just be called slower or faster,
    None before the first look. `rounds_wanted` is how many rounds the next look needs in all, None
    when the verdict stands or the looks are used up.
    """

    verdict: Verdict
    ratio: Ratio | None
    doubt: float | None
    rounds_wanted: int | None


def judge(
    cells: Mapping[str, tuple[Rounds | None, Rounds | None]], plan: Plan | None = None
) -> dict[str, Judgement]:
    """Judge every cell of two arms: by name, its samples in the first and in the second arm.

    A side that failed or was not measured is None. All cells of a run are to be judged together:
    they share their noise, and the false discovery rate is theirs together. Pass everything
    measured so far each time, cells that were decided earlier included. Raises ValueError for
    samples that `ratios.ratio` would refuse.
    """
    plan = plan or Plan()
    logs = {
        name: log_ratios(second, first)
        for name, (first, second) in cells.items()
        if first is not None and second is not None
    }
    compared = _judge_measured(logs, plan) if logs else {}
    return {
        name: compared[name] if name in compared else _judge_missing(*sides)
        for name, sides in cells.items()
    }


def exit_status(judgements: Iterable[Judgement]) -> int:
    """Return 1 if any cell is slower, else 2 if any failed on one side only, else 0."""
    verdicts = {judgement.verdict for judgement in judgements}
    if Verdict.SLOWER in verdicts:
        return 1
    return 2 if Verdict.FAILED_ON_ONE_SIDE in verdicts else 0


def _judge_missing(first: Rounds | None, second: Rounds | None) -> Judgement:
    neither = first is None and second is None
    verdict = Verdict.NOT_MEASURED if neither else Verdict.FAILED_ON_ONE_SIDE
    return Judgement(verdict, None, None, None)


def _judge_measured(logs: Mapping[str, np.ndarray], plan: Plan) -> dict[str, Judgement]:
    reached = np.array([len(values) for values in logs.values()])
    slower, faster = np.ones(len(logs)), np.ones(len(logs))
    latest = _spreads_up_to(plan.looks[0], logs)
    for look, share in zip(plan.looks, plan.shares, strict=True):
        spreads = _spreads_up_to(look, logs)
        for cell in np.flatnonzero(reached >= look):
            latest[cell] = spreads[cell]
            chance = chance_of_slower(spreads[cell])
            assert chance is not None, "every look has two rounds or more"
            slower[cell] = min(slower[cell], chance / share)
            faster[cell] = min(faster[cell], (1 - chance) / share)
    doubts = zip(_false_discovery_rates(slower), _false_discovery_rates(faster), strict=True)
    return {
        name: _judge_one(spread, len(values), doubt, plan)
        for (name, values), spread, doubt in zip(logs.items(), latest, doubts, strict=True)
    }


def _false_discovery_rates(p_values: np.ndarray) -> np.ndarray:
    padded = np.append(p_values, np.ones(max(0, FEWEST_TESTS - len(p_values))))
    return np.asarray(stats.false_discovery_control(padded)[: len(p_values)])


def _spreads_up_to(rounds: int, logs: Mapping[str, np.ndarray]) -> list[Spread]:
    return moderate([pool(values[:rounds]) for values in logs.values()])


def _judge_one(spread: Spread, rounds: int, doubts: tuple[float, float], plan: Plan) -> Judgement:
    found = Ratio(spread)
    if rounds < plan.looks[0]:
        return Judgement(Verdict.UNDECIDED, found, None, plan.looks[0])
    limits = found.limits(plan.confidence(rounds))
    assert limits is not None, "every look has two rounds or more"
    low, high = limits
    slow_doubt, fast_doubt = doubts
    if low > 1 / (1 + plan.threshold) and high < 1 + plan.threshold:
        verdict = Verdict.SAME
    elif slow_doubt <= plan.false_discoveries and high >= 1 + plan.threshold:
        verdict = Verdict.SLOWER
    elif fast_doubt <= plan.false_discoveries and low <= 1 / (1 + plan.threshold):
        verdict = Verdict.FASTER
    else:
        verdict = Verdict.UNDECIDED
    wanted = plan.next_look(rounds) if verdict is Verdict.UNDECIDED else None
    return Judgement(verdict, found, float(min(doubts)), wanted)
