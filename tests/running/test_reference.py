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
from platebench.results.operations import floor_of, same_on
from platebench.results.plan import PlanPart, RunPlan
from platebench.results.records import RecordFile
from platebench.results.tidy import tidy
from platebench.running import reference
from platebench.running import run as running
from platebench.running.batches import BATCH_BYTES, batches_of
from platebench.running.groups import MOST_STORES
from platebench.running.reference import How, measure_reference
from platebench.running.reference_plan import full_plan, limited, named_again, small_plan
from platebench.running.suite import Suite
from platebench.stores.registry import FLOOR, REFERENCES, names
from platebench.timing.protocol import WORK
from platebench.timing.workspace import STORED, Workspace, expected_bytes
from tests.results.made_up_runs import IPC, SCAN, WRITE
from tests.running.made_up_suites import ZARR, MadeUpSuite, Measured, Silent, cell, steady

COMMIT = Commit("a" * 40, 1_772_000_000_000, False)
LEFT_OUT = ("Other stores.",)
PARTS = [
    PlanPart(("raw-64",), (FLOOR, IPC, ZARR), ("FullScan",), rounds=2),
    PlanPart(("raw-64",), (FLOOR, IPC), ("Write",), rounds=2),
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
    monkeypatch.setattr(reference, "commit_of", lambda _: COMMIT)
    monkeypatch.setattr(reference, "image_sets", lambda _, sets, __: sets)
    monkeypatch.setattr(running, "newest_versions", lambda names: dict.fromkeys(names, "99"))

    def run(answer=steady, watcher=None, parts=PARTS, versions=None, **how) -> RecordFile:
        suite = MadeUpSuite("it", log, answer, versions or {})
        monkeypatch.setattr(reference, "Suite", lambda *_, **__: suite)
        results = tmp_path / "results"
        plan = RunPlan(tuple(parts), LEFT_OUT)
        return measure_reference(tmp_path, results, plan, How(**how), watcher or Silent())

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

    measure(looking, parts=PARTS[:1])
    assert left(work) == set()
    assert len(there) == len(log)
    for which, stored in there:
        assert which.store.folder in stored, "not before"
    assert len(there[0][1]) == 3


def test_interrupted_run_resumes(measure, log, work) -> None:
    def interrupted(which: CellName, count: int) -> Measurement:
        if len(log) == 5:
            raise KeyboardInterrupt
        return steady(which, count)

    with pytest.raises(KeyboardInterrupt):
        measure(interrupted)
    assert left(work), "what is still to be read"
    log.clear()
    file = measure(resume=True)
    assert len(log) == 7
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


def test_time_that_is_over_ends_a_run_between_groups(measure, log) -> None:
    watcher = Silent()
    file = measure(watcher=watcher, minutes=0)
    assert not log
    assert not file.finished
    assert "0 of 4 groups are measured" in watcher.said[-1]


def test_extended_run_holds_what_was_measured_and_measures_only_what_is_new(measure, log) -> None:
    before = measure(parts=PARTS[1:])
    log.clear()
    file = measure(missing=True)
    assert file.finished
    new = [FLOOR, IPC, ZARR]
    assert Counter(which for _, which in log) == {cell(SCAN, store): 2 for store in new}
    old = list(before.records())
    assert list(file.records())[: len(old)] == old
    (piece,) = file.info().settings["pieces"]
    assert piece == {"started": before.info().started, "commit": COMMIT.name, "records": len(old)}


def test_new_store_of_an_old_operation_is_compared_through_the_references(measure, log) -> None:
    measure(parts=[PlanPart(("raw-64",), (FLOOR, IPC), ("FullScan",), rounds=2)])
    log.clear()
    file = measure(missing=True, parts=PARTS[:1])
    assert Counter(which.store for _, which in log) == {FLOOR: 2, ZARR: 2}
    groups = {record.run.cell.store: record.group for record in file.records()}
    assert groups[IPC] != groups[ZARR]
    cells = {each.store: each for each in tidy(file)}
    assert cells[ZARR].wall.over(cells[IPC].wall) is not None
    assert file.info().settings["reference"]["parts"][0]["cells"] == 3


def test_interrupted_extension_resumes(measure, log) -> None:
    measure(parts=PARTS[1:])
    log.clear()

    def interrupted(which: CellName, count: int) -> Measurement:
        if len(log) == 4:
            raise KeyboardInterrupt
        return steady(which, count)

    with pytest.raises(KeyboardInterrupt):
        measure(interrupted, missing=True)
    log.clear()
    file = measure(missing=True, resume=True)
    assert len(log) == 3
    assert file.finished
    assert len(set(map(str, file.records()))) == len(list(file.records())) == 10


def test_no_two_groups_of_an_operation_in_a_round_share_a_number() -> None:
    stores = [store for store in names() if store.tuning == "fast"]
    every = [
        CellName("readers.Readers.time_readers", store, "raw-64", ("16 processes",))
        for store in (*REFERENCES, *stores)
    ]
    parts = [PlanPart(("raw-64",), (*REFERENCES, *stores), ("Readers *",), rounds=2)]
    found = batches_of(parts, list(dict.fromkeys(every)), expected_bytes)
    groups = [group for batch in found for group in batch.left]
    assert len(groups) > 2 * len(found), "so many workers leave room for few stores in a group"
    assert len({(group.round, group.number) for group in groups}) == len(groups)


def test_run_with_other_libraries_is_not_extended(measure, monkeypatch) -> None:
    measure()
    monkeypatch.setattr(running, "library_versions", lambda: {"numpy": "0.1"})
    with pytest.raises(UserError, match=r"was measured with numpy .*, not 0.1; without --missing"):
        measure(missing=True)


def test_run_with_another_read_ahead_is_not_extended(measure, monkeypatch) -> None:
    monkeypatch.setattr(reference, "machine_facts", lambda _: {"read_ahead_kib": 8192})
    measure()
    monkeypatch.setattr(reference, "machine_facts", lambda _: {"read_ahead_kib": 128})
    with pytest.raises(UserError, match="a read-ahead of 8192 KiB, not 128; without --missing"):
        measure(missing=True)


def test_run_of_a_benchmark_that_has_changed_since_is_not_extended(measure, log) -> None:
    measure(parts=PARTS[1:])
    with pytest.raises(UserError, match=r"Write: the benchmark .* \(version 1, now 2\)"):
        measure(missing=True, versions={WRITE: "2"})
    log.clear()
    assert measure(missing=True, versions={SCAN: "2"}).finished, "it was not measured before"
    assert log


def test_without_a_reference_run_there_is_nothing_to_extend(measure) -> None:
    with pytest.raises(UserError, match="has no reference run; 'platebench reference run'"):
        measure(missing=True)


def interrupting(log: list[Measured], at: int) -> Callable[[CellName, int], Measurement]:
    def answer(which: CellName, count: int) -> Measurement:
        if len(log) == at:
            raise KeyboardInterrupt
        return steady(which, count)

    return answer


def test_cells_that_an_interrupted_run_measured_in_all_rounds_are_taken_over(measure, log) -> None:
    parts = [*PARTS[1:], *PARTS[:1]]
    with pytest.raises(KeyboardInterrupt):
        measure(interrupting(log, 8), parts=parts)
    log.clear()
    file = measure(missing=True, parts=parts)
    assert file.finished
    scans = {cell(SCAN, store): 2 for store in (FLOOR, IPC, ZARR)}
    assert Counter(which for _, which in log) == scans, "one of two rounds does not count"
    assert len(list(file.records())) == 10
    (piece,) = file.info().settings["pieces"]
    assert piece["records"] == 4


def test_part_that_others_cover_is_no_longer_in_the_plan(measure) -> None:
    both = replace(PARTS[1], operations=("FullScan", "Write"))
    measure(parts=[both])
    parts = [replace(both, operations=("FullScan",)), replace(both, operations=("Write",))]
    file = measure(missing=True, parts=[*parts, *PARTS[:1]])
    planned = file.info().settings["reference"]["parts"]
    assert [part["operations"] for part in planned] == [["FullScan"], ["Write"], ["FullScan"]]


def test_extension_of_an_interrupted_run_resumes(measure, log) -> None:
    parts = [*PARTS[1:], *PARTS[:1]]
    with pytest.raises(KeyboardInterrupt):
        measure(interrupting(log, 8), parts=parts)
    log.clear()
    with pytest.raises(KeyboardInterrupt):
        measure(interrupting(log, 4), missing=True, parts=parts)
    log.clear()
    file = measure(missing=True, resume=True, parts=parts)
    assert len(log) == 3
    assert file.finished
    assert len(list(file.records())) == 10


def test_interrupted_extension_is_extended_in_place_of_the_run_it_began_with(measure, log) -> None:
    measure(parts=PARTS[:1])
    log.clear()
    with pytest.raises(KeyboardInterrupt):
        measure(interrupting(log, 3), missing=True, parts=[*PARTS[1:], *PARTS[:1]])
    log.clear()
    file = measure(missing=True, parts=[replace(part, rounds=1) for part in PARTS])
    assert file.finished
    assert log == [], "one round is now all that is asked for"


def test_store_is_measured_again_beside_the_references(measure, log) -> None:
    measure(parts=PARTS[:1])
    log.clear()
    file = measure(missing=True, parts=PARTS[:1], again=[IPC])
    assert Counter(which.store for _, which in log) == {FLOOR: 2, IPC: 2}
    times = Counter(record.run.cell.store for record in file.records())
    assert times == {FLOOR: 4, ZARR: 2, IPC: 2}
    log.clear()
    again = measure(missing=True, parts=PARTS[1:], again=[IPC])
    assert Counter(which for _, which in log) == {cell(WRITE, store): 2 for store in (FLOOR, IPC)}
    scans = [record for record in again.records() if record.run.cell.kind == "FullScan"]
    assert len(scans) == 8, "only what the plan measures is measured again"
    assert named_again(["zarr"]), "a format names its stores"
    with pytest.raises(UserError, match="is measured beside all others"):
        named_again(["floor"])


def test_plan_is_limited_to_image_sets_and_operations() -> None:
    plan = limited(full_plan(), ["raw-128"], ["scan"])
    assert {part.images for part in plan.parts} == {("raw-128",)}
    assert {part.operations for part in plan.parts} == {("FullScan",), ("ColdFullScan",)}
    assert "Only scan;" in plan.left_out[-1]
    cold = limited(full_plan(), operations=["cold take"], stores=["npy", "*:small"])
    assert {part.operations for part in cold.parts} == {("ColdRandomRows 16 scattered",)}
    others = {store for part in cold.parts for store in part.stores} - set(REFERENCES)
    assert {store.format for store in others if store.tuning != "small"} == {"npy"}
    with pytest.raises(UserError, match="raw-3: the plan has raw-512"):
        limited(full_plan(), ["raw-3"], [])
    with pytest.raises(UserError, match="none of these stores, operations and image sets together"):
        limited(full_plan(), ["raw-2048"], ["write"])
    with pytest.raises(UserError, match="copy: no such operation"):
        limited(full_plan(), operations=["cold copy"])


def test_first_parts_of_the_plan_matter_most() -> None:
    plan = limited(full_plan(), first=2)
    assert plan.parts == full_plan().parts[:2]
    assert plan.image_sets == ["raw-512"]
    assert "Only the first 2 parts;" in plan.left_out[-1]
    assert limited(full_plan()) == full_plan()


def test_small_plan_has_every_format() -> None:
    plan = small_plan()
    every = Suite(REPOSITORY, plan.image_sets).cells()
    cells = [cell for part in plan.parts for cell in part.cells(every)]
    assert {cell.store.format for cell in cells} == {name.format for name in names()}


def test_full_plan_has_every_store_and_no_empty_pattern() -> None:
    plan = full_plan()
    parts = plan.parts
    every = Suite(REPOSITORY, plan.image_sets).cells()
    for part in parts:
        for pattern in part.operations:
            assert replace(part, operations=(pattern,)).cells(every), pattern
    planned = [which for part in parts for which in part.cells(every)]
    assert {which.store for which in planned} == set(names())
    assert {floor_of(which) for which in planned} <= set(planned), "each has a floor"
    cold = {which.store for which in planned if which.kind == "ColdFullScan"}
    assert cold == set(names()), "every store is read from the disk"


@pytest.mark.parametrize("plan", [small_plan(), full_plan()], ids=["small", "full"])
def test_batches_measure_each_cell_once_per_round_beside_the_references(plan: RunPlan) -> None:
    every = Suite(REPOSITORY, plan.image_sets).cells()
    batches = batches_of(plan.parts, every, expected_bytes)
    groups = [group for batch in batches for group in batch.left]
    for group in groups:
        assert len(group.cells) <= MOST_STORES
        assert len({same_on(which, FLOOR) for which in group.cells}) == 1
        assert floor_of(group.cells[0]) in group.cells
    measured = Counter(
        (group.round, which)
        for group in groups
        for which in group.cells
        if which.store not in REFERENCES
    )
    assert set(measured.values()) == {1}
    planned = {which for part in plan.parts for which in part.cells(every)}
    assert {which for _, which in measured} == {
        which for which in planned if which.store not in REFERENCES
    }
    most = max(batch.stores_at_once * expected_bytes(batch.images) for batch in batches)
    assert most < 1.5 * BATCH_BYTES
