"""The self-check: quiet machines pass, noisy machines and wrong statistics do not."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from platebench.errors import UserError
from platebench.results.measurement import CellName, Measurement
from platebench.results.ratios import Ratio, Timing
from platebench.results.records import record_files
from platebench.results.verdicts import Judgement, Plan, Verdict, judge
from platebench.running import selfcheck
from platebench.running.arms import work_folder
from platebench.running.run import same_arm
from platebench.running.selfcheck import CELLS, FEW_ROUNDS, ROUNDS, SelfCheck, assess
from platebench.stores.registry import FLOOR
from platebench.timing.protocol import SLOWER, WORK
from platebench.timing.workspace import Workspace
from tests.results.made_up_noise import Machine, Rounds, by_round, timed
from tests.results.made_up_runs import IPC, failed, ok, run_file, skipped
from tests.running.made_up_suites import (
    ZARR,
    MadeUpSuite,
    Measured,
    Silent,
    made_up_arm,
    steady,
    stopping_after,
)
from tests.scratch_checkout import in_a_process
from tests.timing.conftest import killed_scratch

QUIET = Machine(noise=0.03, within=0.02, drift=0.02)
NOISY = Machine(noise=0.5, within=0.1, drift=0.1)
SLOWDOWNS = (1.0, 1.0, 1.10, 1.25)


def arms(machine: Machine, rounds: int = ROUNDS, number: int = CELLS) -> list[dict[str, Timing]]:
    """Simulate the four arms: a common drift of the machine, and separate noise."""
    random = np.random.default_rng(3)
    drift = np.cumsum(random.normal(0, machine.drift, (number, rounds)), axis=1)
    made = []
    for slower, last in zip(SLOWDOWNS, (rounds, rounds, rounds, FEW_ROUNDS), strict=True):
        logs = drift + random.normal(math.log(slower), machine.noise, drift.shape)
        inner = random.normal(0, machine.within, (*drift.shape, machine.samples))
        seconds = 0.06 * np.exp(logs[..., None] + inner)
        made.append({f"cell {n}": by_round(seconds[n, :last]) for n in range(number)})
    return [{name: timed(_from_one(made)) for name, made in arm.items()} for arm in made]


def _from_one(rounds: Rounds) -> Rounds:
    return {number + 1: samples for number, samples in rounds.items()}


def by_what(found: SelfCheck) -> dict[str, bool]:
    names = ("twice", "by chance", "10% slower", "25% slower", "second run")
    return {
        name: finding.met
        for name, finding in zip(names, found.findings, strict=True)
        if name in finding.what
    }


@pytest.fixture(autouse=True)
def fewer_relabellings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "RELABELLINGS", 25)


# Statistics


def test_quiet_machine_meets_every_requirement() -> None:
    found = assess(arms(QUIET), ROUNDS)
    assert len(by_what(found)) == 5
    assert found.met, found.findings
    assert (found.cells, found.rounds) == (CELLS, ROUNDS)
    assert [finding.trials for finding in found.findings][:3] == [CELLS, CELLS * 25, CELLS]


def test_noisy_machine_misses_slowdowns_and_reports_it() -> None:
    found = assess(arms(NOISY), ROUNDS)
    assert not found.met
    met = by_what(found)
    assert not met["10% slower"]
    assert not met["25% slower"]


def test_reported_noise_is_the_simulated_noise() -> None:
    for noise in (0.05, 0.2):
        machine = Machine(noise=noise, within=0.01, drift=0.0)
        found = assess(arms(machine), ROUNDS)
        assert found.process_noise == pytest.approx(noise, rel=0.3)


def judging_all(verdict: Verdict):
    """Judge as usual, but replace the verdict."""

    def lies(pairs: Mapping[str, tuple[Timing, Timing]], plan: Plan) -> dict[str, Judgement]:
        return {name: replace(each, verdict=verdict) for name, each in judge(pairs, plan).items()}

    return lies


@pytest.mark.parametrize(
    ("verdict", "not_met"),
    [
        (Verdict.SLOWER, {"twice", "by chance"}),
        (Verdict.FASTER, {"twice", "by chance", "10% slower", "25% slower"}),
        (Verdict.SAME, {"10% slower", "25% slower"}),
        (Verdict.UNDECIDED, {"10% slower", "25% slower"}),
    ],
)
def test_constant_verdict_does_not_pass(verdict, not_met, monkeypatch) -> None:
    monkeypatch.setattr(selfcheck, "judge", judging_all(verdict))
    found = assess(arms(QUIET), ROUNDS)
    assert {name for name, met in by_what(found).items() if not met} == not_met


def test_too_narrow_intervals_do_not_pass(monkeypatch) -> None:
    def narrow(pairs: Mapping[str, tuple[Timing, Timing]], plan: Plan) -> dict[str, Judgement]:
        judged = judge(pairs, plan)
        return {name: replace(each, ratio=_narrower(each.ratio)) for name, each in judged.items()}

    monkeypatch.setattr(selfcheck, "judge", narrow)
    assert not by_what(assess(arms(QUIET), ROUNDS))["second run"]


def _narrower(whole: Ratio) -> Ratio:
    return Ratio(replace(whole.mean, deviation=whole.mean.deviation / 100))


def test_each_half_of_the_rounds_is_compared_with_the_other() -> None:
    found = assess(arms(QUIET), ROUNDS)
    assert found.findings[-1].trials == 4 * CELLS, "two arms, both ways"


@pytest.mark.parametrize("rounds", [4, 5, 6, 10])
def test_fewer_rounds_can_be_assessed(rounds: int) -> None:
    found = assess(arms(QUIET, rounds, 5), rounds)
    assert f"10% slower, {rounds} rounds: found" in [each.what for each in found.findings]
    assert f"25% slower, {min(rounds, FEW_ROUNDS)} rounds: found" in [
        each.what for each in found.findings
    ]


# The command


class Bench:
    """A self-check of made-up suites, which are slower where the self-check slows them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.log: list[Measured] = []
        self.answer = steady
        self.watcher = Silent()
        self.arm = made_up_arm(".", folder / "arms", "a" * 40)
        monkeypatch.setenv(WORK, str(folder / "work"))
        monkeypatch.setattr(selfcheck, "image_sets", lambda *_: ["raw-64"])
        monkeypatch.setattr(selfcheck, "make_arm", lambda *_: self.arm)
        monkeypatch.setattr(selfcheck, "brief_stores", lambda: [FLOOR, IPC, ZARR])
        monkeypatch.setattr(selfcheck, "Suite", self._suite)

    def _suite(self, *given: object) -> MadeUpSuite:
        share = float(given[-1].get(SLOWER, 0))  # type: ignore[attr-defined]

        def answer(which: CellName, count: int) -> Measurement:
            run = self.answer(which, count)
            return replace(run, samples_s=[one * (1 + share) for one in run.samples_s])

        return MadeUpSuite(f"slower by {share}", self.log, answer)

    def check(self, rounds: int = 8, number: int = 6) -> SelfCheck:
        return selfcheck.selfcheck(self.folder, self.results, rounds, number, self.watcher)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_deliberate_slowdowns_are_found(bench: Bench) -> None:
    found = bench.check()
    assert found.met, found.findings
    quarter = [which for name, which in bench.log if name == "slower by 0.25"]
    assert len(quarter) == 6 * FEW_ROUNDS, "no more rounds than it is asked to be found in"
    assert all(file.finished for file in record_files(bench.results))


