"""`reference keep` copies a complete reference run and overwrites no other file."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import asv.results
import pytest

from platebench.errors import UserError
from platebench.results.records import RecordFile, record_files
from platebench.running.keeping import keep_reference
from platebench.running.machine_facts import this_machine
from platebench.running.selfcheck import kept as selfcheck_kept
from tests.results.made_up_days import DAYS, day_file, plan
from tests.results.made_up_runs import SCAN, WRITE, floor, ok, run_file
from tests.running.made_up_suites import MadeUpSuite
from tests.scratch_checkout import git

MACHINE = "vm-12345678"
REFERENCE = {"reference": {"parts": [], "left_out": []}}
LATER = "2026-03-02T10:20:30.000001+00:00"


class Place:
    """A checkout with one commit and the user's own runs."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.own = checkout / ".platebench" / "results"
        self.kept = checkout / "results"
        git(checkout, "init", "--quiet", "--initial-branch", "main")
        (checkout / "code.py").touch()
        git(checkout, "add", "--all")
        git(checkout, "commit", "--quiet", "--message", "Begin")
        self.commit = git(checkout, "rev-parse", "HEAD")

    def run(self, finished: bool = True, seconds: float = 1.0, **changed: Any) -> RecordFile:
        given = {"machine": MACHINE, "commit": self.commit, "settings": REFERENCE, **changed}
        file = run_file(self.own, [ok([seconds]), floor([1.0])], **given)
        if finished:
            file.finish()
        write_json(self.own / MACHINE / "machine.json", {**this_machine(), "machine": MACHINE})
        listed = MadeUpSuite("", []).benchmarks
        write_json(self.own / "benchmarks.json", listed, version=2)
        return file

    def selfcheck(self) -> None:
        for place, slower in enumerate((0.0, 0.0, 0.1, 0.25)):
            rounds = [[ok([1.0 + slower, 1.1 + slower])] for _ in range(4)]
            started = f"2026-03-01T11:00:00.00000{place}+00:00"
            settings = {"selfcheck": place, "slower": slower}
            given = {"machine": MACHINE, "commit": self.commit, "settings": settings}
            run_file(self.own, *rounds, started=started, **given).finish()

    def keep(self, run: RecordFile | str, selfcheck: bool = False) -> list[str]:
        name = run if isinstance(run, str) else str(run.file)
        made = keep_reference(name, self.own, self.checkout, self.kept, selfcheck)
        return sorted(str(file.relative_to(self.kept)) for file in made)

    def contents(self) -> dict[str, bytes]:
        files = [file for file in self.kept.rglob("*") if file.is_file()]
        return {str(file.relative_to(self.kept)): file.read_bytes() for file in files}


def write_json(file: Path, content: dict[str, Any], version: int = 1) -> None:
    file.write_text(json.dumps({**content, "version": version}))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "checkout").mkdir()
    return Place(tmp_path / "checkout")


def test_finished_reference_run_is_copied_with_machine_and_asv_file(place: Place) -> None:
    run = place.run()
    made = place.keep(run)
    (asv_file,) = (name for name in made if place.commit[:8] in name)
    expected = [asv_file, f"{MACHINE}/{run.file.name}", f"{MACHINE}/machine.json"]
    assert made == sorted([*expected, "benchmarks.json"])
    (copy,) = record_files(place.kept)
    assert copy.file.read_bytes() == run.file.read_bytes()
    (read,) = asv.results.iter_results(str(place.kept))
    assert read.commit_hash == place.commit
    assert read.params["machine"] == MACHINE
    listed = json.loads((place.kept / "benchmarks.json").read_text())
    assert set(listed) == {SCAN, "version"}, "what this run measured"


def test_asv_file_has_no_samples_of_other_runs(place: Place) -> None:
    place.run(seconds=5.0, started=LATER, settings={"rounds": 1})
    place.keep(place.run(seconds=1.0))
    (read,) = asv.results.iter_results(str(place.kept))
    found = read.get_result_samples(SCAN, read.get_result_params(SCAN))
    assert [each for each in found if each] == [[1.0], [1.0]]


