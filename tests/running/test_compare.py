"""Comparisons: order of measuring, verdicts, exit status, and resuming."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import asv.results
import pytest

from platebench.errors import UserError
from platebench.results.asv_files import environment_name
from platebench.results.measurement import CellName, Measurement
from platebench.results.records import Record, record_files
from platebench.results.verdicts import Plan, Verdict, exit_status, single_look
from platebench.running import compare as comparing
from platebench.running.arms import Arm
from platebench.running.compare import CompareSettings, Comparison, compare, stored_sizes
from platebench.timing.cell import SAMPLES
from platebench.timing.protocol import TURNS, WORK
from platebench.timing.workspace import Workspace
from tests.results.made_up_runs import IPC, SCAN, WRITE, failed, ok, skipped
from tests.running.made_up_suites import (
    ZARR,
    Answer,
    MadeUpSuite,
    Measured,
    Silent,
    cell,
    made_up_arm,
    steady,
    taking,
)
from tests.scratch_checkout import PROGRAM, git

COMMITS = {"old": "a" * 40, "new": "b" * 40, "third": "c" * 40}
STORES = [IPC, ZARR]


class Bench:
    """Compares made-up suites. `log` lists what was measured."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.log: list[Measured] = []
        self.repeats: list[object] = []
        self.variables: list[dict[str, str]] = []
        self.watcher = Silent()
        self.answers: dict[str, Answer] = {}
        self.suites: dict[str, dict[str, object]] = {}
        self.arms = {
            name: made_up_arm(name, folder / "arms", commit) for name, commit in COMMITS.items()
        }
        monkeypatch.setenv(WORK, str(folder / "work"))
        monkeypatch.setattr(comparing, "image_sets", lambda *_: ["raw-64"])
        monkeypatch.setattr(Workspace, "images", lambda *_: None)
        monkeypatch.setattr(Arm, "give", lambda *_: None)
        monkeypatch.setattr(comparing, "check_revision", lambda *_: None)
        monkeypatch.setattr(comparing, "make_arm", lambda spec, *_: self.arms[spec.text])
        monkeypatch.setattr(comparing, "Suite", self._suite)

    def _suite(
        self, checkout: Path, _: object, __: object, variables: dict[str, str]
    ) -> MadeUpSuite:
        name = checkout.name
        self.variables.append(variables)
        return MadeUpSuite(
            name,
            self.log,
            self.answers.get(name, steady),
            repeats=self.repeats,
            **self.suites.get(name, {}),
        )

    def compare(self, *names: str, plan: Plan | None = None, **changed: object) -> Comparison:
        settings = CompareSettings(
            list(names or ("old", "new")), STORES, ["64"], [], plan or single_look(6)
        )
        return compare(self.folder, self.results, replace(settings, **changed), self.watcher)

    def verdicts(self, comparison: Comparison, arm: int = 1) -> dict[CellName, Verdict]:
        judgements = comparison.judgements[arm - 1]
        return {which: judgement.verdict for which, judgement in judgements.items()}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def status(comparison: Comparison) -> int:
    return exit_status(each for arm in comparison.judgements for each in arm.values())


def going_wrong(wrong: Callable[[str, str, str], Measurement], which: CellName) -> Answer:
    """Return `wrong` for one cell, and steady times for the others."""

    def answer(asked: CellName, count: int) -> Measurement:
        if asked != which:
            return steady(asked, count)
        return wrong("Mismatch: image 3", str(which.store), which.benchmark)

    return answer


def late(wrong: Answer, after: int) -> Answer:
    return lambda which, count: (steady if count < after else wrong)(which, count)


# Order of measuring


def test_cell_is_measured_in_all_arms_before_the_next_cell(bench: Bench) -> None:
    bench.compare("old", "new", "third")
    for start in range(0, len(bench.log), 3):
        trio = bench.log[start : start + 3]
        assert len({which for _, which in trio}) == 1
        assert {name for name, _ in trio} == set(COMMITS)


def test_arms_of_one_cell_alternate_samples(bench: Bench) -> None:
    bench.compare()
    least, most, seconds = SAMPLES
    assert set(bench.repeats) == {(least, most, 2 * seconds)}
    assert all(TURNS in variables for variables in bench.variables)


