"""Runs are kept outside the tracked results/."""

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


def test_runs_in_a_checkout_are_kept_in_its_ignored_folder(checkout: Path, monkeypatch) -> None:
    monkeypatch.chdir(checkout / "benchmarks")
    assert own_results() == checkout / ".platebench" / "results"
    assert own_results() != reference_results(checkout)


def test_runs_outside_a_checkout_are_kept_in_the_users_data_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert own_results() == tmp_path / "data" / "platebench" / "results"


def test_given_folder_is_used(checkout: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(checkout)
    assert own_results(tmp_path / "mine") == tmp_path / "mine"


def test_path_is_shown_relative_to_the_current_folder(checkout: Path, monkeypatch) -> None:
    monkeypatch.chdir(checkout)
    assert shown(checkout / ".platebench" / "results") == ".platebench/results"
    assert shown(Path("/elsewhere")) == "/elsewhere"
