"""A history: one arm per day, side by side, resumable, and extended by later days."""

from __future__ import annotations

from collections import Counter, namedtuple
from dataclasses import replace
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from platebench.errors import UserError
from platebench.results.commit import Commit
from platebench.results.measurement import CellName, Measurement
from platebench.results.operations import floor_of
from platebench.results.over_days import histories, over_days
from platebench.results.records import RecordFile, record_files
from platebench.running import history
from platebench.running.arms import Arm, ArmSpec
from platebench.running.as_of import AsOf
from platebench.running.history import (
    HistorySettings,
    days_between,
    history_stores,
    measure_history,
    months_of,
)
from platebench.running.suite import Suite
from platebench.stores.registry import FLOOR, FORMATS
from platebench.timing.protocol import WORK
from platebench.timing.workspace import Workspace
from tests.results.made_up_runs import IPC, SCAN, failed
from tests.running.made_up_suites import (
    ZARR,
    Answer,
    MadeUpSuite,
    Measured,
    Silent,
    cell,
    made_up_arm,
    steady,
    stopping_after,
    taking,
)
from tests.scratch_checkout import REPOSITORY, Command

LANCEDB = {date(2025, 1, 1): "0.17.0", date(2025, 4, 1): "0.21.1", date(2025, 7, 1): "0.24.0"}
NO_ZARR = "no zarr>=3.0.8 for Python 3.11.7 was released by 2025-01-01"
COMMIT = Commit("a" * 40, 1_772_000_000_000, False)


