"""Runs are kept in the user's own place, and the tracked results/ is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from platebench.running.places import own_results, reference_results, shown


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "benchmarks").mkdir(parents=True)
    (folder / "asv.conf.json").write_text("{}")
    return folder


def test_in_a_checkout_runs_are_kept_in_its_ignored_folder(checkout: Path, monkeypatch) -> None:
    monkeypatch.chdir(checkout / "benchmarks")
    assert own_results() == checkout / ".platebench" / "results"
    assert own_results() != reference_results(checkout)


def test_outside_a_checkout_runs_are_kept_in_the_users_data_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert own_results() == tmp_path / "data" / "platebench" / "results"


def test_a_folder_that_is_given_is_taken(checkout: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(checkout)
    assert own_results(tmp_path / "mine") == tmp_path / "mine"


def test_a_path_is_shown_as_it_would_be_typed(checkout: Path, monkeypatch) -> None:
    monkeypatch.chdir(checkout)
    assert shown(checkout / ".platebench" / "results") == ".platebench/results"
    assert shown(Path("/elsewhere")) == "/elsewhere"
