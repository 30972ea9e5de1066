"""A history's series over days, and the changes beyond doubt with the releases in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from platebench.results.over_days import BYTES, OverDays, over_days
from platebench.results.records import record_files
from platebench.stores.name import StoreName
from tests.results.made_up_days import DAYS, LANCE, day_file, plan
from tests.results.made_up_runs import IPC, ok, run_file

STORE = StoreName.parse(LANCE)


def found_in(results: Path) -> OverDays | None:
    return over_days(record_files(results))


def history_of(results: Path, *factors: float, **later: float) -> OverDays:
    for day, factor in zip(DAYS, factors, strict=True):
        day_file(results, plan(), day, factor, **(later if day == DAYS[-1] else {}))
    found = found_in(results)
    assert found is not None
    return found


def value(found: OverDays, day: str, what: str) -> float | None:
    (point,) = [
        each for each in found.points if (each.day, each.store, each.what) == (day, STORE, what)
    ]
    return point.value


def test_steady_libraries_have_no_change(tmp_path: Path) -> None:
    found = history_of(tmp_path, 1.0, 1.0, 1.0)
    assert found.changes == ()
    assert found.days == DAYS
    assert {each.what for each in found.points} == {"write", "scan", "take", BYTES}
    assert len(found.points) == len(DAYS) * 3 * 4


def test_slower_release_is_a_change_with_its_name(tmp_path: Path) -> None:
    found = history_of(tmp_path, 1.0, 1.0, 1.5)
    assert {(each.before, each.day, each.store) for each in found.changes} == {
        (DAYS[1], DAYS[2], STORE)
    }
    assert {each.what for each in found.changes} == {"write", "scan", "take"}
    for change in found.changes:
        assert change.releases == ("lancedb 0.1.0 → 0.2.0",)
        assert change.ratio == pytest.approx(1.5, rel=0.02)
        assert change.in_words().startswith(f"{LANCE} {change.what}: 1.5")
        assert "times slower (95% interval for a repeat run: 1." in change.in_words()
        assert f"on {DAYS[2]} than on {DAYS[1]}; in between: lancedb 0.1.0" in change.in_words()


def test_faster_release_says_so(tmp_path: Path) -> None:
    change = history_of(tmp_path, 1.0, 0.5, 0.5).changes[0]
    assert change.day == DAYS[1]
    assert ": 2.0" in change.in_words() or ": 1.9" in change.in_words()
    assert "times faster" in change.in_words()


def test_change_of_size_is_counted(tmp_path: Path) -> None:
    (change,) = history_of(tmp_path, 1.0, 1.0, 1.0, stored=0.5).changes
    assert (change.what, change.ratio, change.low) == (BYTES, 0.5, None)
    assert "bytes: 2.00 times smaller on" in change.in_words()


def test_tiny_change_of_size_is_none(tmp_path: Path) -> None:
    assert history_of(tmp_path, 1.0, 1.0, 1.0, stored=1.005).changes == ()


def test_failure_is_a_point_with_its_message(tmp_path: Path) -> None:
    day_file(tmp_path, plan(), DAYS[0], wrong="AttributeError: no such thing")
    for day in DAYS[1:]:
        day_file(tmp_path, plan(), day)
    found = found_in(tmp_path)
    assert found is not None
    points = [each for each in found.points if each.day == DAYS[0] and each.store == STORE]
    messages = {each.what: each.message for each in points}
    assert {messages[each] for each in ("write", "scan", "take")} == {
        "failed: AttributeError: no such thing"
    }
    assert all(each.value is None for each in points if each.what != BYTES)
    assert found.changes == (), "a failure is no change of a time"


def test_added_day_is_relative_to_its_anchor(tmp_path: Path) -> None:
    """The machine is twice as slow on the later day; the library is 1.5 times as slow."""
    history_of(tmp_path, 1.0, 1.0, 1.0)
    added = plan((DAYS[-1], "2025-10-01"), begun=2, anchor=DAYS[-1])
    day_file(tmp_path, added, DAYS[-1], 2.0)
    day_file(tmp_path, added, "2025-10-01", 3.0)
    found = found_in(tmp_path)
    assert found is not None
    assert found.days == (*DAYS, "2025-10-01")
    assert value(found, DAYS[-1], "scan") == pytest.approx(0.003, rel=0.02)
    assert value(found, "2025-10-01", "scan") == pytest.approx(0.0045, rel=0.03)
    assert {each.day for each in found.changes} == {"2025-10-01"}
    measured = {each.day: each.measured for each in found.points}
    assert measured[DAYS[-1]] == "2026-03-01"
    assert measured["2025-10-01"] == "2026-03-02"


def test_addition_without_its_anchor_is_left_out(tmp_path: Path) -> None:
    history_of(tmp_path, 1.0, 1.0, 1.0)
    lost = plan(("2025-10-01", "2026-01-01"), begun=2, anchor="2025-10-01")
    for day in lost.days:
        day_file(tmp_path, lost, day)
    found = found_in(tmp_path)
    assert found is not None
    assert found.days == DAYS


def test_newer_whole_history_replaces_the_older(tmp_path: Path) -> None:
    history_of(tmp_path, 1.0, 1.0, 1.0)
    newer = plan(DAYS[1:], begun=3)
    for day in newer.days:
        day_file(tmp_path, newer, day, 2.0)
    found = found_in(tmp_path)
    assert found is not None
    assert found.days == DAYS[1:]


@pytest.mark.parametrize("finished", [(True, True, False), (True, True)])
def test_unfinished_history_is_not_shown(tmp_path: Path, finished: tuple[bool, ...]) -> None:
    for day, whole in zip(DAYS, finished, strict=False):
        day_file(tmp_path, plan(), day, finished=whole)
    assert found_in(tmp_path) is None


def test_runs_are_no_history(tmp_path: Path) -> None:
    run_file(tmp_path, [ok([0.1], IPC)])
    assert found_in(tmp_path) is None
    assert found_in(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"history": 7}, "history is not an object"),
        ({"history": {}}, "history has no anchor or no rounds"),
        ({"history": {"anchor": 3, "rounds": 2}}, "history has no anchor or no rounds"),
        ({"history": plan().as_settings()}, "as_of is not a text"),
        ({"history": plan().as_settings() | {"days": 3}, "as_of": "x"}, "days is not a list"),
    ],
)
def test_damaged_settings_are_reported_and_left_out(
    settings: dict, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = run_file(tmp_path, [ok([0.1], IPC)], settings=settings)
    assert found_in(tmp_path) is None
    assert capsys.readouterr().err.startswith(f"platebench: {file.file}: settings: {said}")
