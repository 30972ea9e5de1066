"""Several processes write one store; a lost share or a killed process makes the cell fail."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks import writers

from platebench.errors import Mismatch
from platebench.stores.together import Together
from platebench.stores.together_parts import together_of
from platebench.timing.pool import WorkerFailed
from platebench.timing.workspace import Workspace
from tests.timing.conftest import SET

FLOOR = "floor:pixels:fast"


@pytest.fixture
def cell(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[writers.Writers]:
    monkeypatch.setattr(writers.Writers, "workspace", workspace)
    made = writers.Writers()
    yield made
    if hasattr(made, "pool"):
        made.pool.close()


def run(cell: writers.Writers, number: str, store: str = FLOOR) -> None:
    try:
        cell.setup(store, SET, number)
        cell.timer()
        cell.time_writers(store, SET, number)
        cell.timer()
    finally:
        cell.teardown(store, SET, number)


def nothing_in_scratch(cell: writers.Writers) -> bool:
    return not any((cell.workspace.root / "scratch").glob("*"))


@pytest.mark.parametrize("store", [FLOOR, "parquet:pixels:fast"])
def test_two_processes_write_one_store(store: str, cell: writers.Writers) -> None:
    run(cell, "2", store)
    assert len(cell.timer.wall_s) == 1
    assert cell.timer.others == cell.pool.cpu_s
    assert cell.record["images"] == 21
    assert "platebench's part list" in cell.record["way"] or store == FLOOR
    assert nothing_in_scratch(cell)


def test_store_that_loses_a_share_fails(
    cell: writers.Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Losing:
        """Publishes all parts but the last one."""

        def __init__(self, whole: Together) -> None:
            self._whole = whole

        def __getattr__(self, name: str) -> Any:
            return getattr(self._whole, name)

        def end(self, images: Any, path: Path, written: list[Any]) -> None:
            self._whole.end(images, path, written[:-1])

    monkeypatch.setattr(writers, "together_of", lambda store: Losing(together_of(store)))
    with pytest.raises(Mismatch, match="10 of the 21 images asked for came back, image 10 did not"):
        run(cell, "2", "parquet:pixels:fast")
    assert nothing_in_scratch(cell)


def test_killed_process_makes_the_cell_fail_and_nothing_hangs(
    cell: writers.Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell.setup(FLOOR, SET, "2")
    os.kill(cell.pool.pids()[1], signal.SIGKILL)
    try:
        with pytest.raises(WorkerFailed, match=r"worker 1: the process ended by SIGKILL"):
            cell.time_writers(FLOOR, SET, "2")
    finally:
        cell.teardown(FLOOR, SET, "2")
    assert nothing_in_scratch(cell)


def test_format_that_cannot_divide_the_images_is_skipped(cell: writers.Writers) -> None:
    with pytest.raises(NotImplementedError, match="21 images in blocks of 21 cannot be divided"):
        run(cell, "2", "zarr:tensor:default")
    assert nothing_in_scratch(cell)
