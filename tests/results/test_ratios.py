"""Ratios of cells and how sure they are, on made-up samples."""

from __future__ import annotations

import math
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from platebench.results.moderated_variance import _inverse_trigamma, moderate
from platebench.results.ratios import Ratio, log_ratios, ratio, typical, width
from platebench.results.robust_mean import RobustMean, pool
from tests.results.made_up_noise import Machine, Rounds

seconds = st.floats(1e-6, 1e3)
cells = st.dictionaries(st.integers(0, 5), st.lists(seconds, min_size=1, max_size=4), min_size=1)


def pair(
    machine: Machine, slower: float, rounds: int, random: np.random.Generator
) -> tuple[Rounds, Rounds]:
    return machine.measure(np.array([slower]), rounds, random)["cell 0"]


def ratios(machine: Machine, count: int, rounds: int, seed: int) -> list[Ratio]:
    measured = machine.measure(np.full(count, 1.3), rounds, np.random.default_rng(seed))
    return [ratio(second, first) for first, second in measured.values()]


def contains(found: Ratio, value: float) -> bool:
    assert found.low is not None
    assert found.high is not None
    return found.low <= value <= found.high


def test_a_ratio_is_formed_inside_each_round_of_medians() -> None:
    fast = {0: [1.0, 1.0, 9.0], 1: [2.0, 2.0], 2: [4.0]}
    slow = {0: [3.0, 3.0, 1.0], 1: [6.0, 6.0], 2: [12.0]}
    assert log_ratios(slow, fast) == pytest.approx([math.log(3)] * 3)
    found = ratio(slow, fast)
    assert found.estimate == pytest.approx(3)
    assert found.rounds == 3
    assert found.settled


def test_rounds_are_paired_by_their_number_and_a_lone_one_is_left_out() -> None:
    whole = {0: [1.0], 1: [2.0], 2: [3.0]}
    holed = {2: [6.0], 0: [2.0], 7: [1.0]}
    assert ratio(holed, whole).rounds == 2
    assert ratio(holed, whole).estimate == pytest.approx(2)


def test_one_round_gives_a_ratio_without_an_interval() -> None:
    found = ratio({4: [3.0]}, {4: [2.0]})
    assert found.estimate == pytest.approx(1.5)
    assert (found.low, found.high, found.limits(), found.p_value) == (None, None, None, None)
    assert not found.settled
    assert width(found) == math.inf


def test_no_shared_round_is_an_error() -> None:
    with pytest.raises(ValueError, match="no round holds"):
        ratio({0: [1.0]}, {1: [1.0]})
    with pytest.raises(ValueError, match="without rounds"):
        typical({})


@pytest.mark.parametrize("sample", [0.0, -1.0, math.nan, math.inf])
def test_a_sample_that_is_no_time_is_an_error_that_names_the_round(sample: float) -> None:
    with pytest.raises(ValueError, match="round 3"):
        ratio({3: [1.0, sample]}, {3: [1.0]})
    with pytest.raises(ValueError, match="round 3"):
        typical({3: [sample]})


def test_an_empty_round_is_an_error() -> None:
    with pytest.raises(ValueError, match="round 0 holds no samples"):
        ratio({0: []}, {0: [1.0]})


@given(cells, cells)
def test_turning_a_ratio_over_turns_its_interval_over(one: Rounds, other: Rounds) -> None:
    if not one.keys() & other.keys():
        return
    over, under = ratio(one, other), ratio(other, one)
    assert over.estimate == pytest.approx(1 / under.estimate)
    assert over.settled == under.settled
    if over.low is not None and under.high is not None and 0 < under.high < math.inf:
        assert over.low == pytest.approx(1 / under.high)


@given(cells, seconds)
def test_the_unit_of_time_does_not_matter(cell: Rounds, unit: float) -> None:
    scaled = {number: [sample * unit for sample in samples] for number, samples in cell.items()}
    assert typical(scaled).estimate == pytest.approx(typical(cell).estimate * unit)