def test_revision_without_turns_is_measured_before_or_after_the_other(bench: Bench) -> None:
    bench.arms["old"] = replace(bench.arms["old"], is_older=True)
    (bench.arms["old"].checkout / "src" / "platebench" / "timing" / "turns.py").unlink()
    bench.compare()
    assert bench.watcher.said == [
        "arms are measured one after another, because a revision cannot alternate samples"
    ]
    assert set(bench.repeats) == {SAMPLES}
    assert not any(TURNS in variables for variables in bench.variables), (
        "no process waits for a turn"
    )
    firsts = bench.log[::2]
    in_a_round = Counter(name for name, _ in firsts[: len(STORES) * 2])
    assert in_a_round["old"] == in_a_round["new"] == len(STORES)
    for which in {which for _, which in firsts}:
        over_rounds = Counter(name for name, asked in firsts if asked == which)
        assert set(over_rounds) == {"old", "new"}, "each arm goes first in some rounds"


def test_every_arm_measures_every_cell_in_every_round(bench: Bench) -> None:
    comparison = bench.compare()
    assert len(bench.log) == 2 * 6 * 4
    for file in comparison.files:
        rounds = Counter((record.round, record.run.cell) for record in file.records())
        assert set(rounds) == {
            (number, cell(kind, store))
            for number in range(1, 7)
            for kind in (SCAN, WRITE)
            for store in STORES
        }
        assert set(rounds.values()) == {1}
        assert file.finished


def test_rounds_are_added_only_for_undecided_cells(bench: Bench) -> None:
    def unsteady(which: CellName, count: int) -> Measurement:
        if which != cell(SCAN, ZARR):
            return steady(which, count)
        return ok([0.001 * (1.0, 1.5, 0.7, 1.2)[count % 4]], ZARR)

    bench.answers["new"] = unsteady
    comparison = bench.compare(plan=Plan())
    counts = Counter(bench.log)
    assert counts["new", cell(SCAN, ZARR)] == 16
    assert counts["old", cell(SCAN, ZARR)] == 16
    assert counts["new", cell(WRITE, ZARR)] == 6
    assert bench.verdicts(comparison)[cell(WRITE, ZARR)] is Verdict.SAME
    assert bench.verdicts(comparison)[cell(SCAN, ZARR)] is Verdict.UNDECIDED


# Verdicts and exit statuses


def test_unchanged_revision_is_the_same_with_status_0(bench: Bench) -> None:
    comparison = bench.compare()
    assert set(bench.verdicts(comparison).values()) == {Verdict.SAME}
    assert status(comparison) == 0


def test_slower_has_status_1_and_faster_has_status_0(bench: Bench) -> None:
    bench.answers["new"] = taking(0.003)
    assert set(bench.verdicts(slower := bench.compare()).values()) == {Verdict.SLOWER}
    assert status(slower) == 1
    assert set(bench.verdicts(faster := bench.compare("new", "old")).values()) == {Verdict.FASTER}
    assert status(faster) == 0


@pytest.mark.parametrize("arm", ["old", "new"])
@pytest.mark.parametrize("wrong", [failed, skipped])
@pytest.mark.parametrize("after", [0, 3])
def test_failure_in_one_arm_has_status_2(arm, wrong, after, bench: Bench) -> None:
    bench.answers[arm] = late(going_wrong(wrong, cell(SCAN, ZARR)), after)
    comparison = bench.compare()
    verdicts = bench.verdicts(comparison)
    assert verdicts.pop(cell(SCAN, ZARR)) is Verdict.FAILED_ON_ONE_SIDE
    assert set(verdicts.values()) == {Verdict.SAME}
    assert status(comparison) == 2
    rounds = [name for name, which in bench.log if which == cell(SCAN, ZARR)]
    assert len(rounds) <= 2 * (after + 1), "there is nothing to hold more rounds against"


def test_slower_takes_precedence_over_failed(bench: Bench) -> None:
    wrong = going_wrong(failed, cell(SCAN, ZARR))
    bench.answers["old"] = wrong
    bench.answers["new"] = taking(0.003)
    assert status(bench.compare()) == 1


@pytest.mark.parametrize("wrong", [failed, skipped])
def test_cell_that_fails_in_both_arms_has_verdict_not_measured(wrong, bench: Bench) -> None:
    for arm in ("old", "new"):
        bench.answers[arm] = going_wrong(wrong, cell(SCAN, ZARR))
    comparison = bench.compare()
    assert bench.verdicts(comparison)[cell(SCAN, ZARR)] is Verdict.NOT_MEASURED
    assert status(comparison) == 0


def test_failing_arm_does_not_stop_the_others(bench: Bench) -> None:
    bench.answers["third"] = going_wrong(failed, cell(SCAN, ZARR))
    comparison = bench.compare("old", "new", "third")
    assert bench.verdicts(comparison, 1)[cell(SCAN, ZARR)] is Verdict.SAME
    assert bench.verdicts(comparison, 2)[cell(SCAN, ZARR)] is Verdict.FAILED_ON_ONE_SIDE
    assert Counter(bench.log)["third", cell(SCAN, ZARR)] == 1


