"""The decision on made-up measurements: three choices, ties, and what is left out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from platebench.errors import UserError
from platebench.results.decision import (
    Decision,
    Pairs,
    Rivals,
    StoreFigures,
    contenders,
    decide,
    promising,
)
from platebench.results.needs import (
    AT_RANDOM,
    CROPS,
    IN_ORDER,
    PARALLEL,
    USES,
    WRITES,
    Needs,
    bytes_of,
)
from platebench.results.ratios import Ratio
from platebench.results.robust_mean import RobustMean
from platebench.stores.name import StoreName

NEEDS = Needs()
ONLY_READS = Needs(100, 0, 0)


def name(text: str) -> StoreName:
    return StoreName.parse(f"{text}:pixels:fast")


A, B, C, D = map(name, "ABCD")


@dataclass
class Made:
    """Made-up stores: size and seconds per image, and how far rounds differ."""

    stores: Mapping[StoreName, tuple[float | None, Mapping[str, float]]]
    deviation: float | None = 0.01
    native: tuple[StoreName, ...] = ()
    apart: tuple[StoreName, ...] = ()
    """Stores that share no round with any other."""
    reasons: Mapping[StoreName, Mapping[str, str]] = field(default_factory=dict)

    @property
    def figures(self) -> list[StoreFigures]:
        return [
            StoreFigures(store, size, seconds, store in self.native, self.reasons.get(store, {}))
            for store, (size, seconds) in self.stores.items()
        ]

    def pair(self, one: StoreName, other: StoreName, use: str) -> Ratio | None:
        if one in self.apart or other in self.apart:
            return None
        log = math.log(self.stores[one][1][use] / self.stores[other][1][use])
        rounds = 1 if self.deviation is None else 4
        return Ratio(RobustMean(log, self.deviation, rounds, 0, rounds - 1.0), 0.02)

    def decide(self, needs: Needs = NEEDS) -> Decision:
        return decide(self.figures, self.pair, needs)


def every(seconds: float) -> dict[str, float]:
    return dict.fromkeys(USES, seconds)


def chosen(decision: Decision) -> list[StoreName]:
    return [choice.store for choice in decision.choices.values()]


def test_three_choices_are_three_stores_of_the_front() -> None:
    made = Made({A: (1.0, every(1.0)), B: (0.4, every(1.5)), C: (0.3, every(9.0))})
    decision = made.decide()
    assert list(decision.choices) == ["Fastest", "Balanced", "Smallest"]
    assert chosen(decision) == [A, B, C]
    assert not any(choice.ties for choice in decision.choices.values())


def test_balanced_gives_up_size_only_for_as_much_time() -> None:
    """A fifth more bytes for a third of the time is worth it, a tenth less time is not."""
    made = Made({A: (0.36, every(3.0)), B: (0.43, every(1.0)), C: (0.60, every(0.9))})
    assert chosen(made.decide()) == [C, B, A]


def test_balanced_is_never_a_dominated_store() -> None:
    made = Made({A: (0.5, every(1.0)), B: (0.6, every(1.2)), C: (0.5, every(1.2))})
    assert set(chosen(made.decide())) == {A}


def test_one_store_is_all_three_without_a_tie() -> None:
    decision = Made({A: (0.5, every(1.0))}).decide()
    assert chosen(decision) == [A, A, A]
    assert not any(choice.ties for choice in decision.choices.values())


def test_stores_whose_order_is_open_tie_and_are_named() -> None:
    stores = {A: (1.0, every(1.0)), B: (1.0, every(1.02)), C: (1.0, every(3.0))}
    fastest = Made(stores, deviation=0.05).decide().fastest
    assert fastest is not None
    assert (fastest.store, fastest.ties) == (A, (B,))
    settled = Made(stores, deviation=0.0001).decide(Needs(100, 0, 0)).fastest
    assert settled is not None
    assert settled.ties == (B,), "what shifts a whole run, 2%, is more than the difference"


def test_two_runs_that_disagree_name_each_other() -> None:
    one = Made({A: (1.0, every(1.0)), B: (1.0, every(1.03))}, deviation=0.05).decide()
    other = Made({A: (1.0, every(1.03)), B: (1.0, every(1.0))}, deviation=0.05).decide()
    for name_of_choice, choice in one.choices.items():
        again = other.choices[name_of_choice]
        assert choice.store == again.store or again.store in choice.ties
        assert choice.store == again.store or choice.store in again.ties


def test_one_round_settles_nothing() -> None:
    stores = {A: (1.0, every(1.0)), B: (0.5, every(9.0))}
    decision = Made(stores, deviation=None).decide()
    assert decision.fastest is not None
    assert decision.fastest.ties == (B,)


def test_stores_without_a_shared_round_tie() -> None:
    stores = {A: (1.0, every(1.0)), B: (1.0, every(9.0))}
    fastest = Made(stores, apart=(B,)).decide().fastest
    assert fastest is not None
    assert fastest.ties == (B,)


def test_of_equally_small_stores_the_fastest_is_the_smallest() -> None:
    made = Made({A: (0.300, every(5.0)), B: (0.302, every(2.0)), C: (0.310, every(1.0))})
    smallest = made.decide().smallest
    assert smallest is not None
    assert (smallest.store, smallest.ties) == (B, ()), "A is as small, and slower beyond doubt"


def test_weights_decide_between_reads_and_writes() -> None:
    reader = {IN_ORDER: 1.0, AT_RANDOM: 1.0, WRITES: 50.0}
    writer = {IN_ORDER: 2.0, AT_RANDOM: 2.0, WRITES: 2.0}
    made = Made({A: (1.0, reader), B: (1.0, writer)})
    assert [chosen(made.decide(needs))[0] for needs in (ONLY_READS, Needs(50, 0, 50))] == [A, B]


def test_needed_versions_choose_the_native_of_tied_stores() -> None:
    stores = {A: (1.0, every(1.0)), B: (1.0, every(1.01)), C: (1.0, every(3.0))}
    made = Made(stores, deviation=0.05, native=(B, C))
    without, fastest = made.decide().fastest, made.decide(Needs(versions=True)).fastest
    assert without is not None
    assert fastest is not None
    assert (without.store, fastest.store, fastest.ties) == (A, B, (A,))


def test_needed_versions_do_not_choose_a_slower_store() -> None:
    stores = {A: (1.0, every(1.0)), C: (1.0, every(3.0))}
    fastest = Made(stores, native=(C,)).decide(Needs(versions=True)).fastest
    assert fastest is not None
    assert fastest.store == A


def test_store_with_a_missing_or_failed_cell_is_left_out_with_its_reason() -> None:
    made = Made(
        {
            A: (1.0, every(5.0)),
            B: (0.1, {IN_ORDER: 1.0}),
            C: (0.1, {IN_ORDER: 1.0, AT_RANDOM: 1.0}),
            D: (None, every(0.1)),
        },
        reasons={C: {WRITES: "writes failed: other values"}},
    )
    decision = made.decide()
    assert chosen(decision) == [A, A, A]
    assert decision.left_out == {
        B: "random reads: not measured",
        C: "writes failed: other values",
        D: "its size is not known",
    }


def test_use_without_a_weight_need_not_be_measured() -> None:
    decision = Made({A: (1.0, {IN_ORDER: 1.0})}).decide(ONLY_READS)
    assert chosen(decision) == [A, A, A]
    assert decision.unmeasured == ()


def test_use_that_no_store_was_measured_on_has_no_weight_and_is_said() -> None:
    decision = Made({A: (1.0, {IN_ORDER: 2.0}), B: (1.0, {IN_ORDER: 1.0})}).decide()
    assert chosen(decision) == [B, B, B]
    assert decision.unmeasured == (AT_RANDOM, WRITES)


@pytest.mark.parametrize("stores", [{}, {A: (1.0, {})}, {A: (None, every(1.0))}])
def test_without_measurements_there_is_no_choice(stores) -> None:
    decision = Made(stores).decide()
    assert decision.choices == {}
    assert set(decision.left_out) == set(stores)


def test_ratio_of_weighted_times_is_theirs_and_its_interval_between_those_of_its_uses() -> None:
    made = Made(
        {
            A: (1.0, {IN_ORDER: 2.0, AT_RANDOM: 3.0, WRITES: 8.0}),
            B: (1.0, {IN_ORDER: 1.0, AT_RANDOM: 4.0, WRITES: 2.0}),
        }
    )
    one, other = made.figures
    rivals = Rivals(made.figures, made.pair, NEEDS.weights)
    found = rivals.over(one, other)
    assert found is not None
    assert found.estimate == pytest.approx(rivals.seconds(one) / rivals.seconds(other))
    alone = made.pair(A, B, IN_ORDER)
    assert alone is not None
    assert found.low is not None and found.high is not None
    assert alone.low is not None and alone.high is not None
    assert 1 < found.high / found.low < alone.high / alone.low, "three uses, errors of their own"


def test_ratio_of_one_use_has_the_interval_of_that_use() -> None:
    made = Made({A: (1.0, every(2.0)), B: (1.0, every(1.0))})
    found = Rivals(made.figures, made.pair, ONLY_READS.weights).over(*made.figures)
    alone = made.pair(A, B, IN_ORDER)
    assert found is not None and alone is not None
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


# The race


def test_promising_stores_lead_by_time_by_size_or_by_both() -> None:
    stores = {
        A: (1.0, every(1.0)),
        B: (0.6, every(1.2)),
        C: (0.3, every(9.0)),
        D: (1.0, every(5.0)),
    }
    figures = Made(stores).figures
    assert promising(figures, NEEDS, 3) == [B, A, C]
    assert promising(figures, NEEDS, 9) == [B, A, C, D]
    without = [replace(each, seconds={}) if each.store == A else each for each in figures]
    assert A not in promising(without, NEEDS, 9), "it lacks what the others have"
    assert promising([], NEEDS, 9) == []


def test_stores_that_may_still_be_chosen_stay_in_the_race() -> None:
    stores = {
        A: (1.0, every(1.0)),
        B: (1.0, every(1.25)),
        C: (1.0, every(4.0)),
        D: (0.3, every(9.0)),
    }
    one_round = Made(stores, deviation=None)
    assert contenders(one_round.figures, one_round.pair, NEEDS, 0.3) == {A, B, D}
    more = Made(stores, deviation=0.001)
    assert contenders(more.figures, more.pair, NEEDS, 0.3) == {A, D}, "B is slower beyond doubt"


def test_fewer_measured_uses_leave_more_stores_in_the_race() -> None:
    stores = {A: (1.0, {IN_ORDER: 1.0}), B: (1.0, {IN_ORDER: 1.55})}
    made = Made(stores, deviation=None)
    assert contenders(made.figures, made.pair, Needs(100, 0, 0), 0.3) == {A}
    assert contenders(made.figures, made.pair, Needs(50, 30, 20), 0.3) == {A, B}


def test_nothing_measured_leaves_no_store_in_the_race() -> None:
    pairs: Pairs = Made({}).pair
    assert contenders([], pairs, NEEDS, 0.3) == set()


# What is needed


def test_weights_of_uses_make_one() -> None:
    assert Needs(20, 75, 5).weights == {IN_ORDER: 0.2, AT_RANDOM: 0.75, WRITES: 0.05}
    assert ONLY_READS.weights == {IN_ORDER: 1.0}
    assert str(Needs(0, 90, 10)) == "90% random reads, 10% writes"
    parts = Needs(0, 10, 10, crops=60, parallel=20)
    assert parts.weights == {AT_RANDOM: 0.1, CROPS: 0.6, PARALLEL: 0.2, WRITES: 0.1}
    assert str(parts) == "10% random reads, 60% crops, 20% parallel reads, 10% writes"


def test_needs_as_options_leave_out_crops_and_parallel_reads_of_none() -> None:
    assert Needs().options() == "--reads 80 --random 15 --writes 5"
    assert Needs(0, 0, 10, crops=90).options() == "--reads 0 --random 0 --crops 90 --writes 10"


@pytest.mark.parametrize(
    "weights", [(80, 15, 4), (80, 25, -5), (100, 0, 0.1), (math.nan, 50, 50), (math.inf, 0, 0)]
)
def test_weights_that_do_not_make_100_are_refused(weights) -> None:
    with pytest.raises(UserError, match=r"--writes .*: these make .*; give .* make 100 together"):
        Needs(*weights)


@pytest.mark.parametrize(
    ("text", "size"),
    [("5TB", 5 * 10**12), ("0.5 gb", 5 * 10**8), ("800MB", 8 * 10**8), ("2PB", 2 * 10**15)],
)
def test_size_is_read_in_units_of_a_thousand(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "5", "TB", "0TB", "-1TB", "5 TiB", "1e3GB", "much"])
def test_size_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match=r"--size .*: give a number with MB, GB, TB or PB, such as"):
        bytes_of(text)
