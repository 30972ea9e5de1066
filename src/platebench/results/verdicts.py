"""Verdicts on many cells of two arms: faster, slower, same within X%, undecided.

For a threshold of 10%, and in both directions alike:

- **slower**: the cell is significantly slower, and a slowdown by the threshold is not ruled out.
  Significant means a test against a ratio of 1 with the false discovery rate controlled: of all
  cells of the run called slower, at most 5% are expected to be called by chance (Benjamini and
  Hochberg 1995, by `scipy.stats.false_discovery_control`). Ruled out means that the confidence
  interval ends below the threshold.
- **same**: the whole confidence interval lies inside 1 / 1.1 to 1.1. This is the pair of one-sided
  tests of Schuirmann (1987, J. Pharmacokinet. Biopharm. 15:657), each at 2.5% over all looks.
- **undecided**: neither. More rounds can decide it.

A cell that is significantly slower by 3% +- 1% is the same within 10%, not slower. The stricter
reading of "slower than 10%", an interval wholly above 1.1, would find a true slowdown of 10% once
in 40 runs, however many rounds it has. This reading finds it whenever the noise allows. It does not
call a tiny change slower: to be significant in a family of cells, the estimate is nearly three
errors from 1, and the interval reaches little more than two further, so a cell called slower at 10%
was measured slower by about 5% at the least.

Looking again after more rounds gives chance another try. So the looks are planned, at 6, 10 and 16
rounds, and each spends a fixed share of every error (Bonferroni over looks: the smallest p over its
share is valid whenever the run stops). Rounds beyond the last look reached wait for the next one.
The first look has a share of 0.3, so that it finds a slowdown of 25%; the last has 0.6, so that it
finds one of 10%.

The power depends on the machine. If the medians of fresh processes vary by 0.065 (log), simulated
families of 40 cells, half of them slower, gave 98 in 100 slowdowns of 10% found within 16 rounds
and 99 in 100 of 25% within 6. A cell that is the only slower one of 40 must differ more; it is
found about 80 and 90 times in 100. With no change, 2 cells in 1000 were called slower or faster,
and 4 runs in 100 held a cell called slower.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats

from platebench.results.moderated_variance import moderate
from platebench.results.ratios import CONFIDENCE, Ratio, Timing, chance_of_slower, log_ratios
from platebench.results.robust_mean import RobustMean, pool

FEWEST_TESTS = 20
"""A smaller family is judged as if it had this many cells.