def test_run_is_found_by_the_beginning_of_its_name(place: Place) -> None:
    place.run()
    assert place.keep("20260301")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"finished": False}, "is not finished; 'platebench reference run --resume' continues it"),
        ({"settings": {"rounds": 1}}, "not a reference run; 'platebench reference run' makes one"),
        ({"commit": "0" * 40 + "+changes"}, "measured uncommitted changes"),
        ({"commit": "0" * 40}, "no such revision"),
    ],
)
def test_other_kinds_of_run_are_refused_without_writing(changed, words, place: Place) -> None:
    run = place.run(**changed)
    with pytest.raises(UserError, match=words):
        place.keep(run)
    assert place.contents() == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [("2027", "no such run"), ("", "no such run"), ("2026", "2 runs begin with this; give more")],
)
def test_unknown_or_ambiguous_name_is_refused(name: str, words: str, place: Place) -> None:
    place.run()
    place.run(started=LATER)
    with pytest.raises(UserError, match=words):
        place.keep(name)


def test_existing_file_is_not_overwritten(place: Place) -> None:
    run = place.run()
    theirs = place.kept / MACHINE / "machine.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text('{"mine": 1}')
    with pytest.raises(
        UserError, match="another file exists and is not overwritten; nothing was written"
    ):
        place.keep(run)
    assert place.contents() == {f"{MACHINE}/machine.json": b'{"mine": 1}'}


def test_keeping_a_run_twice_changes_nothing(place: Place) -> None:
    run = place.run()
    place.keep(run)
    before = place.contents()
    assert place.keep(run) == []
    assert place.contents() == before


def test_benchmarks_of_earlier_runs_stay_listed(place: Place) -> None:
    place.kept.mkdir()
    listed = {WRITE: MadeUpSuite("", []).benchmarks[WRITE]}
    write_json(place.kept / "benchmarks.json", listed, version=2)
    place.keep(place.run())
    now = json.loads((place.kept / "benchmarks.json").read_text())
    assert set(now) == {SCAN, WRITE, "version"}


def test_selfcheck_option_also_keeps_the_selfcheck(place: Place) -> None:
    run = place.run()
    with pytest.raises(UserError, match="no finished self-check"):
        place.keep(run, selfcheck=True)
    assert place.contents() == {}
    place.selfcheck()
    place.keep(run, selfcheck=True)
    assert len(record_files(place.kept)) == 5
    assert selfcheck_kept(place.kept, MACHINE) == selfcheck_kept(place.own, MACHINE)


def test_git_shows_kept_files_but_not_the_users_own_runs(checkout: Path) -> None:
    place = Place.__new__(Place)
    place.checkout, place.own = checkout, checkout / ".platebench" / "results"
    place.kept, place.commit = checkout / "results", git(checkout, "rev-parse", "HEAD")
    run = place.run()
    assert status(checkout) == ""
    place.keep(run)
    assert status(checkout) == "?? results/"


def status(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "status", "--porcelain"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


# A history


def history(place: Place, **wrong: Any) -> list[RecordFile]:
    return [day_file(place.own, plan(), day, machine=MACHINE, **wrong) for day in DAYS]


def test_history_is_kept_with_all_its_days(place: Place) -> None:
    files = history(place)
    kept = place.keep(files[1])
    assert {Path(each).name for each in kept} == {file.file.name for file in files}
    for file in files:
        assert (place.kept / MACHINE / file.file.name).read_bytes() == file.file.read_bytes()
    assert place.keep(files[0]) == []


def test_added_days_are_kept_with_those_they_add_to(place: Place) -> None:
    history(place)
    added = plan((DAYS[-1], "2025-10-01"), begun=2, anchor=DAYS[-1])
    last = [day_file(place.own, added, day, machine=MACHINE) for day in added.days][-1]
    assert len(place.keep(last)) == 5


def test_unfinished_history_is_not_kept(place: Place) -> None:
    files = history(place, finished=False)
    with pytest.raises(UserError, match="is not finished; 'platebench reference history --resume'"):
        place.keep(files[0])
    assert not place.kept.exists()
