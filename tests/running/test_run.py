"""Runs: adding rounds up to a limit, resuming, and the facts recorded at the start."""

from __future__ import annotations

import json
import os
import re
from collections import Counter, namedtuple
from dataclasses import replace
from pathlib import Path

import asv.machine
import pytest

from platebench.errors import UserError
from platebench.results.commit import Commit
from platebench.results.measurement import CellName, Measurement
from platebench.results.operations import floor_of
from platebench.results.plan import plan_of
from platebench.results.ratios import RUN_SHIFT, width
from platebench.results.records import RecordFile, record_files
from platebench.results.timings import by_cell, timings
from platebench.running import goal
from platebench.running import groups as grouping
from platebench.running import run as measuring
from platebench.running.estimate import Size
from platebench.running.floor_choice import floor_choice, keep
from platebench.running.goal import MOST_ROUNDS, Contenders, everyone
from platebench.running.outlook import Outlook, Source
from platebench.running.places import Home
from platebench.running.run import measure
from platebench.running.settings import Settings
from platebench.stores.floor.choice import DEFAULT
from platebench.stores.registry import FLOOR
from platebench.timing.protocol import FLOOR_CHOICE, WORK
from platebench.timing.workspace import SUBFOLDER, Workspace
from tests.results.made_up_runs import IPC, SCAN, WRITE, failed, ok, skipped
from tests.running.made_up_suites import (
    ZARR,
    Answer,
    MadeUpSuite,
    Measured,
    Silent,
    cell,
    steady,
    stopping_after,
)

Images = namedtuple("Images", "pixel_bytes")
COMMIT = Commit("a" * 40, 1_772_000_000_000, False)
EVERYTHING = Settings([FLOOR, IPC, ZARR], ["64"], [])
UNTIL = 5 * RUN_SHIFT["warm"]
"""Wide enough that a steady cell reaches it: no rounds narrow what shifts a whole run."""

NO_LESS = "cold: intervals cannot get narrower than +-13%"
RESTLESS = (1.0, 1.6, 0.8, 1.3, 0.7, 1.5)


