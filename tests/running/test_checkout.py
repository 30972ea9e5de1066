"""The checkout and the commit that a run is recorded under."""

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
    """A repository with one commit and the same layout as this one."""
    for name in ("src", "benchmarks", "docs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.py").touch()
    (tmp_path / "asv.conf.json").write_text("{}")
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def test_checkout_is_found_from_a_subfolder(checkout: Path) -> None:
    assert find_checkout(checkout) == checkout
    assert find_checkout(checkout / "src") == checkout


def test_no_checkout_outside_raises_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not in a checkout of platebench; clone it"):
        find_checkout(tmp_path)


def test_commit_has_hash_and_time(checkout: Path) -> None:
    commit = commit_of(checkout)
    assert commit.name == commit.hash == git(checkout, "rev-parse", "HEAD")
    assert commit.date_ms == int(git(checkout, "show", "-s", "--format=%ct")) * 1000
    assert not commit.changed


@pytest.mark.parametrize("file", ["src/file.py", "benchmarks/file.py", "src/new.py"])
def test_changed_checkout_is_not_named_as_its_commit(file, checkout) -> None:
    (checkout / file).write_text("changed = True\n")
    commit = commit_of(checkout)
    assert commit.changed
    assert commit.name == f"{git(checkout, 'rev-parse', 'HEAD')}+changes"


def test_changes_to_unmeasured_files_keep_the_name(checkout: Path) -> None:
    (checkout / "docs" / "file.py").write_text("changed = True\n")
    (checkout / "results").mkdir()
    (checkout / "results" / "new.json").touch()
    assert not commit_of(checkout).changed


def test_copy_without_git_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no git history; results are recorded by commit"):
        commit_of(tmp_path)


def test_revision_has_the_committed_files(checkout: Path) -> None:
    (checkout / "src" / "file.py").write_text("changed = True\n")
    assert commit_at(checkout, "main").name == git(checkout, "rev-parse", "HEAD")
    with pytest.raises(UserError, match="nowhere: no such revision"):
        commit_at(checkout, "nowhere")
    with pytest.raises(UserError, match="no such revision"):
        commit_at(checkout, "--all")
