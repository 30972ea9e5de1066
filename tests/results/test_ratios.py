"""Ratios of cells and their intervals, on simulated samples."""

from __future__ import annotations

import math
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from platebench.results import ratios as of_blocks
from platebench.results.blocks import Block, BlockSamples, blocks_of
from platebench.results.moderated_variance import Noise, _inverse_trigamma, moderate
from platebench.results.ratios import Pooled, Ratio, Timing, width
from platebench.results.robust_mean import RobustMean, pool
from tests.results.made_up_noise import Machine, Rounds

seconds = st.floats(1e-6, 1e3)
cells = st.dictionaries(st.integers(0, 5), st.lists(seconds, min_size=1, max_size=4), min_size=1)


def ratio(cell: Rounds, base: Rounds) -> Ratio:
    return of_blocks.ratio(blocks_of(cell), blocks_of(base))


def log_ratios(cell: Rounds, base: Rounds) -> np.ndarray:
    return of_blocks.log_ratios(blocks_of(cell), blocks_of(base))


def typical(cell: Rounds) -> Pooled:
    return of_blocks.typical(blocks_of(cell))


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


def test_ratio_is_formed_from_medians_inside_rounds() -> None:
    fast = {0: [1.0, 1.0, 9.0], 1: [2.0, 2.0], 2: [4.0]}
    slow = {0: [3.0, 3.0, 1.0], 1: [6.0, 6.0], 2: [12.0]}
    assert log_ratios(slow, fast) == pytest.approx([math.log(3)] * 3)
    found = ratio(slow, fast)
    assert found.estimate == pytest.approx(3)
    assert found.rounds == 3
    assert found.settled


def test_cells_of_two_operations_are_compared_by_medians_not_through_their_references() -> None:
    cold = {Block(number, 1): BlockSamples((6.0, 6.0), (3.0, 3.0)) for number in (1, 2)}
    warm = {Block(number, 2): BlockSamples((2.0, 2.0), (0.5, 0.5)) for number in (1, 2)}
    found = Timing(cold).over_another(Timing(warm))
    assert found is not None
    assert found.estimate == pytest.approx(3)
    through_references = Timing(cold).over(Timing(warm))
    assert through_references is not None
    assert through_references.estimate == pytest.approx(0.5), "of other work, so it means nothing"


def test_rounds_are_paired_by_number_and_unpaired_rounds_ignored() -> None:
    whole = {0: [1.0], 1: [2.0], 2: [3.0]}
    holed = {2: [6.0], 0: [2.0], 7: [1.0]}
    assert ratio(holed, whole).rounds == 2
    assert ratio(holed, whole).estimate == pytest.approx(2)


def test_one_round_gives_a_ratio_without_interval() -> None:
    found = ratio({4: [3.0]}, {4: [2.0]})
    assert found.estimate == pytest.approx(1.5)
    assert (found.low, found.high, found.limits(), found.p_value) == (None, None, None, None)
    assert not found.settled
    assert width(found) == math.inf


def test_one_round_has_the_noise_of_other_cells_if_it_is_known() -> None:
    cell, base = blocks_of({1: [2.0]}), blocks_of({1: [1.0], 2: [1.0]})
    found = of_blocks.ratio(cell, base, Noise(0.01, math.inf, 12.0))
    assert found.rounds == 1
    assert found.low is not None and found.high is not None
    reach = stats.t.ppf(0.975, 12) * math.sqrt(2) * 0.1
    assert (found.low, found.high) == pytest.approx((2 * math.exp(-reach), 2 * math.exp(reach)))
    assert found.settled


def test_no_shared_round_is_an_error() -> None:
    with pytest.raises(ValueError, match="no round holds"):
        ratio({0: [1.0]}, {1: [1.0]})
    with pytest.raises(ValueError, match="without rounds"):
        typical({})


@pytest.mark.parametrize("sample", [0.0, -1.0, math.nan, math.inf])
def test_invalid_sample_is_an_error_with_its_round(sample: float) -> None:
    with pytest.raises(ValueError, match="round 3"):
        ratio({3: [1.0, sample]}, {3: [1.0]})
    with pytest.raises(ValueError, match="round 3"):
        typical({3: [sample]})


def test_empty_round_is_an_error() -> None:
    with pytest.raises(ValueError, match="round 0 holds no samples"):
        ratio({0: []}, {0: [1.0]})


