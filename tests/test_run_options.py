"""What `platebench run` measures, by the options that are typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from platebench.running import run as running
from platebench.running.groups import MOST_STORES
from platebench.running.settings import Settings, at_their_best, brief_stores, stores_to_measure
from platebench.stores.registry import REFERENCES
from tests.results.made_up_runs import IPC, ok, run_file
from tests.scratch_checkout import Command, Said


class Asked:
    """Runs the command with a made-up measurement, and keeps its settings."""

    def __init__(self, folder: Path, platebench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        self._platebench = platebench
        self._file = run_file(folder, [ok([1.0])])
        self._file.finish()
        self.settings: list[Settings] = []
        monkeypatch.setattr(running, "measure", self._measure)

    def _measure(self, home, results, settings, watcher, begun) -> None:
        self.settings.append(settings)
        begun(self._file)

    def said(self, *options: str) -> Said:
        return self._platebench("run", *options)

    def of(self, *options: str) -> Settings:
        assert self.said(*options).status == 0
        return self.settings[-1]


@pytest.fixture
def asked(tmp_path: Path, platebench: Command, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(tmp_path, platebench, monkeypatch)


def test_run_without_options_is_brief_and_ends_after_five_minutes(asked: Asked) -> None:
    found = asked.of()
    assert (found.images, found.stores) == (["32"], brief_stores())
    others = set(found.stores) - set(REFERENCES)
    assert {store.tuning for store in others} == {"fast", "balanced"}
    assert set(REFERENCES) <= set(found.stores)
    assert (found.brief, found.minutes, found.rounds, found.more) == (True, 5, 2, True)


def test_all_is_every_store_and_detail_without_limit(asked: Asked) -> None:
    found = asked.of("--all")
    assert set(found.stores) == set(stores_to_measure(["*"]))
    assert (found.brief, found.operations, found.minutes, found.more) == (False, [], None, False)


def test_stores_narrow_a_brief_run_and_everything(asked: Asked) -> None:
    brief, every = asked.of("--stores", str(IPC)), asked.of("--stores", str(IPC), "--all")
    assert brief.stores == every.stores == [*REFERENCES, IPC]
    assert (brief.brief, every.brief) == (True, False)


def test_operations_narrow_a_brief_run_to_the_same_stores(asked: Asked) -> None:
    found = asked.of("--operations", "take,scan")
    assert (found.operations, found.stores) == (["take", "scan"], brief_stores())


def test_quick_is_one_round_of_one_sample(asked: Asked) -> None:
    found = asked.of("--quick")
    assert (found.quick, found.rounds, found.minutes, found.more) == (True, 1, None, False)
    assert found.sampling.least == 1


def test_given_rounds_are_measured_without_limit(asked: Asked) -> None:
    found = asked.of("--rounds", "7")
    assert (found.rounds, found.minutes, found.more) == (7, None, False)


def test_width_is_reached_without_limit(asked: Asked) -> None:
    found = asked.of("--until", "10%")
    assert (found.until, found.minutes, found.more) == (0.1, None, False)


@pytest.mark.parametrize(
    ("options", "more"),
    [([], True), (["--all"], True), (["--rounds", "3"], False), (["--until", "5%"], False)],
)
def test_minutes_limit_any_run_and_are_used_up_if_nothing_else_ends_it(
    options, more, asked
) -> None:
    found = asked.of("--minutes", "9", *options)
    assert (found.minutes, found.more) == (9, more)


def test_only_the_default_time_limit_waits_for_a_whole_round_of_named_stores(asked: Asked) -> None:
    assert asked.of("--stores", "*:fast").whole_round
    assert not asked.of("--stores", "*:fast", "--minutes", "9").whole_round
    assert not asked.of().whole_round


def test_overview_has_the_main_formats_in_one_group_of_processes() -> None:
    stores = brief_stores()
    assert len(stores) <= MOST_STORES
    assert {store.format for store in stores} < {store.format for store in at_their_best()}


def test_unfinished_run_says_how_to_take_it_up(asked: Asked, tmp_path: Path) -> None:
    asked._file = run_file(tmp_path / "other", [ok([1.0])])
    out = asked.said("--minutes", "9").out.splitlines()
    assert out[-1].endswith("platebench run --minutes 9 --resume")
    assert out[-1].startswith("To continue: ")


def test_finished_run_does_not(asked: Asked) -> None:
    assert "To continue" not in asked.said().out