def test_selfcheck_result_is_kept(bench: Bench) -> None:
    assert selfcheck.kept(bench.results, "nobody") is None
    found = bench.check()
    (machine,) = {file.info().machine for file in record_files(bench.results)}
    assert selfcheck.kept(bench.results, machine) == found


def test_interrupted_selfcheck_has_no_result(bench: Bench) -> None:
    bench.check()
    newest = record_files(bench.results)[-1]
    lines = newest.file.read_text().splitlines(keepends=True)
    newest.file.write_text("".join(lines[:-1]))
    assert selfcheck.kept(bench.results, newest.info().machine) is None


@pytest.mark.parametrize("after", [5, 40])
def test_interrupted_selfcheck_resumes_without_repeating_cells(after: int, bench: Bench) -> None:
    bench.answer = stopping_after(after, bench.log)
    with pytest.raises(KeyboardInterrupt):
        bench.check()
    bench.watcher.said.clear()
    files = record_files(bench.results)
    begun = sum(1 for file in files for _ in file.records())
    del bench.log[begun:]  # what came to nothing, and what was measured beside it
    bench.answer = steady
    bench.check()
    assert bench.watcher.said == [f"continuing an interrupted measurement after {begun} processes"]
    assert len(bench.log) == 6 * (3 * 8 + FEW_ROUNDS)
    assert [file.file for file in record_files(bench.results)] == [file.file for file in files]


