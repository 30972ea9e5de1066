"""Figures are kept under the commit that was measured, and under no other's name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from platebench.errors import UserError
from platebench.running.checkout import commit_at, commit_of, find_checkout


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A Person", "-c", "user.email=person@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit, laid out as this one is."""
    for name in ("src", "benchmarks", "docs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.py").touch()
    (tmp_path / "asv.conf.json").write_text("{}")
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def test_the_checkout_is_found_from_anywhere_inside(checkout: Path) -> None:
    assert find_checkout(checkout) == checkout
    assert find_checkout(checkout / "src") == checkout


def test_outside_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not in a checkout of platebench; clone it"):
        find_checkout(tmp_path)


def test_a_commit_is_its_hash_and_time(checkout: Path) -> None:
    commit = commit_of(checkout)
    assert commit.name == commit.hash == git(checkout, "rev-parse", "HEAD")
    assert commit.date_ms == int(git(checkout, "show", "-s", "--format=%ct")) * 1000
    assert not commit.changed


@pytest.mark.parametrize("file", ["src/file.py", "benchmarks/file.py", "src/new.py"])
def test_a_changed_checkout_is_never_measured_under_its_commits_name(file, checkout) -> None:
    (checkout / file).write_text("changed = True\n")
    commit = commit_of(checkout)
    assert commit.changed
    assert commit.name == f"{git(checkout, 'rev-parse', 'HEAD')}+changes"


def test_changes_that_decide_no_figure_leave_the_name_as_it_is(checkout: Path) -> None:
    (checkout / "docs" / "file.py").write_text("changed = True\n")
    (checkout / "results").mkdir()
    (checkout / "results" / "new.json").touch()
    assert not commit_of(checkout).changed


def test_a_copy_without_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no git history; results are kept by commit"):
        commit_of(tmp_path)


def test_a_revision_is_what_was_committed(checkout: Path) -> None:
    (checkout / "src" / "file.py").write_text("changed = True\n")
    assert commit_at(checkout, "main").name == git(checkout, "rev-parse", "HEAD")
    with pytest.raises(UserError, match="nowhere: no such revision"):
        commit_at(checkout, "nowhere")
    with pytest.raises(UserError, match="no such revision"):
        commit_at(checkout, "--all")
