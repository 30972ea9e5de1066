"""The reference run measures its plan, removes files it no longer needs, and can be resumed."""

from __future__ import annotations

import shutil
from collections import Counter, namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.ownership import claim
from platebench.results.commit import Commit
from platebench.results.measurement import CellName, Measurement
from platebench.results.operations import floor_of
from platebench.results.plan import RunPlan
from platebench.results.records import RecordFile
from platebench.running import reference
from platebench.running import run as running
from platebench.running.groups import MOST_STORES, groups_of
from platebench.running.reference import full_plan, measure_reference, plan_part, small_plan
from platebench.running.suite import Suite
from platebench.stores.registry import FLOOR, names
from platebench.timing.protocol import WORK
from platebench.timing.workspace import STORED, Workspace
from tests.results.made_up_runs import IPC, SCAN, WRITE
from tests.running.made_up_suites import ZARR, MadeUpSuite, Measured, Silent, cell, steady

COMMIT = Commit("a" * 40, 1_772_000_000_000, False)
LEFT_OUT = ("Other stores.",)
PARTS = [
    plan_part("raw-64", [FLOOR, IPC, ZARR], ["FullScan"], rounds=2),
    plan_part("raw-64", [FLOOR, IPC], ["Write"], rounds=2),
]
REPOSITORY = Path(__file__).parent.parent.parent

Measure = Callable[..., RecordFile]


@pytest.fixture
def log() -> list[Measured]:
    return []


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder with files of every store."""
    monkeypatch.setenv(WORK, str(tmp_path / "work"))
    root = Workspace.of(tmp_path).own().root
    for store in (FLOOR, IPC, ZARR):
        folder = root / "stores" / "raw-64" / store.folder
        (claim(folder, STORED) / "data").write_bytes(b"pixels")
    return root


@pytest.fixture
def measure(
    tmp_path: Path, work: Path, log: list[Measured], monkeypatch: pytest.MonkeyPatch
) -> Measure:
    """Measure the parts on a made-up suite."""
    images = namedtuple("Images", "pixel_bytes")(1000)
    monkeypatch.setattr(reference, "commit_of", lambda _: COMMIT)
    monkeypatch.setattr(reference, "image_sets", lambda _, sets, __: sets)
    monkeypatch.setattr(Workspace, "images", lambda *_: images)
    monkeypatch.setattr(running, "newest_versions", lambda names: dict.fromkeys(names, "99"))

    def run(answer=steady, resume: bool = False, watcher=None) -> RecordFile:
        monkeypatch.setattr(reference, "Suite", lambda *_, **__: MadeUpSuite("it", log, answer))
        results = tmp_path / "results"
        return measure_reference(
            tmp_path, results, RunPlan(tuple(PARTS), LEFT_OUT), resume, watcher or Silent()
        )

    return run


def left(work: Path) -> set[str]:
    return {folder.name for folder in (work / "stores" / "raw-64").glob("*")}


def test_every_planned_cell_is_measured_once_per_round(measure, log) -> None:
    file = measure()
    wanted = [cell(SCAN, store) for store in (FLOOR, IPC, ZARR)]
    wanted += [cell(WRITE, store) for store in (FLOOR, IPC)]
    assert Counter(which for _, which in log) == dict.fromkeys(wanted, 2)
    rounds = [(record.round, record.run.cell) for record in file.records()]
    assert len(set(rounds)) == len(rounds) == 10
    assert file.finished


def test_reference_run_records_machine_and_newest_releases(measure) -> None:
    info = measure().info()
    assert info.machine_facts
    assert info.newest == dict.fromkeys(info.libraries, "99")


def test_progress_is_counted_in_groups(measure) -> None:
    watcher = Silent()
    measure(watcher=watcher)
    assert watcher.shown == [(number, 4) for number in range(1, 5)]


def test_record_has_the_plan_and_what_it_leaves_out(measure) -> None:
    settings = measure().info().settings["reference"]
    assert [part["cells"] for part in settings["parts"]] == [3, 2]
    assert settings["left_out"] == list(LEFT_OUT)


def test_stored_files_are_removed_after_their_last_cell(measure, log, work) -> None:
    there: list[tuple[CellName, set[str]]] = []  # the cells of a group run side by side

    def looking(which: CellName, count: int) -> Measurement:
        there.append((which, left(work)))
        return steady(which, count)

    measure(looking)
    assert left(work) == set()
    assert len(there) == len(log)
    for which, stored in there:
        assert which.store.folder in stored, "not before"
    assert len(there[0][1]) == 3


def test_interrupted_run_resumes(measure, log, work) -> None:
    def interrupted(which: CellName, count: int) -> Measurement:
        if len(log) == 8:
            raise KeyboardInterrupt
        return steady(which, count)

    with pytest.raises(KeyboardInterrupt):
        measure(interrupted)
    assert left(work), "what is still to be read"
    log.clear()
    file = measure(resume=True)
    assert len(log) == 3
    assert len(list(file.records())) == 10
    assert left(work) == set()


def test_finished_run_cannot_be_resumed(measure) -> None:
    measure()
    with pytest.raises(
        UserError, match="no interrupted run has these settings, commit and libraries"
    ):
        measure(resume=True)


def test_too_little_disk_space_is_reported_before_anything_is_stored(
    measure, log, monkeypatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(3000))
    with pytest.raises(UserError, match=r"5 copies of .* GB do not fit on the disk of"):
        measure()
    assert not log


def test_small_plan_has_every_format_in_a_group_or_two_per_operation() -> None:
    plan = small_plan()
    every = Suite(REPOSITORY, plan.image_sets).cells()
    cells = [cell for part in plan.parts for cell in part.cells(every)]
    assert len(set(cells)) == len(cells)
    assert {cell.store.format for cell in cells} == {name.format for name in names()}
    assert {floor_of(cell) for cell in cells} <= set(cells)
    assert all(len(each.cells) <= MOST_STORES for each in groups_of(cells, 1))


def test_full_plan_has_every_store_and_no_empty_pattern() -> None:
    plan = full_plan()
    parts = plan.parts
    every = Suite(REPOSITORY, plan.image_sets).cells()
    for part in parts:
        for pattern in part.operations:
            assert replace(part, operations=(pattern,)).cells(every), pattern
    assert {which.store for part in parts for which in part.cells(every)} == set(names())
    planned = {which for part in parts for which in part.cells(every)}
    assert {floor_of(which) for which in planned} <= planned, "each has a floor in its rounds"
    by_set = {part.images: part.rounds for part in parts}
    assert all(part.rounds == by_set[part.images] for part in parts), "one set, one rounds"
