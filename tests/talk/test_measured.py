"""asv's benchmarks of the talk check what they time, and `platebench run` ignores them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.talk import JoinPixels, JoinTables, NearestCells, ThreeReads

from platebench.errors import Mismatch
from platebench.results.operations import OPERATIONS
from platebench.running.suite import Suite
from platebench.talk.joins import JOINS, DuckDbJoin
from platebench.talk.measured import TalkCell
from platebench.talk.search import SEARCHES, NumpySearch
from platebench.timing.workspace import Workspace
from tests.scratch_checkout import REPOSITORY

CLASSES = {
    ThreeReads: "time_read",
    NearestCells: "time_search",
    JoinTables: "time_join",
    JoinPixels: "time_join",
}


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    made = Workspace(tmp_path / "work")
    for benchmark in CLASSES:
        monkeypatch.setattr(benchmark, "workspace", made)
    return made


@pytest.mark.parametrize(
    ("benchmark", "parameter"),
    [(each, parameter) for each in CLASSES for parameter in each.params[0]],
)
def test_every_parameter_can_be_set_up_and_called(
    benchmark: type[TalkCell], parameter: str
) -> None:
    cell = benchmark()
    for _ in range(2):
        cell.setup(parameter)
        getattr(cell, CLASSES[benchmark])(parameter)  # type: ignore[index]
        cell.teardown(parameter)


def test_files_are_removed_with_the_benchmark(workspace: Workspace) -> None:
    cell = JoinTables()
    cell.setup("pandas")
    del cell
    assert list((workspace.root / "scratch").iterdir()) == []


def test_exact_search_that_misses_a_cell_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing(NumpySearch):
        def nearest(self, query: np.ndarray, number: int) -> list[str]:
            return super().nearest(query, number + 1)[1:]

    monkeypatch.setitem(SEARCHES, "numpy", Missing)
    with pytest.raises(Mismatch, match="90% of the nearest"):
        NearestCells().setup("numpy")


def test_join_that_loses_a_cell_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Losing(DuckDbJoin):
        def join(self):  # type: ignore[no-untyped-def]
            return super().join().iloc[1:]

    monkeypatch.setitem(JOINS, "duckdb", Losing)
    with pytest.raises(Mismatch, match="joins otherwise than pandas"):
        JoinTables().setup("duckdb")


def test_join_with_other_pixels_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Swapping(DuckDbJoin):
        def with_pixels(self, phenotype):  # type: ignore[no-untyped-def]
            joined = super().with_pixels(phenotype)
            return joined.assign(pixels=[bytes(value)[::-1] for value in joined["pixels"]])

    monkeypatch.setitem(JOINS, "duckdb", Swapping)
    with pytest.raises(Mismatch, match="joins otherwise than pandas"):
        JoinPixels().setup("duckdb")
    monkeypatch.setitem(JOINS, "pandas", Swapping)
    with pytest.raises(Mismatch, match="other pixels than the image files"):
        JoinPixels().setup("duckdb")


def test_run_ignores_benchmarks_of_the_talk() -> None:
    assert not {each.__name__ for each in CLASSES} & set(OPERATIONS)
    cells = Suite(REPOSITORY, ["raw-2"]).cells()
    assert cells
    assert not [cell for cell in cells if cell.benchmark.startswith("talk.")]