# Cells that can be compared


def test_benchmarks_of_different_versions_are_not_compared(bench: Bench) -> None:
    bench.suites["new"] = {"versions": {SCAN: "2"}}
    assert set(bench.verdicts(bench.compare())) == {cell(WRITE, store) for store in STORES}
    (said,) = [line for line in bench.watcher.said if line.startswith("not compared")]
    assert said == f"not compared, because an arm lacks them: {len(STORES)} of {SCAN}"


def test_cells_missing_from_one_arm_are_not_compared(bench: Bench) -> None:
    bench.suites["old"] = {"stores": [IPC]}
    assert set(bench.verdicts(bench.compare())) == {cell(kind, IPC) for kind in (SCAN, WRITE)}


def test_arms_without_common_cells_are_a_one_line_error_and_leave_no_file(bench: Bench) -> None:
    bench.suites["new"] = {"versions": {SCAN: "2", WRITE: "2"}}
    with pytest.raises(UserError, match="nothing to compare: the arms share no benchmark"):
        bench.compare()
    assert not bench.results.exists()


def test_unknown_operation_is_refused_before_arms_are_made(bench: Bench) -> None:
    with pytest.raises(UserError, match="fly: no such operation"):
        bench.compare(operations=["fly"])


# Records


def test_arm_is_recorded_with_its_commit_and_libraries(bench: Bench) -> None:
    bench.arms["new"] = made_up_arm("new", bench.folder / "arms", COMMITS["old"], numpy="1.26.4")
    comparison = bench.compare()
    kept = list(asv.results.iter_results(str(bench.results)))
    assert {result.commit_hash for result in kept} == {COMMITS["old"]}
    assert {result.env_name for result in kept} == {
        environment_name(file.info()) for file in comparison.files
    }
    assert len(kept) == 2
    for result, file in zip(
        sorted(kept, key=lambda each: str(each.env_name)),
        sorted(comparison.files, key=lambda each: environment_name(each.info())),
        strict=True,
    ):
        samples = result.get_result_samples(SCAN, result.get_result_params(SCAN))
        mine = [each.run for each in file.records() if each.run.cell == cell(SCAN, IPC)]
        assert [sample for run in mine for sample in run.samples_s] in samples


def test_changed_checkout_is_recorded_under_its_own_name_without_asv_file(bench: Bench) -> None:
    bench.arms["new"] = made_up_arm("new", bench.folder / "arms", COMMITS["old"], changed=True)
    bench.answers["new"] = taking(9.0)
    comparison = bench.compare()
    assert comparison.files[1].info().commit == f"{COMMITS['old']}+changes"
    (kept,) = asv.results.iter_results(str(bench.results))
    samples = kept.get_result_samples(SCAN, kept.get_result_params(SCAN))
    assert max(max(each) for each in samples if each) < 1, "of the unchanged arm alone"


def test_sizes_are_of_the_files_that_hold_the_images(bench: Bench) -> None:
    file = bench.compare().files[0]
    file.append(Record(7, ok([1.0], kind="data", stored_bytes=10, set_pixel_bytes=40)))
    file.append(Record(7, ok([1.0], ZARR, kind="history", stored_bytes=10, set_pixel_bytes=40)))
    assert stored_sizes(file) == {(IPC, "raw-64"): 0.25}


# Interruption and resuming


def cut_off_after(count: int) -> Answer:
    def answer(which: CellName, times: int) -> Measurement:
        nonlocal count
        count -= 1
        if count < 0:
            raise KeyboardInterrupt
        return steady(which, times)

    return answer


def test_interrupted_comparison_says_what_is_kept(bench: Bench) -> None:
    bench.answers["new"] = cut_off_after(3)
    with pytest.raises(KeyboardInterrupt):
        bench.compare()
    (said,) = bench.watcher.said
    assert re.fullmatch(r"6 measured cells are kept in .*; repeat the command to continue", said)


def test_comparison_without_measured_cells_leaves_no_file(bench: Bench) -> None:
    bench.answers["new"] = cut_off_after(0)
    with pytest.raises(KeyboardInterrupt):
        bench.compare()
    assert bench.watcher.said == []
    assert not [file for file in bench.results.rglob("*") if file.is_file()]