class Bench:
    """Runs a made-up suite. `log` lists what was measured."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.log: list[Measured] = []
        self.watcher = Silent()
        self.answer: Answer = steady
        self.commit = COMMIT
        self.minutes = 0.0
        self.work = folder / "work" / SUBFOLDER
        self.variables: dict[str, str] = {}
        monkeypatch.setenv(WORK, str(folder / "work"))
        images = Source("raw-64", Size(64, 1000))
        monkeypatch.setattr(measuring, "look_ahead", lambda *_: Outlook((images,), False))
        monkeypatch.setattr(Home, "commit", lambda _: self.commit)
        monkeypatch.setattr(measuring, "Suite", self._suite)
        monkeypatch.setattr(grouping, "at_once", lambda _: 1)  # so the log has one order
        monkeypatch.setattr(Workspace, "images", lambda *_: Images(1000))
        monkeypatch.setattr(goal.time, "monotonic", lambda: 60 * self.minutes)

    def _suite(self, *_: object, variables: dict[str, str]) -> MadeUpSuite:
        self.variables = variables
        return MadeUpSuite("only", self.log, self.answer)

    def measure(self, contenders: Contenders = everyone, **changed: object) -> RecordFile:
        self.folder.joinpath("results").mkdir(exist_ok=True)
        settings = replace(EVERYTHING, **changed)
        home = Home(self.folder, self.folder / "unused", self.results)
        return measure(home, self.results, settings, self.watcher, contenders=contenders)

    def counts(self) -> Counter[CellName]:
        return Counter(which for _, which in self.log)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def restless(*which: CellName, settles_after: int = 1000) -> Answer:
    """Return scattered times for these cells until they settle, steady times for the others."""

    def answer(asked: CellName, count: int) -> Measurement:
        if asked not in which or count >= settles_after:
            return steady(asked, count)
        return ok([0.001 * RESTLESS[count % 6]], str(asked.store), asked.benchmark)

    return answer


# Until


def test_number_of_rounds_without_until_is_as_asked(bench: Bench) -> None:
    bench.answer = restless(cell(SCAN, IPC))
    file = bench.measure(rounds=3)
    assert set(bench.counts().values()) == {3}
    assert file.finished
    assert bench.watcher.said == []


def test_rounds_are_added_only_for_wide_cells_and_their_floor(bench: Bench) -> None:
    bench.answer = restless(cell(SCAN, IPC))
    bench.measure(rounds=4, until=UNTIL)
    counts = bench.counts()
    assert counts[cell(SCAN, IPC)] == counts[cell(SCAN, FLOOR)] == MOST_ROUNDS
    others = set(counts) - {cell(SCAN, IPC), cell(SCAN, FLOOR)}
    assert len(others) == 4
    assert {counts[other] for other in others} == {4}


def test_cell_is_not_measured_once_its_interval_is_narrow(bench: Bench) -> None:
    bench.answer = restless(cell(SCAN, IPC), settles_after=3)
    file = bench.measure(until=UNTIL)
    found = list(file.records())

    def reach(rounds: int) -> float:
        early = by_cell(record for record in found if record.round <= rounds)
        every = timings(early)
        formed = every[cell(SCAN, IPC)].over(every[floor_of(cell(SCAN, IPC))])
        assert formed is not None
        return width(formed)

    rounds = bench.counts()[cell(SCAN, IPC)]
    assert 6 <= rounds < MOST_ROUNDS
    assert reach(rounds) <= UNTIL
    assert reach(rounds - 1) > UNTIL, "the round before it was still too wide"
    assert bench.watcher.said == [NO_LESS]


def test_one_round_gives_no_interval_so_another_is_added(bench: Bench) -> None:
    bench.measure(until=0.5)
    assert set(bench.counts().values()) == {2}


def slowly(bench: Bench, minutes: float, answer: Answer = steady) -> None:
    """Let each cell take this long."""

    def answers(asked: CellName, count: int) -> Measurement:
        bench.minutes += minutes
        return answer(asked, count)

    bench.answer = answers


def test_time_limit_adds_no_rounds_for_wide_cells(bench: Bench) -> None:
    slowly(bench, 1 / 6, restless(cell(SCAN, IPC)))
    file = bench.measure(rounds=2, until=UNTIL, minutes=5)
    assert 2 < bench.counts()[cell(SCAN, IPC)] < MOST_ROUNDS
    assert min(bench.counts().values()) == 2
    assert bench.minutes < 5 + 1
    assert f"no more rounds of {cell(SCAN, IPC)}: still wider than +-10%" in bench.watcher.said
    assert file.finished


def test_time_limit_ends_the_run_after_a_group_and_says_what_is_left(bench: Bench) -> None:
    slowly(bench, 1)
    file = bench.measure(rounds=2, minutes=4)
    assert len(bench.log) == 6, "two of four groups, the second whole"
    assert not file.finished
    assert bench.watcher.said == [
        "4 minutes are over: 2 of 4 groups of measurements are left, of write, scan"
    ]


def test_first_round_of_named_stores_is_measured_whole_whatever_the_time(bench: Bench) -> None:
    slowly(bench, 1)
    file = bench.measure(rounds=2, minutes=1, whole_round=True)
    assert set(bench.counts().values()) == {1}
    assert not file.finished


def test_run_that_ran_out_of_time_is_taken_up_where_it_stopped(bench: Bench) -> None:
    slowly(bench, 1)
    bench.measure(rounds=2, minutes=4)
    file = bench.measure(rounds=2, minutes=4, resume=True)
    assert file.finished
    assert set(bench.counts().values()) == {2}
    assert len(record_files(bench.results)) == 1


def test_rounds_are_added_while_they_fit_into_the_time(bench: Bench) -> None:
    slowly(bench, 1)
    file = bench.measure(rounds=2, minutes=26, more=True)
    assert set(bench.counts().values()) == {4}, "a fifth round of six minutes would end at 30"
    assert file.finished


def test_contenders_choose_the_cells_of_every_added_round(bench: Bench) -> None:
    """First the scans of all stores, then one store on everything, then nothing more."""
    seen: list[int] = []

    def contenders(cells, records):
        seen.append(max((record.round for record in records), default=0))
        chosen = {0: [each for each in cells if each.benchmark == SCAN], 1: cells[:1], 2: cells}
        return chosen.get(len(records) and seen[-1], [])

    slowly(bench, 1)
    file = bench.measure(contenders, rounds=0, minutes=12, more=True)
    assert seen == [0, 1, 2, 3]
    assert [which.benchmark for _, which in bench.log][:3] == [SCAN] * 3
    assert len(bench.log) == 3 + 1 + 6, "a round of one cell is short, so it fits"
    assert file.finished


def test_run_in_a_hurry_begins_no_group_that_would_end_too_late(bench: Bench) -> None:
    slowly(bench, 1)
    bench.measure(rounds=2, minutes=7, hurried=True)
    assert bench.minutes == 6, "a third group of three minutes would end at 9"
    slowly(bench, 1)
    bench.minutes = 0
    bench.measure(rounds=2, minutes=7)
    assert bench.minutes == 9


def test_patterns_choose_the_cells_and_are_recorded_as_operations(bench: Bench) -> None:
    file = bench.measure(patterns=("Write",))
    assert {which.benchmark for _, which in bench.log} == {WRITE}
    settings = file.info().settings
    assert settings["operations"] == ["Write"]
    assert "patterns" not in settings
    assert plan_of(file.info()).parts[0].operations == ("Write",)


def test_rounds_are_not_added_without_being_asked_for(bench: Bench) -> None:
    slowly(bench, 1)
    bench.measure(rounds=2, minutes=60)
    assert set(bench.counts().values()) == {2}


def test_added_round_that_was_cut_off_is_taken_up(bench: Bench) -> None:
    slowly(bench, 1)
    interrupted_after(14, bench, rounds=2, minutes=20, more=True)
    file = bench.measure(rounds=2, minutes=20, more=True, resume=True)
    assert file.finished
    found = Counter((record.round, record.run.cell) for record in file.records())
    assert set(found.values()) == {1}
    assert len({cell for number, cell in found if number == 3}) == 6


def test_cells_still_wide_at_the_time_limit_are_named(bench: Bench) -> None:
    wide = (cell(SCAN, IPC), cell(WRITE, ZARR))
    bench.answer = restless(*wide)
    bench.measure(until=0.07)
    assert sorted(bench.watcher.said[1:]) == sorted(
        f"no more rounds of {which}: still wider than +-7%" for which in wide
    )


@pytest.mark.parametrize("wrong", [failed, skipped])
def test_failed_cell_adds_no_rounds(wrong, bench: Bench) -> None:
    def answer(asked: CellName, count: int) -> Measurement:
        if asked == cell(SCAN, IPC):
            return wrong("Mismatch", IPC, SCAN)
        return steady(asked, count)

    bench.answer = answer
    bench.measure(rounds=4, until=UNTIL)
    assert set(bench.counts().values()) == {4}
    assert bench.watcher.said == [NO_LESS]


# Resume


def interrupted_after(count: int, bench: Bench, **settings: object) -> None:
    answer = bench.answer
    bench.answer = stopping_after(count, bench.log, answer)
    with pytest.raises(KeyboardInterrupt):
        bench.measure(**settings)
    bench.answer = answer


@pytest.mark.parametrize("apart", [False, True], ids=["one work folder", "two work folders"])
def test_running_run_is_not_resumed(apart: bool, bench: Bench, monkeypatch, tmp_path) -> None:
    refused = []

    def beside(which: CellName, count: int) -> Measurement:
        if len(bench.log) == 5:
            with monkeypatch.context() as patched, pytest.raises(UserError) as error:
                if apart:
                    patched.setenv(WORK, str(tmp_path / "another"))
                bench.measure(rounds=2, resume=True)
            refused.append(str(error.value))
        return steady(which, count)

    bench.answer = beside
    file = bench.measure(rounds=2)
    assert refused
    assert all(f"already: process {os.getpid()} " in line for line in refused)
    assert len(list(file.records())) == 12


def test_run_without_measured_cells_leaves_no_file(bench: Bench) -> None:
    interrupted_after(0, bench, rounds=3)
    assert record_files(bench.results) == []
    with pytest.raises(UserError, match="no interrupted run has these settings"):
        bench.measure(rounds=3, resume=True)


@pytest.mark.parametrize("after", [4, 6, 11, 17])
def test_interrupted_run_resumes_with_the_missing_cells(after, bench: Bench) -> None:
    interrupted_after(after, bench, rounds=3)
    file = bench.measure(rounds=3, resume=True)
    assert max(bench.counts().values()) <= 4, "one group of three was cut off at most"
    assert file.finished
    assert len(record_files(bench.results)) == 1
    found = Counter((record.round, record.run.cell) for record in file.records())
    assert set(found.values()) == {1}
    assert len(found) == 18
    assert bench.watcher.shown[-1] == (6, 6), "the bar ends full"


def test_resumed_run_keeps_the_original_order(bench: Bench, tmp_path) -> None:
    interrupted_after(7, bench, rounds=3)
    bench.measure(rounds=3, resume=True)
    resumed = bench.log[:6] + bench.log[8:]  # the third group was cut off in its second cell
    bench.log.clear()
    bench.measure(rounds=3)
    assert bench.log == resumed


def test_truncated_last_line_is_measured_again(bench: Bench) -> None:
    interrupted_after(7, bench, rounds=3)
    (file,) = record_files(bench.results)
    file.file.write_bytes(file.file.read_bytes()[:-5])
    taken_up = bench.measure(rounds=3, resume=True)
    found = [(record.round, record.run.cell) for record in taken_up.records()]
    assert len(set(found)) == 18
    assert len(found) == 20, "its whole group, whose other two are there twice"


def test_resume_continues_rounds_added_by_until(bench: Bench) -> None:
    bench.answer = restless(cell(SCAN, IPC))
    interrupted_after(40, bench, rounds=2, until=UNTIL)
    file = bench.measure(rounds=2, until=UNTIL, resume=True)
    assert bench.counts()[cell(SCAN, IPC)] == MOST_ROUNDS
    found = Counter((record.round, record.run.cell) for record in file.records())
    assert set(found.values()) == {1}


def test_finished_run_cannot_be_resumed(bench: Bench) -> None:
    bench.measure(rounds=2)
    refused(bench, rounds=2)


@pytest.mark.parametrize(
    "changed", [{"rounds": 3}, {"quick": True}, {"operations": ["scan"]}, {"until": UNTIL}]
)
def test_run_with_other_settings_is_not_resumed(changed: dict[str, object], bench) -> None:
    interrupted_after(5, bench, rounds=2)
    refused(bench, **{"rounds": 2, **changed})


def test_run_of_another_commit_or_of_changes_is_not_resumed(bench: Bench) -> None:
    interrupted_after(5, bench, rounds=2)
    bench.commit = replace(COMMIT, hash="b" * 40)
    refused(bench, rounds=2)
    bench.commit = replace(COMMIT, changed=True)
    interrupted_after(len(bench.log) + 5, bench, rounds=2)
    refused(bench, rounds=2)


def test_run_with_other_libraries_is_not_resumed(bench: Bench, monkeypatch) -> None:
    interrupted_after(5, bench, rounds=2)
    monkeypatch.setattr(measuring, "library_versions", lambda: {"numpy": "0.0.1"})
    refused(bench, rounds=2)


def refused(bench: Bench, **settings: object) -> None:
    before = len(bench.log), len(record_files(bench.results))
    with pytest.raises(UserError) as error:
        bench.measure(resume=True, **settings)
    assert str(error.value) == (
        "no interrupted run has these settings, commit and libraries; omit --resume"
    )
    assert (len(bench.log), len(record_files(bench.results))) == before


# What is recorded at the start


def test_run_records_and_shows_the_state_of_the_machine(bench: Bench, monkeypatch) -> None:
    state = {"filesystem": "ext4", "load": [0.5, 0.5, 0.5], "cores": 2}
    monkeypatch.setattr(measuring, "machine_facts", lambda _: state)
    file = bench.measure()
    shown = state | floor_choice(bench.work).facts
    assert file.info().machine_facts == shown
    assert bench.watcher.facts == [shown]


def test_run_can_be_resumed_under_another_load(bench: Bench, monkeypatch) -> None:
    monkeypatch.setattr(measuring, "machine_facts", lambda _: {"load": [0.5, 0.5, 0.5]})
    interrupted_after(5, bench, rounds=2)
    monkeypatch.setattr(measuring, "machine_facts", lambda _: {"load": [9.5, 0.5, 0.5]})
    file = bench.measure(rounds=2, resume=True)
    assert file.finished
    facts = file.info().machine_facts
    assert facts is not None
    assert facts["load"] == [0.5, 0.5, 0.5], "as it began"


def test_processes_that_measure_get_the_floor_of_this_disk(bench: Bench) -> None:
    Workspace(bench.work).own()
    keep(bench.work, replace(DEFAULT, scan="pread-16"))
    file = bench.measure()
    facts = file.info().machine_facts
    assert facts is not None
    assert (facts["floor"], facts["floor_choice"]) == (bench.variables[FLOOR_CHOICE], "measured")
    assert "scan=pread-16" in facts["floor"]


def test_newest_releases_are_looked_up_only_on_request(bench: Bench, monkeypatch) -> None:
    monkeypatch.setattr(measuring, "newest_versions", lambda names: dict.fromkeys(names, "99"))
    assert bench.measure().info().newest is None
    found = bench.measure(check_newest=True).info()
    assert found.newest == dict.fromkeys(found.libraries, "99")
    assert "check_newest" not in found.settings


@pytest.mark.parametrize("odd", [None, 3, "fast", []])
def test_run_with_malformed_facts_is_read_without_them(odd: object, bench: Bench) -> None:
    file = bench.measure()
    first, *rest = file.file.read_text().splitlines(keepends=True)
    changed = json.loads(first) | {"machine_facts": odd, "newest": odd}
    file.file.write_text(json.dumps(changed) + "\n" + "".join(rest))
    (read,) = record_files(bench.results)
    assert (read.info().machine_facts, read.info().newest) == (None, None)


def test_records_without_facts_are_read(bench: Bench) -> None:
    file = bench.measure()
    first, *rest = file.file.read_text().splitlines(keepends=True)
    known = json.loads(first)
    del known["machine_facts"], known["newest"]
    file.file.write_text(json.dumps(known) + "\n" + "".join(rest))
    (read,) = record_files(bench.results)
    assert read.info().machine_facts is None
    assert len(list(read.records())) == 6


def test_machine_folder_name_has_more_than_the_host_name(bench: Bench) -> None:
    file = bench.measure()
    name = asv.machine.Machine.get_defaults()["machine"]
    assert re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{8}}", file.file.parent.name)
    kept = json.loads((file.file.parent / "machine.json").read_text())
    assert kept["machine"] == file.info().machine == file.file.parent.name