class Bench:
    """Measures made-up days. `log` lists what was measured; no LanceDB before 2025."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.log: list[Measured] = []
        self.answers: dict[str, Answer] = {}
        self.watcher = Silent()
        self.today = date(2025, 7, 15)
        self.commit = COMMIT
        images = namedtuple("Images", "pixel_bytes")(1000)
        monkeypatch.setenv(WORK, str(folder / "work"))
        monkeypatch.setattr(history, "IMAGES", "raw-64")
        monkeypatch.setattr(history, "today", lambda: self.today)
        monkeypatch.setattr(history, "commit_of", lambda _: self.commit)
        monkeypatch.setattr(history, "image_sets", lambda *_: ["raw-64"])
        monkeypatch.setattr(Workspace, "images", lambda *_: images)
        monkeypatch.setattr(history, "libraries_of", lambda spec, _: self.libraries(spec.day))
        monkeypatch.setattr(history, "make_arm", self._arm)
        monkeypatch.setattr(history, "Suite", self._suite)

    def libraries(self, day: date) -> AsOf:
        lacking = {"zarr": NO_ZARR} if day <= date(2025, 1, 1) else {}
        if day < date(2025, 1, 1):
            return AsOf(day, ("numpy==2.0",), {**lacking, "lancedb": "no lancedb"})
        return AsOf(day, (f"lancedb=={LANCEDB.get(day, '0.40.0')}", "numpy==2.0"), lacking)

    def _arm(self, spec: ArmSpec, *_: object) -> Arm:
        assert spec.day is not None
        arm = made_up_arm(str(spec.day), self.folder / "arms", self.commit.hash)
        found = self.libraries(spec.day)
        libraries = dict(pin.split("==") for pin in found.pins)
        own = {WORK: str(self.folder / "of-arms" / str(spec.day))}
        return replace(arm, name=spec.text, as_of=found, libraries=libraries, variables=own)

    def _suite(self, checkout: Path, *_: object) -> MadeUpSuite:
        day = checkout.name
        return MadeUpSuite(day, self.log, self.answers.get(day, steady))

    def measure(self, **changed: Any) -> list[RecordFile]:
        settings = HistorySettings(first=date(2024, 7, 1), rounds=2)
        changes = replace(settings, **changed)
        return measure_history(self.folder, self.results, changes, self.watcher)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


DAYS = ["2025-01-01", "2025-04-01", "2025-07-01"]


@pytest.mark.parametrize(
    ("text", "months"),
    [("3 months", 3), ("3", 3), ("1 month", 1), ("2 years", 24), (" 1 year", 12)],
)
def test_every_is_a_number_of_months_or_years(text: str, months: int) -> None:
    assert months_of(text) == months


@pytest.mark.parametrize("text", ["", "0", "0 months", "weekly", "3 weeks", "-1", "1.5 years"])
def test_other_text_for_every_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="give a number of months, such as '3 months'"):
        months_of(text)


def test_short_month_has_its_last_day() -> None:
    found = days_between(date(2024, 11, 30), 3, date(2025, 8, 30))
    assert [str(day) for day in found] == ["2024-11-30", "2025-02-28", "2025-05-30", "2025-08-30"]


def test_history_begins_with_the_first_day_that_has_lancedb(bench: Bench) -> None:
    files = bench.measure()
    assert [file.info().settings["as_of"] for file in files] == DAYS
    assert "begins at 2025-01-01, the first of these days with a release of lancedb" in (
        bench.watcher.said
    )


def test_every_cell_is_measured_in_all_arms_before_the_next(bench: Bench) -> None:
    bench.measure()
    asked = [list(group) for _, group in groupby(bench.log, lambda each: each[1])]
    assert len(asked) in {11, 12}, "6 cells in 2 rounds, perhaps one twice in a row"
    counts = Counter(bench.log)
    assert set(counts.values()) == {2}
    assert {day for day, _ in counts} == set(DAYS)


def test_what_it_takes_is_said_before_anything_is_made(bench: Bench, monkeypatch) -> None:
    monkeypatch.setattr(history, "make_arm", lambda *_: pytest.fail("an environment is made"))
    monkeypatch.setattr(history, "ENVIRONMENT_BYTES", 10**18)
    with pytest.raises(UserError, match="3 days need 3,000 PB of disk"):
        bench.measure()
    (said,) = [line for line in bench.watcher.said if line.startswith("3 days")]
    assert "3 days, 2025-01-01 to 2025-07-01: " in said
    assert "in 2 rounds, about" in said
    assert not bench.results.exists()


def test_day_and_pins_and_machine_are_recorded(bench: Bench) -> None:
    first, *_ = bench.measure()
    settings = first.info().settings
    assert settings["pins"] == ["lancedb==0.17.0", "numpy==2.0"]
    assert settings["absent"] == {"zarr": NO_ZARR}
    assert first.info().machine_facts
    assert not first.info().is_run


def test_library_that_a_day_lacks_is_a_skip_with_its_reason(bench: Bench) -> None:
    first, second, _ = bench.measure()
    found = {
        (each.run.status, each.run.message)
        for each in first.records()
        if each.run.cell.store == ZARR
    }
    assert found == {("skipped", NO_ZARR)}
    assert {each.run.status for each in second.records()} == {"ok"}
    assert (DAYS[0], cell(SCAN, ZARR)) not in bench.log


def test_failed_cell_is_not_repeated_in_its_arm_alone(bench: Bench) -> None:
    def wrong(which: CellName, count: int) -> Measurement:
        return failed("AttributeError: no such thing", which.store, which.benchmark)

    bench.answers[DAYS[1]] = wrong
    files = bench.measure()
    assert all(file.finished for file in files)
    counts = Counter(bench.log)
    assert counts[DAYS[1], cell(SCAN)] == 1
    assert counts[DAYS[0], cell(SCAN)] == counts[DAYS[2], cell(SCAN)] == 2
    assert {each.run.message for each in files[1].records()} == {"AttributeError: no such thing"}


def test_interrupted_history_resumes(bench: Bench) -> None:
    for day in DAYS:
        bench.answers[day] = stopping_after(20, bench.log)
    with pytest.raises(KeyboardInterrupt):
        bench.measure()
    assert over_days(record_files(bench.results)) is None, "it is not finished"
    bench.answers = {}
    files = bench.measure(resume=True)
    assert len(record_files(bench.results)) == len(files) == 3
    for file in files:
        assert file.finished
        blocks = Counter((each.round, each.run.cell) for each in file.records())
        assert set(blocks.values()) == {1}


def test_time_limit_stops_and_the_rest_can_be_resumed(bench: Bench) -> None:
    files = bench.measure(minutes=0)
    assert not any(file.finished for file in files)
    assert not bench.log
    assert "stopped after 0 minutes; --resume goes on" in bench.watcher.said
    assert all(file.finished for file in bench.measure(resume=True))


def test_history_of_another_commit_is_not_continued(bench: Bench) -> None:
    bench.measure(minutes=0)
    bench.commit = Commit("b" * 40, 1_772_000_000_000, False)
    files = bench.measure(resume=True)
    assert {file.info().commit for file in files} == {"b" * 40}
    assert any("measured another commit or other libraries" in line for line in bench.watcher.said)


def test_without_resume_everything_is_measured_anew(bench: Bench) -> None:
    bench.measure()
    bench.measure()
    assert [len(group) for group in histories(record_files(bench.results))] == [3, 3]


def test_resume_adds_later_days_beside_the_last_one(bench: Bench) -> None:
    bench.measure()
    bench.log.clear()
    assert bench.measure(resume=True) == []
    assert not bench.log
    assert bench.watcher.said[-1] == "nothing to add: 3 days to 2025-07-01 are measured"
    bench.today = date(2025, 10, 2)
    files = bench.measure(resume=True)
    assert [file.info().settings["as_of"] for file in files] == ["2025-07-01", "2025-10-01"]
    assert {day for day, _ in bench.log} == {"2025-07-01", "2025-10-01"}
    found = over_days(record_files(bench.results))
    assert found is not None
    assert found.days == (*DAYS, "2025-10-01")


def test_other_python_is_a_history_of_its_own(bench: Bench) -> None:
    bench.measure()
    files = bench.measure(resume=True, python="python>=3.12")
    assert len(files) == 3


def test_changes_are_found_with_the_releases_in_between(bench: Bench) -> None:
    bench.answers[DAYS[2]] = taking(0.003)
    bench.measure(rounds=6)
    found = over_days(record_files(bench.results))
    assert found is not None
    assert {(each.before, each.day) for each in found.changes} == {(DAYS[1], DAYS[2])}
    assert {each.what for each in found.changes} == {"scan", "write"}
    assert {each.store for each in found.changes} == {FLOOR, IPC, ZARR}


def test_no_day_with_lancedb_is_refused(bench: Bench) -> None:
    bench.today = date(2024, 12, 1)
    with pytest.raises(UserError, match="no day from 2024-07-01 to 2024-10-01 has a release of"):
        bench.measure()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "last year"), "'last year': not a day; write one such as 2025-06-08"),
        (("--from", "9000-01-01"), "9000-01-01: is in the future"),
        (("--python", "3.13 or so"), "--python '3.13 or so': give a condition, such as '<3.13'"),
        (("--every", "week"), "--every 'week': give a number of months, such as '3 months'"),
    ],
)
def test_unusable_option_is_one_line_with_status_2(
    arguments: tuple[str, ...], said: str, platebench: Command
) -> None:
    refused = platebench("reference", "history", *arguments)
    assert refused.status == 2
    (line,) = refused.err.splitlines()
    assert line.startswith(f"platebench: {said}")


def test_history_has_the_fast_store_of_every_format_and_three_operations() -> None:
    stores = history_stores()
    fast = [store.format for store in stores if store.tuning == "fast"]
    with_fast = [each.name for each in FORMATS if "fast" in each.variants[each.layouts[0]].split()]
    assert fast == with_fast
    others = [str(store) for store in stores if store.tuning != "fast"]
    assert others == ["lancedb:pixels:default"], "its fast needs a release of 2026"
    part = history.PlanPart(("raw-32",), tuple(stores), (*history.WRITE, *history.WARM), 1)
    cells = part.cells(Suite(REPOSITORY, ["raw-32"]).cells())
    assert len(cells) == 3 * len(stores)
    assert {floor_of(which) for which in cells} <= set(cells)