def test_interrupted_selfcheck_leaves_no_copies(bench: Bench) -> None:
    work = Workspace.of(bench.folder).own().root
    left = killed_scratch(work_folder(work, "selfcheck-1"))
    bench.answer = stopping_after(5, bench.log)
    with pytest.raises(KeyboardInterrupt):
        bench.check()
    bench.watcher.said.clear()
    assert not left.exists()


def test_selfcheck_with_other_settings_starts_from_the_beginning(bench: Bench) -> None:
    bench.check(rounds=4)
    bench.check(rounds=4)
    assert bench.watcher.said == []
    assert len(record_files(bench.results)) == 8


@pytest.mark.parametrize("wrong", [failed, skipped])
def test_failing_cell_is_left_out(wrong, bench: Bench) -> None:
    def answer(which: CellName, count: int) -> Measurement:
        if which.store == ZARR:
            return wrong("Mismatch: image 3", ZARR, which.benchmark)
        return steady(which, count)

    bench.answer = answer
    found = bench.check()
    assert found.cells == 4
    asked = [which for _, which in bench.log if which.store == ZARR]
    assert len(asked) == 2 * 4, "once in each arm, and not again"


@pytest.mark.parametrize("wrong", [failed, skipped])
def test_selfcheck_with_only_failing_cells_is_a_one_line_error(wrong, bench: Bench) -> None:
    bench.answer = lambda which, count: wrong("Mismatch: image 3", which.store, which.benchmark)
    with pytest.raises(UserError) as refused:
        bench.check()
    assert str(refused.value) == "none of the 6 cells could be measured: Mismatch: image 3"


def test_slowed_arms_are_not_pooled_with_results(bench: Bench) -> None:
    bench.check()
    info = record_files(bench.results)[0].info()
    later = {"started": "2099-03-01T10:20:30.000001+00:00", "settings": {"rounds": 1}}
    mine = run_file(bench.results, [ok([1.0])], **{**vars(info), **later})
    assert [file.file for file in same_arm(bench.results, mine)] == [mine.file]


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_command_prints_each_figure_beside_its_requirement(checkout: Path) -> None:
    said = in_a_process("calibrate", "selfcheck", "--rounds", "4", "--cells", "2")
    assert said.status in {0, 1}, said.err
    for asked in ("at most 1%", "at least 95%", "at least 90%"):
        assert asked in said.out
    assert re.search(r"\d cells, 4 rounds\. A cell's median", said.out)
    files = record_files(checkout / ".platebench" / "results")
    assert [file.info().settings["slower"] for file in files] == [0.0, 0.0, 0.10, 0.25]
    assert not any(file.info().is_run for file in files)
    report = in_a_process("report")
    assert report.status == 2
    assert "no results yet" in report.err
