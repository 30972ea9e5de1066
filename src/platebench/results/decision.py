"""Which store to choose: the fastest, a balanced one, and the smallest. Pure.

`platebench advise` uses this, and so does whatever else answers the question. It knows stores by
their size and their seconds per image, and pairs of stores by their ratios from shared rounds.

**Weighted time** of a store: the mean seconds per image of the uses that the reader has, weighted
by how often each occurs (`needs.Needs`). Reads are cold ones.

- `fastest` has the least weighted time.
- `smallest` has the fewest bytes. Of stores that are as small within 1% it is the fastest.
- `balanced` has the smallest product of bytes and weighted time: 10% more bytes must buy 10% less
  time. No other store is both smaller and faster, so it is on the Pareto front. This is also the
  rule by which the tuning `balanced` was chosen (docs/tuning.md).

No store wins without a settled order. A store ties with a choice if the interval of the ratio that
decides between them, for a repeat run, includes 1, or if the two share no round. Ties are named.
The choice is the store with the best estimate; if versions are needed, the best of the tied ones
whose format keeps versions itself, if there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from platebench.results.needs import Needs
from platebench.results.questions import TIE_IN_SIZE
from platebench.results.ratios import Ratio
from platebench.results.robust_mean import RobustMean
from platebench.stores.name import StoreName


@dataclass(frozen=True)
class StoreFigures:
    """What is known of one store.

    `size` is stored bytes per byte of pixels, None if unknown. `seconds` are those per image of
    each use that was measured; `reasons` say why another use was not.
    """

    store: StoreName
    size: float | None
    seconds: Mapping[str, float]
    native_versions: bool = False
    reasons: Mapping[str, str] | None = None


Pairs = Callable[[StoreName, StoreName, str], Ratio | None]
"""Returns how many times as long one store takes as another for a use, None without a round."""


@dataclass(frozen=True)
class Choice:
    """A store, and the stores that tie with it, the best first."""

    store: StoreName
    ties: tuple[StoreName, ...] = ()


@dataclass(frozen=True)
class Decision:
    """The three choices; each is None if no store has what decides it.

    `left_out` has the stores that cannot be chosen, and why. `unmeasured` are the uses that no
    store was measured on; they have no weight in the decision.
    """

    fastest: Choice | None
    balanced: Choice | None
    smallest: Choice | None
    left_out: Mapping[StoreName, str]
    unmeasured: tuple[str, ...] = ()

    @property
    def choices(self) -> dict[str, Choice]:
        """The choices that there are, by their names."""
        every = {"Fastest": self.fastest, "Balanced": self.balanced, "Smallest": self.smallest}
        return {name: choice for name, choice in every.items() if choice is not None}


def decide(figures: Sequence[StoreFigures], pairs: Pairs, needs: Needs) -> Decision:
    """Decide between stores. Each must be there once."""
    measured = {use for each in figures for use in each.seconds}
    weights = {use: weight for use, weight in needs.weights.items() if use in measured}
    left_out = {
        each.store: why
        for each in figures
        if (why := _why_not(each, weights or needs.weights)) is not None
    }
    rivals = Rivals([each for each in figures if each.store not in left_out], pairs, weights)
    unmeasured = tuple(use for use in needs.weights if use not in measured)
    if not rivals.figures or not weights:
        return Decision(None, None, None, left_out, unmeasured)
    return Decision(
        fastest=rivals.fastest(needs.versions),
        balanced=rivals.balanced(needs.versions),
        smallest=rivals.smallest(needs.versions),
        left_out=left_out,
        unmeasured=unmeasured,
    )


@dataclass(frozen=True)
class Rivals:
    """Stores that have all figures, and the weights of the uses by which they are compared."""

    figures: Sequence[StoreFigures]
    pairs: Pairs
    weights: Mapping[str, float]

    def seconds(self, each: StoreFigures) -> float:
        """Return the weighted time of a store in seconds per image."""
        return sum(weight * each.seconds[use] for use, weight in self.weights.items())

    def product(self, each: StoreFigures) -> float:
        """Return the product of a store's size and its weighted time."""
        return _size(each) * self.seconds(each)

    def fastest(self, versions: bool) -> Choice:
        """Return the store with the least weighted time."""
        ranked = sorted(self.figures, key=lambda each: (self.seconds(each), each.store))
        return self._choice(ranked, versions, by_size=False)

    def balanced(self, versions: bool) -> Choice:
        """Return the store with the smallest product of size and weighted time."""
        ranked = sorted(self.figures, key=lambda each: (self.product(each), each.store))
        return self._choice(ranked, versions, by_size=True)

    def smallest(self, versions: bool) -> Choice:
        """Return the smallest store, of equally small ones the fastest."""
        least = min(map(_size, self.figures))
        equal = [each for each in self.figures if _size(each) <= least * (1 + TIE_IN_SIZE)]
        ranked = sorted(equal, key=lambda each: (self.seconds(each), each.store))
        return self._choice(ranked, versions, by_size=False)

    def over(self, one: StoreFigures, other: StoreFigures) -> Ratio | None:
        """Return the ratio of two weighted times; None if they share no round of some use.

        It is the mean of the ratios of the uses, weighted by the time that each use takes of the
        other store. Its error is that of a sum of independent terms, with the degrees of freedom of
        Satterthwaite (1946, Biometrics Bulletin 2:110). It has no interval if a use has none.
        """
        total = self.seconds(other)
        parts: list[tuple[float, Ratio]] = []
        for use, weight in self.weights.items():
            found = self.pairs(one.store, other.store, use)
            if found is None:
                return None
            parts.append((weight * other.seconds[use] / total * found.estimate, found))
        return _sum_of(parts)

    def _choice(self, ranked: Sequence[StoreFigures], versions: bool, by_size: bool) -> Choice:
        best, *others = ranked
        tied = [each for each in others if not self._settled(each, best, by_size)]
        if versions and not best.native_versions:
            native = next((each for each in tied if each.native_versions), None)
            if native is not None:
                tied = [best, *(each for each in tied if each is not native)]
                best = native
        return Choice(best.store, tuple(each.store for each in tied))

    def _settled(self, one: StoreFigures, other: StoreFigures, by_size: bool) -> bool:
        """Return True if a repeat run would very likely rank these two in the same order."""
        found = self.over(one, other)
        if found is not None and by_size:
            shift = math.log(_size(one) / _size(other))
            found = replace(found, mean=replace(found.mean, centre=found.mean.centre + shift))
        return found is not None and found.settled


