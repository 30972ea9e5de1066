"""The git checkout that is measured: its folder, its commit, and whether it was changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from platebench.errors import UserError
from platebench.results.commit import Commit

MEASURED = ("src", "benchmarks", "asv.conf.json", "pyproject.toml", "constraints.txt")
"""What figures depend on. Changes elsewhere do not count as changes of the commit."""


def find_checkout(start: Path) -> Path:
    """Return the folder at or above `start` that holds platebench's benchmarks."""
    for folder in (start, *start.parents):
        if (folder / "asv.conf.json").is_file() and (folder / "benchmarks").is_dir():
            return folder
    raise UserError(f"{start}: not in a checkout of platebench; clone it and run there")


def commit_of(checkout: Path) -> Commit:
    """Return the commit that is checked out, and whether files that figures depend on differ."""
    head = _commit(checkout, "HEAD")
    if head is None:
        raise UserError(
            f"{checkout}: has no git history; results are recorded by commit, so clone the"
            " repository"
        )
    changes = _git(checkout, "status", "--porcelain", "--", *MEASURED)
    return Commit(*head, changed=bool(changes))


def commit_at(checkout: Path, revision: str) -> Commit:
    """Return the commit of a git revision, without local changes."""
    found = _commit(checkout, revision)
    if found is None:
        raise UserError(f"{revision}: no such revision in {checkout.name}")
    return Commit(*found, changed=False)


def _commit(checkout: Path, revision: str) -> tuple[str, int] | None:
    """Return a commit's hash and its time in milliseconds."""
    said = _git(
        checkout, "log", "-1", "--format=%H %ct", "--end-of-options", revision, "--"
    ).split()
    return (said[0], int(said[1]) * 1000) if len(said) == 2 else None


def _git(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(checkout), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else ""