def test_without_stray_rounds_the_p_is_that_of_the_paired_t_test() -> None:
    first, second = pair(Machine(), 1.1, 12, np.random.default_rng(1))
    medians = [
        [math.log(float(np.median(samples))) for samples in side.values()]
        for side in (second, first)
    ]
    assert ratio(second, first).p_value == pytest.approx(stats.ttest_rel(*medians).pvalue)


@pytest.mark.parametrize("rounds", [6, 8, 16])
def test_a_round_30_times_too_slow_is_set_aside(rounds: int) -> None:
    first, second = pair(Machine(), 1.1, rounds, np.random.default_rng(rounds))
    calm = ratio(second, first)
    second[2] = [30 * sample for sample in second[2]]
    shaken = ratio(second, first)
    assert shaken.mean.outliers == 1
    assert shaken.rounds == rounds
    assert shaken.estimate == pytest.approx(calm.estimate, rel=0.05)
    assert width(shaken) < 1.5 * width(calm)


@pytest.mark.parametrize("rounds", [3, 4, 5])
def test_among_few_rounds_a_stray_one_widens_the_interval_and_hardly_moves_the_ratio(
    rounds: int,
) -> None:
    first, second = pair(Machine(), 1.1, rounds, np.random.default_rng(rounds))
    second[1] = [30 * sample for sample in second[1]]
    shaken = ratio(second, first)
    assert shaken.estimate == pytest.approx(1.1, rel=0.15)
    assert width(shaken) > 5
    assert not shaken.settled


def test_a_mean_would_have_been_carried_away_by_a_stray_round() -> None:
    first, second = pair(Machine(), 1.1, 6, np.random.default_rng(6))
    second[2] = [30 * sample for sample in second[2]]
    assert np.exp(log_ratios(second, first).mean()) > 1.5


def test_ordinary_rounds_are_seldom_set_aside() -> None:
    assert sum(found.mean.outliers for found in ratios(Machine(), 200, 16, 3)) < 0.005 * 200 * 16


def test_where_most_rounds_agree_to_the_last_digit_none_is_set_aside() -> None:
    mean = pool(np.array([0.0, 0.0, 0.0, 0.0, 0.1, -0.1]))
    assert (mean.kept, mean.outliers) == (6, 0)


def test_rounds_that_agree_wholly_settle_the_order_and_equal_ones_leave_it_open() -> None:
    same = {number: [2.0] for number in range(6)}
    twice = {number: [4.0] for number in range(6)}
    assert ratio(twice, same).p_value == 0
    assert ratio(same, same).p_value == 1
    assert ratio(twice, same).settled
    assert not ratio(same, same).settled


def test_forming_ratios_inside_rounds_keeps_drift_out_and_shuffled_rounds_let_it_in() -> None:
    random = np.random.default_rng(4)
    paired, shuffled = [], []
    for first, second in Machine(drift=0.2).measure(np.ones(60), 12, random).values():
        order = random.permutation(12)
        paired.append(width(ratio(second, first)))
        shuffled.append(width(ratio({k: second[int(order[k])] for k in range(12)}, first)))
    assert np.mean(shuffled) > 3 * np.mean(paired)


def test_reversed_rounds_let_drift_in_as_well() -> None:
    measured = Machine(drift=0.2).measure(np.ones(60), 12, np.random.default_rng(5))
    inside = [width(ratio(second, first)) for first, second in measured.values()]
    reverse = [
        width(ratio({k: second[11 - k] for k in range(12)}, first))
        for first, second in measured.values()
    ]
    assert np.mean(reverse) > 3 * np.mean(inside)


@pytest.mark.parametrize("rounds", [2, 3, 4, 5, 6, 8, 16])
def test_the_interval_contains_a_second_run_nine_times_in_ten(rounds: int) -> None:
    machine = Machine(between_runs=0.01)
    once, again = ratios(machine, 400, rounds, 6), ratios(machine, 400, rounds, 7)
    inside = [contains(a, b.estimate) for a, b in zip(once, again, strict=True)]
    assert np.mean(inside) >= 0.90