def test_same_comparison_cannot_run_twice_at_once(bench: Bench) -> None:
    def another(which: CellName, count: int) -> Measurement:
        with pytest.raises(UserError, match=rf"already: process {os.getpid()} "):
            bench.compare()
        return steady(which, count)

    bench.answers["new"] = another
    comparison = bench.compare()
    assert [len(list(file.records())) for file in comparison.files] == [24, 24]


@pytest.mark.parametrize("after", [1, 7, 23])
def test_interrupted_comparison_resumes_without_repeating_cells(after: int, bench: Bench) -> None:
    bench.answers["new"] = cut_off_after(after)
    with pytest.raises(KeyboardInterrupt):
        bench.compare()
    bench.watcher.said.clear()
    del bench.log[-2:]  # what came to nothing, and what was measured beside it
    del bench.answers["new"]
    before = len(bench.log)
    comparison = bench.compare()
    assert bench.watcher.said == [f"continuing an interrupted measurement after {before} processes"]
    assert len(bench.log) == 2 * 6 * 4
    assert set(Counter(bench.log).values()) == {6}
    assert len(record_files(bench.results)) == 2
    assert status(comparison) == 0


def test_truncated_last_line_is_measured_again(bench: Bench) -> None:
    bench.answers["new"] = cut_off_after(5)
    with pytest.raises(KeyboardInterrupt):
        bench.compare()
    bench.watcher.said.clear()
    file = record_files(bench.results)[0].file
    file.write_bytes(file.read_bytes()[:-10])
    del bench.answers["new"]
    comparison = bench.compare()
    for each in comparison.files:
        assert len(list(each.records())) == 24


def test_finished_comparison_is_not_resumed(bench: Bench) -> None:
    bench.compare()
    bench.compare()
    assert bench.watcher.said == []
    assert len(record_files(bench.results)) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"arm": {"commit": "d" * 40}},
        {"arm": {"numpy": "2.3.0"}},
        {"arm": {"changed": True}},
        {"settings": {"stores": [IPC]}},
        {"settings": {"quick": True}},
        {"settings": {"plan": single_look(5)}},
    ],
    ids=["commit", "libraries", "changes", "stores", "quick", "plan"],
)
def test_comparison_with_other_settings_starts_from_the_beginning(
    change: dict[str, dict[str, object]], bench
) -> None:
    bench.answers["new"] = cut_off_after(5)
    with pytest.raises(KeyboardInterrupt):
        bench.compare()
    bench.watcher.said.clear()
    del bench.answers["new"]
    if "arm" in change:
        asked = {"commit": COMMITS["new"], **change["arm"]}
        bench.arms["new"] = made_up_arm("new", bench.folder / "arms", **asked)
    bench.compare(**change.get("settings", {}))
    assert bench.watcher.said == []
    assert len(record_files(bench.results)) == 4


def test_uncommitted_changes_start_from_the_beginning(bench: Bench) -> None:
    bench.arms["new"] = made_up_arm("new", bench.folder / "arms", COMMITS["new"], changed=True)
    bench.answers["new"] = cut_off_after(5)
    with pytest.raises(KeyboardInterrupt):
        bench.compare()
    bench.watcher.said.clear()
    del bench.answers["new"]
    bench.compare()
    assert bench.watcher.said == []


@pytest.mark.long
@pytest.mark.timeout(600)
def test_killed_comparison_resumes_when_repeated(checkout: Path, plate: Path) -> None:
    (checkout / "README.md").write_text("Said in other words.\n")
    git(checkout, "add", "README.md")
    git(checkout, "commit", "--quiet", "--message", "Go on")
    command = [
        *PROGRAM, "compare", "HEAD~1", "HEAD", "--stores", str(IPC), "--images", str(plate),
        "--operations", "table", "--rounds", "3", "--quick", "--threshold", "5",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as running:
        while running.poll() is None and (begun := lines_in(checkout)) < 3:
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
    assert begun >= 3
    before = [file.file.read_bytes() for file in record_files(checkout / ".platebench" / "results")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "continuing an interrupted measurement after" in done.stderr
    files = record_files(checkout / ".platebench" / "results")
    assert len(files) == len(before) == 2
    for file, kept in zip(files, before, strict=True):
        whole = kept[: kept.rfind(b"\n") + 1]
        assert file.file.read_bytes().startswith(whole), "what was measured stays as it was"
        rounds = Counter((each.round, each.run.cell) for each in file.records())
        assert set(rounds.values()) == {1}
    assert not list((checkout.parent / "work" / "arms").glob("*/scratch/*"))


def lines_in(checkout: Path) -> int:
    return sum(
        1 for file in record_files(checkout / ".platebench" / "results") for _ in file.records()
    )