def _sum_of(parts: Sequence[tuple[float, Ratio]]) -> Ratio:
    """Return the sum of terms, each with the ratio that its relative error comes from."""
    total = math.fsum(term for term, _ in parts)
    variance = freedom = shift = 0.0
    known = True
    for term, found in parts:
        share, error = term / total, found.mean.error
        known = known and error is not None
        part = (share * (error or 0.0)) ** 2
        variance += part
        freedom += part**2 / found.mean.degrees_of_freedom if found.mean.degrees_of_freedom else 0
        shift += (share * found.run_shift) ** 2
    rounds = min(found.rounds for _, found in parts)
    # `RobustMean.error` is that of two rounds: the deviation over the root of two.
    mean = RobustMean(
        centre=math.log(total),
        deviation=math.sqrt(2 * variance) if known else None,
        kept=2 if known else rounds,
        outliers=0,
        degrees_of_freedom=variance**2 / freedom if freedom else math.inf,
    )
    return Ratio(mean, math.sqrt(shift))


def not_measured(use: str) -> str:
    """Return the reason of a store that has no cell for a use."""
    return f"{use}: not measured"


def _why_not(each: StoreFigures, weights: Mapping[str, float]) -> str | None:
    """Return why a store cannot be chosen, None if it can."""
    for use in weights:
        if use not in each.seconds:
            return (each.reasons or {}).get(use, not_measured(use))
    return "its size is not known" if each.size is None else None


def _size(each: StoreFigures) -> float:
    assert each.size is not None, "a store of unknown size is left out"
    return each.size


def promising(figures: Sequence[StoreFigures], needs: Needs, most: int) -> list[StoreName]:
    """Return at most `most` stores that lead: by time, by time and size, and by size.

    The best of each in turn, so that those that may be chosen come first. Stores without a figure
    that other stores have are left out.
    """
    uses = {use for each in figures for use in each.seconds}
    weights = {use: weight for use, weight in needs.weights.items() if use in uses}
    rivals = Rivals(
        [each for each in figures if _why_not(each, weights or needs.weights) is None],
        lambda one, other, use: None,
        weights,
    )
    orders = [
        sorted(rivals.figures, key=lambda each: (by(each), each.store))
        for by in (rivals.product, rivals.seconds, _size)
    ]
    found = dict.fromkeys(each.store for row in zip(*orders, strict=True) for each in row)
    return list(found)[:most]


_LEAST_WEIGHT = 0.5
"""Uses with less weight than this do not put a store out of the race by less than twice `near`."""


def contenders(
    figures: Sequence[StoreFigures], pairs: Pairs, needs: Needs, near: float
) -> set[StoreName]:
    """Return the stores that may still be chosen, or tie with a choice, after another round.

    Others are out of the race: measuring them again would take time from those that are in it. In
    the race are those that tie with a choice and whose figure is not further from it than `near`,
    relative to it; further if uses are not measured yet that have a weight.
    """
    decision = decide(figures, pairs, needs)
    weights = {use: share for use, share in needs.weights.items() if use not in decision.unmeasured}
    by_store = {each.store: each for each in figures if each.store not in decision.left_out}
    rivals = Rivals(list(by_store.values()), pairs, weights)
    most = 1 + near / max(math.fsum(weights.values()), _LEAST_WEIGHT)
    found: set[StoreName] = set()
    for name, choice in decision.choices.items():
        figure = rivals.product if name == "Balanced" else rivals.seconds
        best = figure(by_store[choice.store])
        still = (store for store in choice.ties if figure(by_store[store]) <= most * best)
        found |= {choice.store, *still}
    return found
