"""Verdicts on families of simulated cells: power and false calls."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from platebench.results import verdicts as judging
from platebench.results.blocks import blocks_of
from platebench.results.ratios import ratio
from platebench.results.verdicts import (
    Judgement,
    Plan,
    Verdict,
    exit_status,
    single_look,
)
from tests.results.made_up_noise import Machine, Pairs, Rounds, timed_pairs

CALLED = {Verdict.SLOWER, Verdict.FASTER}
CALM = Machine(noise=0.01, within=0.005)


def judge(cells, plan: Plan | None = None) -> dict[str, Judgement]:
    return judging.judge(timed_pairs(cells), plan)


def family(machine: Machine, slower: float, count: int, seed: int, rounds: int = 16) -> Pairs:
    """Return 40 cells; the first `count` are slower in the second arm."""
    ratios = np.ones(40)
    ratios[:count] = slower
    return machine.measure(ratios, rounds, np.random.default_rng(seed))


def cut(pairs: Pairs, rounds: dict[str, int]) -> Pairs:
    def first(side: Rounds, upto: int) -> Rounds:
        return {number: side[number] for number in side if number < upto}

    return {
        name: (first(a, rounds[name]), first(b, rounds[name])) for name, (a, b) in pairs.items()
    }


def follow(pairs: Pairs, plan: Plan) -> dict[str, Judgement]:
    """Measure like `compare`: round by round, until a cell is decided."""
    rounds = dict.fromkeys(pairs, plan.looks[0])
    while True:
        judged = judge(cut(pairs, rounds), plan)
        wanted = {name: j.rounds_wanted for name, j in judged.items() if j.rounds_wanted}
        if not wanted:
            return judged
        rounds |= wanted


def verdicts(
    machine: Machine, slower: float, count: int, families: int, plan: Plan | None = None
) -> Counter[Verdict]:
    """Return the verdicts on the slower cells, or on all if none is slower."""
    found: Counter[Verdict] = Counter()
    for seed in range(families):
        judged = follow(family(machine, slower, count, seed), plan or Plan())
        found.update(j.verdict for j in list(judged.values())[: count or None])
    return found


def part(found: Counter[Verdict], *wanted: Verdict) -> float:
    return sum(found[verdict] for verdict in wanted) / found.total()


@pytest.mark.parametrize(
    "machine",
    [Machine(), Machine(noise=0.13), Machine(outliers=0.02), Machine(unlike=0.3)],
    ids=["quiet hour", "busy hour", "outliers", "unlike cells"],
)
def test_same_arm_twice_differs_in_at_most_1_cell_of_100(machine: Machine) -> None:
    assert part(verdicts(machine, 1.0, 0, 25), *CALLED) <= 0.01


@pytest.mark.parametrize("size", [1, 4, 20])
def test_small_families_have_no_more_false_calls_than_large_ones(size: int) -> None:
    called = 0
    for seed in range(25):
        cells = list(family(Machine(), 1.0, 0, seed).items())
        for start in range(0, len(cells), size):
            judged = judge(dict(cells[start : start + size]))
            called += sum(j.verdict in CALLED for j in judged.values())
    assert called / (25 * 40) <= 0.01


def test_slowdown_of_10_percent_is_found_95_times_in_100_within_16_rounds() -> None:
    assert part(verdicts(Machine(), 1.10, 20, 20), Verdict.SLOWER) >= 0.95


def test_slowdown_of_25_percent_is_found_95_times_in_100_within_6_rounds() -> None:
    plan = Plan(looks=(6,), shares=(Plan().shares[0],))
    assert part(verdicts(Machine(), 1.25, 20, 20, plan), Verdict.SLOWER) >= 0.95


def test_on_a_busy_machine_no_test_finds_10_percent() -> None:
    """Neyman and Pearson: no test at 1% has more power than a z test with known noise."""

    def strongest(noise: float) -> float:
        return float(
            stats.norm.sf(stats.norm.isf(0.01) - math.log(1.1) / (noise * math.sqrt(2 / 16)))
        )

    assert strongest(0.065) > 0.95
    assert strongest(0.070) < 0.95
    assert strongest(0.13) < 0.45
    assert part(verdicts(Machine(noise=0.13), 1.10, 20, 10), Verdict.SLOWER) < strongest(0.13)


def test_slowdown_at_the_threshold_is_rarely_called_the_same() -> None:
    found = verdicts(Machine(noise=0.03, within=0.02), 1.10, 20, 20)
    assert part(found, Verdict.SLOWER) >= 0.95
    assert part(found, Verdict.SAME) <= 0.04


def test_slower_cells_do_not_make_their_neighbours_look_slower() -> None:
    wrong = right = 0
    for seed in range(15):
        judged = list(follow(family(Machine(), 1.25, 10, seed), Plan()).values())
        right += sum(j.verdict is Verdict.SLOWER for j in judged[:10])
        wrong += sum(j.verdict is Verdict.SLOWER for j in judged[10:])
    assert wrong / (wrong + right) <= 0.06


def test_uncontrolled_false_discoveries_call_many_cells() -> None:
    p_values = [
        ratio(blocks_of(second), blocks_of(first)).p_value or 0.0
        for seed in range(10)
        for first, second in family(Machine(), 1.0, 0, seed).values()
    ]
    assert np.mean(np.array(p_values) < 0.05) > 0.02


def test_looking_after_every_round_calls_more_cells_than_planned_looks() -> None:
    peeked = planned = 0
    for seed in range(10):
        pairs = family(Machine(), 1.0, 0, seed)
        strict = Plan(false_discoveries=0.5)
        loose = [Plan(looks=(n,), shares=(1.0,), false_discoveries=0.5) for n in range(6, 17)]
        seen = [judge(pairs, plan) for plan in loose]
        peeked += sum(any(s[name].verdict in CALLED for s in seen) for name in pairs)
        planned += sum(j.verdict in CALLED for j in judge(pairs, strict).values())
    assert peeked > 2 * max(planned, 1)


def test_moderated_variance_finds_a_lone_slowdown_in_six_rounds() -> None:
    plan = single_look(6)
    shared = alone = 0
    for seed in range(60):
        pairs = family(Machine(), 1.25, 1, seed, rounds=6)
        shared += judge(pairs, plan)["cell 0"].verdict is Verdict.SLOWER
        p_values = [
            ratio(blocks_of(second), blocks_of(first)).p_value for first, second in pairs.values()
        ]
        alone += stats.false_discovery_control(p_values)[0] <= 0.10
    assert shared > 0.85 * 60
    assert alone < 0.9 * shared


def test_significant_small_change_is_the_same_within_the_threshold() -> None:
    judged = judge(family(CALM, 1.03, 40, 0))
    assert {j.verdict for j in judged.values()} == {Verdict.SAME}
    assert all(j.q_value is not None and j.q_value < 0.05 for j in judged.values())
    assert exit_status(judged.values()) == 0
    tighter = judge(family(CALM, 1.03, 40, 0), Plan(threshold=0.02))
    assert {j.verdict for j in tighter.values()} == {Verdict.SLOWER}


def test_slower_cells_were_measured_slower_by_half_the_threshold() -> None:
    estimates = [
        j.ratio.estimate
        for noise in (0.02, 0.065, 0.13)
        for seed in range(3)
        for j in judge(family(Machine(noise=noise, within=0.01), 1.06, 20, seed)).values()
        if j.verdict is Verdict.SLOWER and j.ratio is not None
    ]
    assert len(estimates) > 10
    assert min(estimates) > 1.045


def test_interval_above_the_threshold_misses_a_slowdown_of_the_threshold() -> None:
    judged = judge(family(CALM, 1.10, 40, 1)).values()
    limits = [j.ratio.limits() for j in judged if j.ratio is not None]
    assert np.mean([pair is not None and pair[0] > 1.10 for pair in limits]) < 0.10
    assert np.mean([j.verdict is Verdict.SLOWER for j in judged]) > 0.9


def test_swapping_the_arms_swaps_faster_and_slower() -> None:
    pairs = family(Machine(), 1.25, 10, 2)
    opposite = {Verdict.SLOWER: Verdict.FASTER, Verdict.FASTER: Verdict.SLOWER}
    forward = judge(pairs)
    backward = judge({name: (second, first) for name, (first, second) in pairs.items()})
    for name, judgement in forward.items():
        expected = opposite.get(judgement.verdict, judgement.verdict)
        assert backward[name].verdict is expected
    assert Verdict.SLOWER in {j.verdict for j in forward.values()}
    assert exit_status(backward.values()) == 0


def test_before_the_first_look_nothing_is_decided() -> None:
    judged = judge(family(CALM, 3.0, 40, 3, rounds=5))["cell 0"]
    assert judged.verdict is Verdict.UNDECIDED
    assert judged.rounds_wanted == 6
    assert judged.q_value is None
    assert judged.ratio is not None
    assert judged.ratio.estimate == pytest.approx(3, rel=0.05)


def test_rounds_beyond_a_look_wait_for_the_next() -> None:
    pairs = family(Machine(noise=0.2), 1.0, 0, 4)
    at_ten = judge(cut(pairs, dict.fromkeys(pairs, 10)))
    at_thirteen = judge(cut(pairs, dict.fromkeys(pairs, 13)))
    assert at_ten == at_thirteen
    assert {j.rounds_wanted for j in at_ten.values()} == {16}


def test_after_the_last_look_no_more_rounds_are_wanted() -> None:
    judged = judge(family(Machine(noise=0.3), 1.0, 0, 5))
    assert {j.verdict for j in judged.values()} == {Verdict.UNDECIDED}
    assert {j.rounds_wanted for j in judged.values()} == {None}


def test_decided_cell_wants_no_more_rounds() -> None:
    judged = judge(family(CALM, 2.0, 20, 6, rounds=6))
    assert {j.rounds_wanted for j in judged.values()} == {None}


def test_run_of_few_rounds_is_judged_at_its_end() -> None:
    pairs = family(CALM, 3.0, 1, 7, rounds=3)
    assert judge(pairs, single_look(3))["cell 0"].verdict is Verdict.SLOWER
    lone = {"cell 0": pairs["cell 0"]}
    assert judge(lone, single_look(3))["cell 0"].verdict is Verdict.SLOWER


def test_cell_measured_on_one_side_failed_on_the_other() -> None:
    side = {0: [1.0]}
    judged = judge({"a": (side, None), "b": (None, side), "c": (None, None)})
    assert [j.verdict for j in judged.values()] == [
        Verdict.FAILED_ON_ONE_SIDE,
        Verdict.FAILED_ON_ONE_SIDE,
        Verdict.NOT_MEASURED,
    ]
    assert exit_status(judged.values()) == 2


def test_slower_cell_decides_the_exit_status_before_a_failed_one() -> None:
    pairs = family(CALM, 2.0, 1, 8)
    judged = judge({**pairs, "broken": (pairs["cell 1"][0], None)})
    assert exit_status(judged.values()) == 1
    judged = judge({"broken": (pairs["cell 1"][0], None), "still": pairs["cell 1"]})
    assert exit_status(judged.values()) == 2


def test_cell_failed_on_both_sides_does_not_fail_the_gate() -> None:
    assert exit_status(judge({"a": (None, None)}).values()) == 0
    assert exit_status(judge({}).values()) == 0


def test_outlier_does_not_decide_a_verdict() -> None:
    pairs = family(CALM, 1.0, 0, 9)
    pairs["cell 3"][1][4] = [30 * sample for sample in pairs["cell 3"][1][4]]
    assert {j.verdict for j in judge(pairs).values()} == {Verdict.SAME}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threshold": 0.0}, "threshold"),
        ({"threshold": math.nan}, "threshold"),
        ({"false_discoveries": 1.0}, "false discovery"),
        ({"looks": ()}, "looks"),
        ({"looks": (1,), "shares": (1.0,)}, "looks"),
        ({"looks": (6, 6, 16)}, "looks"),
        ({"shares": (0.5, 0.5)}, "shares"),
        ({"shares": (1.0, 1.0, 1.0)}, "shares"),
        ({"shares": (0.0, 0.5, 0.5)}, "shares"),
    ],
)
def test_invalid_plan_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Plan(**wrong)  # type: ignore[arg-type]
