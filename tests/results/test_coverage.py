"""Intervals for a repeat run hold in a second run, on simulated machines."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from platebench.errors import UserError
from platebench.results.coverage import coverage, rank_changes
from platebench.results.ratios import ratio, width
from platebench.stores.registry import FLOOR, TIFF_FOLDER
from tests.results.made_up_groups import STORES, GroupedMachine, of_store

MACHINES = {
    "alike": GroupedMachine(unlike=0.0),
    "unlike cells": GroupedMachine(unlike=0.5),
    "busy": GroupedMachine(process=0.1, moment=0.6, sample=0.2),
}


def inside(machine: GroupedMachine, rounds: int, runs: int) -> dict[str, float]:
    """Return the mean share of second-run ratios inside the first run's interval, by cache."""
    random = np.random.default_rng(rounds)
    shares: dict[str, list[float]] = {"warm": [], "cold": []}
    for _ in range(runs):
        first, second = machine.run(rounds, random), machine.run(rounds, random)
        for found in coverage(first, second):
            shares[found.cache] += [found.second_inside, found.first_inside]
    return {cache: statistics.fmean(found) for cache, found in shares.items()}


@pytest.mark.nightly
@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("rounds", [2, 3, 8])
def test_90_to_97_of_100_second_ratios_are_inside(rounds: int, name: str) -> None:
    shares = inside(MACHINES[name], rounds, 20 if rounds < 8 else 12)
    # The ratios of a run share the shift of its floor, so even 20 runs tell 1 or 2 of 100 wrongly.
    assert 0.88 <= statistics.fmean(shares.values()) <= 0.985


def test_turns_cancel_what_a_moment_does_to_all() -> None:
    random = np.random.default_rng(1)
    still = GroupedMachine(moment=0.0, hour=0.0).run(3, random)
    shaken = GroupedMachine(moment=0.6, hour=0.5).run(3, random)
    reaches = [
        statistics.median(cell.floor_reach for cell in cells if cell.floor_reach is not None)
        for cells in (still, shaken)
    ]
    assert reaches[1] == pytest.approx(reaches[0], rel=0.3), "not 5 times as wide"


def test_stores_of_different_groups_are_compared_through_the_reference_stores() -> None:
    cells = GroupedMachine(process=0.02, hour=1.0).run(1, np.random.default_rng(2))
    one = of_store(cells, STORES[2])
    others = [
        cell
        for cell in cells
        if cell.table == one.table and not cell.wall.blocks.keys() & one.wall.blocks.keys()
    ]
    assert others
    for other in others:
        found = one.wall.over(other.wall)
        assert found is not None
        expected = GroupedMachine().ratios[one.store] / GroupedMachine().ratios[other.store]
        assert found.estimate == pytest.approx(expected, rel=0.25)


def test_two_rounds_give_a_usable_interval() -> None:
    cells = GroupedMachine().run(2, np.random.default_rng(3))
    reaches = [cell.floor_reach for cell in cells if cell.floor_reach and cell.cache == "warm"]
    assert statistics.median(reaches) < 0.2
    alone = [
        width(found)
        for cell in cells
        if cell.store not in (FLOOR, TIFF_FOLDER) and cell.cache == "warm"
        for floor in cells
        if (floor.table, floor.store) == (cell.table, FLOOR)
        for found in [ratio(cell.wall.blocks, floor.wall.blocks, None, cell.wall.run_shift)]
    ]
    assert max(alone) > 1.0, "without moderation some are useless, others by chance too narrow"
    assert min(alone) < 0.08


def test_the_order_of_clearly_different_stores_does_not_change() -> None:
    random = np.random.default_rng(4)
    first, second = GroupedMachine().run(3, random), GroupedMachine().run(3, random)
    found = rank_changes(first, second)
    assert found.tables == found.same_best == 2
    assert found.pairs > 50
    assert found.reversed_pairs == 0


def test_runs_without_a_common_interval_are_refused() -> None:
    once = GroupedMachine().run(1, np.random.default_rng(5))
    with pytest.raises(UserError, match="share no ratio with an interval"):
        coverage(once, once)
