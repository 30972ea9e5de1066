"""Stores are ranked from pairs inside rounds, and ties are named."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pytest
from rich.console import Console

from platebench.results.answer import answers
from platebench.results.blocks import blocks_of
from platebench.results.questions import fastest_first, of_image_set
from platebench.results.ranking import pair_scores, rank
from platebench.results.ratios import log_ratios
from platebench.results.records import RecordFile
from platebench.results.report import as_tables
from platebench.results.robust_mean import pool
from platebench.results.tidy import CellResult, tidy
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR
from tests.results.made_up_runs import IPC, failed, floor, ok, run_file

KEPT = Path(__file__).parent / "old_run" / "vm" / "20261122T123735.827173+0000.run.jsonl"
PARQUET, CH5, ZARR = (
    StoreName.parse("parquet:pixels:fast"),
    StoreName.parse("ch5:tensor:fast"),
    StoreName.parse("zarr:tensor:fast"),
)


def ranked(results: Path, *rounds: list) -> list[list[str]]:
    ranking = rank(tidy(run_file(results, *rounds)))
    return [[cell.store for cell in group] for group in ranking.groups]


@pytest.fixture(scope="module")
def kept() -> list[CellResult]:
    return tidy(RecordFile(KEPT))


def tables(cells: Sequence[CellResult]) -> list[list[CellResult]]:
    def key(cell: CellResult) -> tuple[str, ...]:
        return (cell.operation, cell.detail, cell.cache, cell.image_set)

    return [list(group) for _, group in groupby(cells, key=key)]


def test_drift_between_rounds_does_not_change_the_order(tmp_path) -> None:
    """Parquet's median is lower, since it lacks the slow rounds; in shared rounds it is slower."""
    rounds = [
        [floor([slow]), ok([2.0 * slow]), *([] if slow > 1 else [ok([2.5 * slow], PARQUET)])]
        for slow in (1.0, 9.0, 1.01, 9.5, 0.99, 9.2)
    ]
    assert ranked(tmp_path, *rounds) == [[IPC], [PARQUET]]


def test_noisy_floor_does_not_decide_the_order_of_two_stores(tmp_path) -> None:
    chance = random.Random(3)
    rounds = [
        [floor([math.exp(chance.gauss(0, 1))]), ok([2.0 * slow]), ok([2.2 * slow], PARQUET)]
        for slow in (math.exp(chance.gauss(0, 0.3)) for _ in range(8))
    ]
    assert ranked(tmp_path, *rounds) == [[IPC], [PARQUET]]


def test_stores_tie_if_their_paired_ratio_to_the_fastest_is_not_settled(tmp_path) -> None:
    rounds = [
        [floor([1.0]), ok([2.0 * noise]), ok([2.0 * (2.03 - noise)], PARQUET), ok([9.0], ZARR)]
        for noise in (1.0, 1.02, 0.98, 1.03)
    ]
    first, second = ranked(tmp_path, *rounds)
    assert sorted(first) == sorted([IPC, PARQUET])
    assert second == [ZARR]


def test_ranks_mark_ties_and_count_them(tmp_path) -> None:
    rounds = [
        [ok([2.0 * noise]), ok([2.0 * (2.03 - noise)], PARQUET), ok([9.0], ZARR)]
        for noise in (1.0, 1.02, 0.98, 1.03)
    ]
    ranking = rank(tidy(run_file(tmp_path, *rounds)))
    assert ranking.ranks() == {IPC: "=1", PARQUET: "=1", ZARR: "3"}


def test_one_round_has_an_order_without_ties(tmp_path) -> None:
    ranking = rank(tidy(run_file(tmp_path, [floor([1.0]), ok([2.0]), ok([2.001], PARQUET)])))
    assert [cell.store for cell in ranking.order] == [IPC, PARQUET]
    assert ranking.one_round
    assert ranking.tied == ()


def test_failed_stores_and_the_floor_have_no_rank(tmp_path) -> None:
    runs = [floor([1.0]), ok([2.0]), failed("differs", PARQUET)]
    assert ranked(tmp_path, runs, runs) == [[IPC]]


def test_stores_without_shared_rounds_are_ordered_by_their_times(tmp_path) -> None:
    assert ranked(tmp_path, [ok([2.0], ZARR)], [ok([1.0], CH5)]) == [[CH5], [ZARR]]


def test_nothing_measured_has_no_rank() -> None:
    assert rank([]).best is None
    assert rank([]).tied == ()


def test_score_is_the_mean_of_the_log_ratios_where_rounds_are_the_same() -> None:
    chance = random.Random(1)
    cells = [blocks_of({n: [chance.uniform(1, 2)] for n in range(8)}) for _ in range(5)]
    means = [sum(pool(log_ratios(a, b)).centre for b in cells) / len(cells) for a in cells]
    assert pair_scores(cells) == pytest.approx(means)


def test_kept_cold_scan_is_a_tie_of_arrow_ipc_and_ch5(kept: list[CellResult]) -> None:
    cells = [cell for cell in kept if (cell.operation, cell.cache) == ("scan", "cold")]
    assert {cell.store for cell in rank(cells).groups[0]} == {IPC, CH5}


def stores_in(report: str) -> list[list[str]]:
    """The stores of each table of a report, in its order."""
    found: list[list[str]] = []
    for line in report.splitlines():
        first = line.split(" ")[0]
        if first == "store":
            found.append([])
        elif first.count(":") == 2 and "failed:" not in line and "skipped:" not in line:
            found[-1].append(first)
    return found


def test_report_and_page_have_the_same_order_and_ties_on_the_kept_run(kept) -> None:
    sink = io.StringIO()
    Console(file=sink, width=200).print(as_tables(kept))
    reported = stores_in(sink.getvalue())
    assert len(reported) == 25
    for stores, cells in zip(reported, tables(kept), strict=True):
        order = [str(FLOOR), *(str(cell.store) for cell in rank(cells).order)]
        assert stores[: len(order)] == order
    found = answers(kept)
    assert found is not None
    for answer in found.fastest:
        mine = fastest_first(of_image_set(kept, found.images), answer.question)
        assert mine.groups[0] == (answer.best, *answer.tied)