def test_a_plain_confidence_interval_would_contain_a_second_run_too_seldom() -> None:
    once, again = ratios(Machine(), 800, 16, 8), ratios(Machine(), 800, 16, 9)
    inside = []
    for a, b in zip(once, again, strict=True):
        limits = a.limits()
        assert limits is not None
        inside.append(limits[0] <= b.estimate <= limits[1])
    assert 0.78 < np.mean(inside) < 0.88


def test_samples_of_one_process_taken_as_replicates_would_give_far_too_narrow_an_interval() -> None:
    measured = Machine(samples=20).measure(np.ones(400), 8, np.random.default_rng(10))
    pooled = [
        stats.ttest_ind(*(np.log(list(chain(*side.values()))) for side in sides)).pvalue
        for sides in measured.values()
    ]
    honest = [ratio(second, first).settled for first, second in measured.values()]
    assert np.mean(np.array(pooled) < 0.01) > 0.10
    assert np.mean(honest) <= 0.02


def test_the_order_of_two_stores_is_settled_by_enough_rounds() -> None:
    assert np.mean([found.settled for found in ratios(Machine(), 200, 8, 11)]) > 0.95
    assert np.mean([found.settled for found in ratios(Machine(noise=0.3), 200, 2, 12)]) < 0.05


def test_width_is_the_half_width_relative_to_the_ratio() -> None:
    narrow = Ratio(RobustMean(math.log(3), 0.02, 16, 0, 1e9))
    assert width(narrow) == pytest.approx(math.exp(1.96 * math.sqrt(2) * 0.005) - 1, rel=1e-3)


def test_more_rounds_narrow_the_interval() -> None:
    widths = [np.mean([width(r) for r in ratios(Machine(), 100, n, 13)]) for n in (2, 4, 8, 16)]
    assert widths == sorted(widths, reverse=True)


def test_a_typical_time_is_in_seconds() -> None:
    found = typical({0: [1.0, 2.0, 3.0], 1: [2.0], 2: [2.0, 2.0]})
    assert found.estimate == pytest.approx(2)
    assert found.low == pytest.approx(2)


@given(st.floats(1e-6, 1e6))
def test_the_inverse_of_trigamma_turns_it_back(value: float) -> None:
    assert special.polygamma(1, _inverse_trigamma(value)) == pytest.approx(value, rel=1e-6)


def test_sharing_noise_recovers_how_alike_the_cells_are() -> None:
    random = np.random.default_rng(14)
    variances = 0.01 * 8 / random.chisquare(8, 4000) * random.chisquare(5, 4000) / 5
    means = [RobustMean(0.0, math.sqrt(variance), 6, 0, 5.0) for variance in variances]
    shared = moderate(means)
    assert shared[0].degrees_of_freedom == pytest.approx(5 + 8, rel=0.15)
    ends = [mean.deviation for mean in shared if mean.deviation is not None]
    assert np.std(np.log(ends)) < 0.6 * np.std(np.log(np.sqrt(variances)))


def test_cells_of_one_noise_share_it_wholly() -> None:
    variances = 0.01 * stats.chi2.ppf(np.linspace(0.05, 0.95, 40), 5) / 5
    shared = moderate([RobustMean(0.0, math.sqrt(v), 6, 0, 5.0) for v in variances])
    assert {mean.degrees_of_freedom for mean in shared} == {200.0}
    assert len({round(mean.deviation or 0, 9) for mean in shared}) == 1


def test_few_cells_single_rounds_and_unvarying_ones_are_left_as_they_are() -> None:
    few = [RobustMean(0.0, 0.1 * (n + 1), 6, 0, 5.0) for n in range(4)]
    assert moderate(few) == few
    odd = [RobustMean(0.0, None, 1, 0, 0.0), RobustMean(0.0, 0.0, 6, 0, 5.0)]
    many = [RobustMean(0.0, 0.1 + 0.01 * n, 6, 0, 5.0) for n in range(6)]
    assert moderate([*odd, *many])[:2] == odd
