"""In every round the stores of an operation are divided anew into groups with the references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import pytest

from platebench.results.measurement import CellName, Measurement
from platebench.results.records import Record
from platebench.running import groups as grouping
from platebench.running.groups import (
    MOST_STORES,
    MOST_WORKERS,
    Group,
    at_once,
    groups_of,
    in_groups,
    left_of,
)
from platebench.running.rounds import shuffled
from platebench.running.turn_server import LONGEST_S, Sampling, TurnServer
from platebench.stores.name import StoreName
from platebench.stores.registry import REFERENCES

STORES = [*REFERENCES, *(StoreName("made-up", "pixels", f"t{number}") for number in range(20))]
SCAN, TAKE = "full_scan.FullScan.time_scan", "random_rows.RandomRows.time_take"
CELLS = [CellName(benchmark, store, "raw-64") for benchmark in (SCAN, TAKE) for store in STORES]


def test_every_group_has_the_reference_stores_and_no_more_than_the_most() -> None:
    for group in groups_of(CELLS, 1):
        stores = [cell.store for cell in group.cells]
        assert set(REFERENCES) <= set(stores)
        assert len(set(stores)) == len(stores) <= MOST_STORES


def test_a_group_has_fewer_stores_if_each_has_workers() -> None:
    readers = [
        CellName("readers.Readers.time_readers", store, "raw-64", (details,))
        for store in STORES
        for details in ("2 processes", "16 processes")
    ]
    for group in groups_of(readers, 1):
        workers = int(group.cells[0].details[0].split()[0])
        assert len(group.cells) <= max(len(REFERENCES) + 1, MOST_WORKERS // (1 + workers))
        assert set(REFERENCES) <= {cell.store for cell in group.cells}
    assert len(groups_of(readers, 1)) == 2 + 20


def test_a_group_has_one_operation_and_one_image_set() -> None:
    cells = [*CELLS, *(CellName(SCAN, cell.store, "raw-2") for cell in CELLS[:22])]
    groups = groups_of(cells, 1)
    assert all(len({(c.benchmark, c.images) for c in group.cells}) == 1 for group in groups)
    assert sum(len(group.cells) - 2 for group in groups) == 3 * 20


def test_every_other_store_is_in_one_group_of_a_round() -> None:
    measured = [cell for group in groups_of(CELLS, 3) for cell in group.cells]
    others = [cell for cell in measured if cell.store not in REFERENCES]
    assert sorted(map(str, others)) == sorted(
        str(cell) for cell in CELLS if cell.store not in REFERENCES
    )


def test_groups_are_the_same_when_repeated_and_others_in_the_next_round() -> None:
    assert groups_of(CELLS, 2) == groups_of(CELLS, 2)
    one, other = ({frozenset(group.cells) for group in groups_of(CELLS, n)} for n in (1, 2))
    assert not one & other


def test_over_eight_rounds_most_pairs_share_a_group() -> None:
    shared = {
        frozenset(pair)
        for number in range(1, 9)
        for group in groups_of(CELLS[:22], number)
        for pair in combinations(group.cells[2:], 2)
    }
    assert len(shared) > 0.7 * 20 * 19 / 2


def test_the_reference_stores_alone_are_a_group() -> None:
    (group,) = groups_of(CELLS[:2], 1)
    assert group.cells == tuple(CELLS[:2])


def test_a_group_that_was_cut_off_is_left_whole() -> None:
    first, second, *_ = groups = groups_of(CELLS, 1)
    done = {(1, first.number, cell) for cell in first.cells}
    done |= {(1, second.number, cell) for cell in second.cells[:-1]}
    assert left_of(groups, frozenset(done)) == groups[1:]


class Counting:
    """In the place of a suite: notes what it was asked to measure."""

    def __init__(self) -> None:
        self.asked: list[CellName] = []

    def run(self, cell: CellName, repeat: Sequence[float] | None = None) -> Measurement:
        self.asked.append(cell)
        return Measurement(cell, "ok", "", "", [1.0])


def measured(
    suite: Counting,
    wanted: Callable[[int], Sequence[CellName]],
    done: frozenset[tuple[int, int | None, CellName]] = frozenset(),
    announced: list[Group] | None = None,
) -> list[Record]:
    told: list[Group] = [] if announced is None else announced
    with TurnServer.open() as turns:
        return [
            record
            for records in in_groups(suite, turns, wanted, told.append, done)  # type: ignore[arg-type]
            for record in records
        ]


def fixed(rounds: int) -> Callable[[int], Sequence[CellName]]:
    return lambda number: CELLS if number <= rounds else []


def test_every_round_measures_every_cell() -> None:
    records = measured(Counting(), fixed(2))
    for number in (1, 2):
        cells = {record.run.cell for record in records if record.round == number}
        assert cells == set(CELLS)


def test_records_have_their_round_and_group() -> None:
    announced: list[Group] = []
    records = measured(Counting(), fixed(1), announced=announced)
    assert [(group.round, group.number, cell) for group in announced for cell in group.cells] == [
        (record.round, record.group, record.run.cell) for record in records
    ]


def test_measured_groups_are_not_measured_again() -> None:
    records = measured(Counting(), fixed(1))
    done = frozenset((record.round, record.group, record.run.cell) for record in records)
    suite = Counting()
    assert measured(suite, fixed(1), done) == []
    assert suite.asked == []


def test_the_first_round_that_wants_nothing_is_the_end() -> None:
    wanted = {1: CELLS, 2: CELLS[:3], 3: []}
    records = measured(Counting(), wanted.__getitem__)
    assert {record.run.cell for record in records if record.round == 2} == set(CELLS[:3])
    assert max(record.round for record in records) == 2


def test_the_order_of_arms_cells_depends_on_the_round_only() -> None:
    assert shuffled(CELLS, 1) == shuffled(CELLS, 1) != shuffled(CELLS, 2)


@pytest.mark.parametrize(
    ("cycle_s", "number"),
    [(0.001, 20), (0.625, 16), (3.0, 6), (19.0, 3), (LONGEST_S + 1, 1), (0.0, 20)],
)
def test_samples_fill_their_time_and_a_very_slow_store_gives_fewer(cycle_s, number) -> None:
    assert Sampling(least=6, most=20, seconds=10.0).number(cycle_s) == number


def test_large_images_are_set_up_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "available_memory", lambda: 8 * 2**30)
    monkeypatch.setattr(grouping.os, "sched_getaffinity", lambda _: set(range(16)))
    assert at_once(0) == 16
    assert at_once(1 * 2**30) == 3
    assert at_once(16 * 2**30) == 1
