"""Each round measures all cells in its own order."""

from __future__ import annotations

from platebench.results.measurement import CellName, Measurement
from platebench.running.rounds import Wanted, rounds, shuffled
from platebench.stores.name import StoreName

CELLS = [
    CellName("full_scan.FullScan.time_scan", StoreName("made-up", str(n), "fast"), "raw-2")
    for n in range(12)
]


def fixed(cells: list[CellName], number: int) -> Wanted:
    """Ask for all cells in rounds 1 to `number`."""
    return lambda this: cells if this <= number else []


class Counting:
    """A suite that records which cells it was asked to measure."""

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


def test_order_differs_between_rounds_and_is_reproducible() -> None:
    orders = [tuple(shuffled(CELLS, number)) for number in range(1, 9)]
    assert len(set(orders)) == 8
    assert orders == [tuple(shuffled(CELLS, number)) for number in range(1, 9)]
    assert sorted(CELLS, key=CELLS.index) == CELLS, "the list given stays as it is"


def test_no_cell_always_comes_first() -> None:
    assert len({shuffled(CELLS, number)[0] for number in range(1, 17)}) > 4


def test_measured_cells_are_not_repeated() -> None:
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


def test_quick_is_passed_to_the_suite() -> None:
    suite = Counting()
    list(rounds(suite, fixed(CELLS, 1), (1, 2, 0.05)))
    assert suite.repeats == {(1, 2, 0.05)}


def test_rounds_can_shrink_and_end_with_the_first_empty_one() -> None:
    wanted = {1: CELLS, 2: CELLS[:3], 3: []}
    done = [(number, run.cell) for number, run in rounds(Counting(), wanted.__getitem__)]
    assert [number for number, _ in done] == [1] * 12 + [2] * 3
    assert {cell for number, cell in done if number == 2} == set(CELLS[:3])