@given(cells, cells)
def test_inverse_ratio_has_inverse_interval(one: Rounds, other: Rounds) -> None:
    if not one.keys() & other.keys():
        return
    over, under = ratio(one, other), ratio(other, one)
    assert over.estimate == pytest.approx(1 / under.estimate)
    assert over.settled == under.settled
    if over.low is not None and under.high is not None and 0 < under.high < math.inf:
        assert over.low == pytest.approx(1 / under.high)


@given(cells, seconds)
def test_unit_of_time_does_not_matter(cell: Rounds, unit: float) -> None:
    scaled = {number: [sample * unit for sample in samples] for number, samples in cell.items()}
    assert typical(scaled).estimate == pytest.approx(typical(cell).estimate * unit)


def test_p_value_without_outliers_equals_paired_t_test() -> None:
    first, second = pair(Machine(), 1.1, 12, np.random.default_rng(1))
    medians = [
        [math.log(float(np.median(samples))) for samples in side.values()]
        for side in (second, first)
    ]
    assert ratio(second, first).p_value == pytest.approx(stats.ttest_rel(*medians).pvalue)


@pytest.mark.parametrize("rounds", [6, 8, 16])
def test_round_30_times_too_slow_is_an_outlier(rounds: int) -> None:
    first, second = pair(Machine(), 1.1, rounds, np.random.default_rng(rounds))
    calm = ratio(second, first)
    second[2] = [30 * sample for sample in second[2]]
    shaken = ratio(second, first)
    assert shaken.mean.outliers == 1
    assert shaken.rounds == rounds
    assert shaken.estimate == pytest.approx(calm.estimate, rel=0.05)
    assert width(shaken) < 1.5 * width(calm)


@pytest.mark.parametrize("rounds", [3, 4, 5])
def test_outlier_in_few_rounds_widens_the_interval_but_keeps_the_ratio(
    rounds: int,
) -> None:
    first, second = pair(Machine(), 1.1, rounds, np.random.default_rng(rounds))
    second[1] = [30 * sample for sample in second[1]]
    shaken = ratio(second, first)
    assert shaken.estimate == pytest.approx(1.1, rel=0.15)
    assert width(shaken) > 5
    assert not shaken.settled


def test_plain_mean_is_moved_by_an_outlier() -> None:
    first, second = pair(Machine(), 1.1, 6, np.random.default_rng(6))
    second[2] = [30 * sample for sample in second[2]]
    assert np.exp(log_ratios(second, first).mean()) > 1.5


def test_ordinary_rounds_are_rarely_outliers() -> None:
    assert sum(found.mean.outliers for found in ratios(Machine(), 200, 16, 3)) < 0.005 * 200 * 16


def test_mostly_equal_rounds_have_no_outliers() -> None:
    mean = pool(np.array([0.0, 0.0, 0.0, 0.0, 0.1, -0.1]))
    assert (mean.kept, mean.outliers) == (6, 0)


def test_equal_ratios_settle_the_order_and_ratios_of_one_do_not() -> None:
    same = {number: [2.0] for number in range(6)}
    twice = {number: [4.0] for number in range(6)}
    assert ratio(twice, same).p_value == 0
    assert ratio(same, same).p_value == 1
    assert ratio(twice, same).settled
    assert not ratio(same, same).settled


def test_ratios_inside_rounds_cancel_drift_and_shuffled_rounds_do_not() -> None:
    random = np.random.default_rng(4)
    paired, shuffled = [], []
    for first, second in Machine(drift=0.2).measure(np.ones(60), 12, random).values():
        order = random.permutation(12)
        paired.append(width(ratio(second, first)))
        shuffled.append(width(ratio({k: second[int(order[k])] for k in range(12)}, first)))
    assert np.mean(shuffled) > 3 * np.mean(paired)


def test_reversed_rounds_do_not_cancel_drift() -> None:
    measured = Machine(drift=0.2).measure(np.ones(60), 12, np.random.default_rng(5))
    inside = [width(ratio(second, first)) for first, second in measured.values()]
    reverse = [
        width(ratio({k: second[11 - k] for k in range(12)}, first))
        for first, second in measured.values()
    ]
    assert np.mean(reverse) > 3 * np.mean(inside)


