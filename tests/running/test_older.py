"""A revision without timing.protocol is measured through a shim."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platebench.results.records import record_files
from platebench.running import older
from platebench.timing import protocol
from tests.scratch_checkout import REPOSITORY, git, in_a_process

OLDER = "eb782ce68cd987a75ac1954a553aea06a0db9e46"
"""The last commit without the protocol."""


@pytest.fixture
def with_history(checkout: Path) -> Path:
    """A checkout with this repository's history, and the older revision's constraints.

    With equal constraints both revisions are measured in this environment, and none is made.
    """
    git(checkout, "fetch", "--quiet", "--no-tags", str(REPOSITORY), "HEAD")
    constraints = git(checkout, "show", f"{OLDER}:constraints.txt")
    (checkout / "constraints.txt").write_text(f"{constraints}\n")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "Pin as before")
    return checkout


@pytest.mark.long
@pytest.mark.timeout(600)
def test_last_revision_without_protocol_can_be_compared(with_history) -> None:
    said = in_a_process(
        "compare", OLDER, ".", "--images", "2", "--stores", "arrow-ipc:pixels:fast",
        "--operations", "first-image", "--rounds", "2", "--quick", "--markdown", "verdicts.md",
    )  # fmt: skip
    assert said.status in {0, 1}, said.out + said.err
    assert "one after another" not in said.err, "its processes take turns"
    files = record_files(with_history / ".platebench" / "results")
    assert [file.info().commit for file in files] == [OLDER, git(with_history, "rev-parse", "HEAD")]
    for file in files:
        runs = [record.run for record in file.records()]
        assert [run.status for run in runs] == ["ok", "ok"]


def test_revision_with_protocol_needs_no_shim(tmp_path: Path) -> None:
    assert not older.is_older(REPOSITORY)
    assert older.is_older(tmp_path)


def test_shim_has_the_same_functions_as_the_protocol() -> None:
    asked = older.question()[-1]
    assert {f"'{name}'" in asked for name in protocol.answer()} == {True}
    assert json.loads(json.dumps(protocol.answer()))["protocol"] == protocol.VERSION
