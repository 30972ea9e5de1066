"""Every round passes over all cells in an order of its own."""

from __future__ import annotations

from platebench.results.measurement import CellName, Measurement
from platebench.running.rounds import Wanted, rounds, shuffled
from platebench.stores.name import StoreName

CELLS = [
    CellName("full_scan.FullScan.time_scan", StoreName("made-up", str(n), "fast"), "raw-2")
    for n in range(12)
]


def fixed(cells: list[CellName], number: int) -> Wanted:
    """Want all cells in rounds 1 to `number`."""
    return lambda this: cells if this <= number else []


class Counting:
    """In the place of a suite: says what it was asked to measure."""

    def __init__(self) -> None:
        self.repeats: set[object] = set()

    def run(self, cell: CellName, repeat=None) -> Measurement:
        self.repeats.add(repeat)
        return Measurement(cell, "ok", "", "", [1.0])


def test_every_round_measures_every_cell() -> None:
    done = [(number, run.cell) for number, run in rounds(Counting(), fixed(CELLS, 3))]
    for number in (1, 2, 3):
        assert sorted(cell.params for this, cell in done if this == number) == sorted(
            cell.params for cell in CELLS
        )
    assert [number for number, _ in done] == [1] * 12 + [2] * 12 + [3] * 12


def test_the_order_differs_from_round_to_round_and_is_the_same_when_repeated() -> None:
    orders = [tuple(shuffled(CELLS, number)) for number in range(1, 9)]
    assert len(set(orders)) == 8
    assert orders == [tuple(shuffled(CELLS, number)) for number in range(1, 9)]
    assert sorted(CELLS, key=CELLS.index) == CELLS, "the list given stays as it is"


def test_no_cell_always_comes_first() -> None:
    assert len({shuffled(CELLS, number)[0] for number in range(1, 17)}) > 4


def test_what_is_done_is_not_measured_again() -> None:
    before = list(rounds(Counting(), fixed(CELLS, 2)))
    done = frozenset((number, run.cell) for number, run in before[:15])
    rest = list(rounds(Counting(), fixed(CELLS, 2), done=done))
    assert [(number, run.cell) for number, run in rest] == [
        (number, run.cell) for number, run in before[15:]
    ]


def test_each_cell_is_announced_before_it_is_measured() -> None:
    told: list[tuple[int, CellName]] = []
    measured = rounds(Counting(), fixed(CELLS, 1), announce=lambda *what: told.append(what))
    _, first = next(measured)
    assert told == [(1, first.cell)]


def test_a_quick_look_is_handed_on() -> None:
    suite = Counting()
    list(rounds(suite, fixed(CELLS, 1), (1, 2, 0.05)))
    assert suite.repeats == {(1, 2, 0.05)}


def test_a_round_may_want_fewer_cells_and_the_first_that_wants_none_is_the_end() -> None:
    wanted = {1: CELLS, 2: CELLS[:3], 3: []}
    done = [(number, run.cell) for number, run in rounds(Counting(), wanted.__getitem__)]
    assert [number for number, _ in done] == [1] * 12 + [2] * 3
    assert {cell for number, cell in done if number == 2} == set(CELLS[:3])