@pytest.mark.parametrize("rounds", [2, 3, 4, 5, 6, 8, 16])
def test_interval_contains_nine_of_ten_repeat_runs(rounds: int) -> None:
    machine = Machine(between_runs=0.01)
    once, again = ratios(machine, 400, rounds, 6), ratios(machine, 400, rounds, 7)
    inside = [contains(a, b.estimate) for a, b in zip(once, again, strict=True)]
    assert np.mean(inside) >= 0.90


def test_confidence_interval_contains_too_few_repeat_runs() -> None:
    once, again = ratios(Machine(), 800, 16, 8), ratios(Machine(), 800, 16, 9)
    inside = []
    for a, b in zip(once, again, strict=True):
        limits = a.limits()
        assert limits is not None
        inside.append(limits[0] <= b.estimate <= limits[1])
    assert 0.78 < np.mean(inside) < 0.88


def test_samples_of_one_process_as_replicates_give_too_narrow_an_interval() -> None:
    measured = Machine(samples=20).measure(np.ones(400), 8, np.random.default_rng(10))
    pooled = [
        stats.ttest_ind(*(np.log(list(chain(*side.values()))) for side in sides)).pvalue
        for sides in measured.values()
    ]
    honest = [ratio(second, first).settled for first, second in measured.values()]
    assert np.mean(np.array(pooled) < 0.01) > 0.10
    assert np.mean(honest) <= 0.02


def test_enough_rounds_settle_the_order() -> None:
    assert np.mean([found.settled for found in ratios(Machine(), 200, 8, 11)]) > 0.95
    assert np.mean([found.settled for found in ratios(Machine(noise=0.3), 200, 2, 12)]) < 0.05


def test_width_is_the_half_width_relative_to_the_ratio() -> None:
    narrow = Ratio(RobustMean(math.log(3), 0.02, 16, 0, 1e9))
    assert width(narrow) == pytest.approx(math.exp(1.96 * math.sqrt(2) * 0.005) - 1, rel=1e-3)


def test_more_rounds_narrow_the_interval() -> None:
    widths = [np.mean([width(r) for r in ratios(Machine(), 100, n, 13)]) for n in (2, 4, 8, 16)]
    assert widths == sorted(widths, reverse=True)


def test_typical_time_is_in_seconds() -> None:
    found = typical({0: [1.0, 2.0, 3.0], 1: [2.0], 2: [2.0, 2.0]})
    assert found.estimate == pytest.approx(2)
    assert found.low == pytest.approx(2)


@given(st.floats(1e-6, 1e6))
def test_inverse_trigamma_inverts_trigamma(value: float) -> None:
    assert special.polygamma(1, _inverse_trigamma(value)) == pytest.approx(value, rel=1e-6)


def test_moderated_variance_recovers_prior_degrees_of_freedom() -> None:
    random = np.random.default_rng(14)
    variances = 0.01 * 8 / random.chisquare(8, 4000) * random.chisquare(5, 4000) / 5
    means = [RobustMean(0.0, math.sqrt(variance), 6, 0, 5.0) for variance in variances]
    shared = moderate(means)
    assert shared[0].degrees_of_freedom == pytest.approx(5 + 8, rel=0.15)
    ends = [mean.deviation for mean in shared if mean.deviation is not None]
    assert np.std(np.log(ends)) < 0.6 * np.std(np.log(np.sqrt(variances)))


def test_cells_with_equal_variance_share_it_fully() -> None:
    variances = 0.01 * stats.chi2.ppf(np.linspace(0.05, 0.95, 40), 5) / 5
    shared = moderate([RobustMean(0.0, math.sqrt(v), 6, 0, 5.0) for v in variances])
    assert {mean.degrees_of_freedom for mean in shared} == {200.0}
    assert len({round(mean.deviation or 0, 9) for mean in shared}) == 1


def test_few_cells_single_rounds_and_zero_variances_are_unchanged() -> None:
    few = [RobustMean(0.0, 0.1 * (n + 1), 6, 0, 5.0) for n in range(4)]
    assert moderate(few) == few
    odd = [RobustMean(0.0, None, 1, 0, 0.0), RobustMean(0.0, 0.0, 6, 0, 5.0)]
    many = [RobustMean(0.0, 0.1 + 0.01 * n, 6, 0, 5.0) for n in range(6)]
    assert moderate([*odd, *many])[:2] == odd