Otherwise a lone cell would be called by chance in 5 runs of 100. As one of twenty it is called in
less than 1 of 100, like each cell of a large family.
"""


class Verdict(StrEnum):
    """What is known about one cell of two arms."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    UNDECIDED = "undecided"
    FAILED_ON_ONE_SIDE = "failed on one side"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Plan:
    """What counts as a change, and when to look. Raises ValueError for a plan without sense.

    `threshold` is relative, 0.1 for 10%. `looks` are numbers of rounds, at least 2, rising;
    `shares` are the parts of the error that each may spend, at most 1 together.
    `false_discoveries` is the share of wrong calls allowed among the cells called slower, and among
    those called faster.
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
        """Return the number of rounds of the next look; None after the last."""
        return next((look for look in self.looks if look > rounds), None)

    def confidence(self, rounds: int) -> float:
        """Return the confidence of the interval at the latest look; all looks share 5% of error."""
        at = max(look for look in self.looks if look <= rounds)
        return 1 - (1 - CONFIDENCE) * self.shares[self.looks.index(at)]


def single_look(rounds: int, threshold: float = 0.10) -> Plan:
    """Return the plan of a run with a fixed number of rounds, at least 2."""
    return Plan(threshold=threshold, looks=(rounds,), shares=(1.0,))


@dataclass(frozen=True)
class Judgement:
    """The verdict on one cell and its evidence.

    `ratio` is the second arm over the first, from the rounds of the latest look (all rounds before
    the first look), with its variance moderated over the cells; None if a side is missing.
    `q_value` is the false discovery rate at which the cell would just be called slower or faster,
    None before the first look. `rounds_wanted` is how many rounds the next look needs in all, None
    if the verdict is final or no look is left.
    """

    verdict: Verdict
    ratio: Ratio | None
    q_value: float | None
    rounds_wanted: int | None


def judge(
    cells: Mapping[str, tuple[Timing | None, Timing | None]], plan: Plan | None = None
) -> dict[str, Judgement]:
    """Judge every cell of two arms: by name, its timing in the first and in the second arm.

    A side that failed or was not measured is None. Judge all cells of a run together: they share
    their noise and the false discovery rate. Pass everything measured so far each time, including
    cells that were decided earlier. Raises ValueError for
    samples that `ratios.ratio` would refuse.
    """
    plan = plan or Plan()
    logs = {
        name: log_ratios(second.blocks, first.blocks)
        for name, (first, second) in cells.items()
        if first is not None and second is not None
    }
    shifts = {name: side.run_shift for name, (side, _) in cells.items() if side is not None}
    compared = _judge_measured(logs, shifts, plan) if logs else {}
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


def _judge_missing(first: Timing | None, second: Timing | None) -> Judgement:
    neither = first is None and second is None
    verdict = Verdict.NOT_MEASURED if neither else Verdict.FAILED_ON_ONE_SIDE
    return Judgement(verdict, None, None, None)


def _judge_measured(
    logs: Mapping[str, np.ndarray], shifts: Mapping[str, float], plan: Plan
) -> dict[str, Judgement]:
    reached = np.array([len(values) for values in logs.values()])
    slower, faster = np.ones(len(logs)), np.ones(len(logs))
    latest = _means_up_to(plan.looks[0], logs)
    for look, share in zip(plan.looks, plan.shares, strict=True):
        means = _means_up_to(look, logs)
        for cell in np.flatnonzero(reached >= look):
            latest[cell] = means[cell]
            chance = chance_of_slower(means[cell])
            assert chance is not None, "every look has two rounds or more"
            slower[cell] = min(slower[cell], chance / share)
            faster[cell] = min(faster[cell], (1 - chance) / share)
    q_values = zip(_q_values(slower), _q_values(faster), strict=True)
    return {
        name: _judge_one(Ratio(mean, shifts[name]), len(values), q_value, plan)
        for (name, values), mean, q_value in zip(logs.items(), latest, q_values, strict=True)
    }


def _q_values(p_values: np.ndarray) -> np.ndarray:
    padded = np.append(p_values, np.ones(max(0, FEWEST_TESTS - len(p_values))))
    return np.asarray(stats.false_discovery_control(padded)[: len(p_values)])


def _means_up_to(rounds: int, logs: Mapping[str, np.ndarray]) -> list[RobustMean]:
    return moderate([pool(values[:rounds]) for values in logs.values()])


def _judge_one(found: Ratio, rounds: int, q_values: tuple[float, float], plan: Plan) -> Judgement:
    if rounds < plan.looks[0]:
        return Judgement(Verdict.UNDECIDED, found, None, plan.looks[0])
    limits = found.limits(plan.confidence(rounds))
    assert limits is not None, "every look has two rounds or more"
    low, high = limits
    q_slower, q_faster = q_values
    if low > 1 / (1 + plan.threshold) and high < 1 + plan.threshold:
        verdict = Verdict.SAME
    elif q_slower <= plan.false_discoveries and high >= 1 + plan.threshold:
        verdict = Verdict.SLOWER
    elif q_faster <= plan.false_discoveries and low <= 1 / (1 + plan.threshold):
        verdict = Verdict.FASTER
    else:
        verdict = Verdict.UNDECIDED
    wanted = plan.next_look(rounds) if verdict is Verdict.UNDECIDED else None
    return Judgement(verdict, found, float(min(q_values)), wanted)
