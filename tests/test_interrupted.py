"""Interrupted and killed talks and findings print one line and leave no temporary files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from platebench.drafts import sweep
from platebench.temporary import temporary_folder

PROGRAM = [sys.executable, "-m", "platebench"]
COMMANDS = [["talk", "--json"], ["findings", "lance-read-ahead"]]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A TMPDIR that contains a folder of somebody else."""
    folder = tmp_path / "tmp"
    (folder / "platebench-mine").mkdir(parents=True)
    (folder / "platebench-mine" / "notes.txt").write_text("Dear diary\n")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def lent(folder: Path) -> list[Path]:
    return sorted(folder.glob(".platebench.platebench-*"))


@pytest.fixture
def at_work(temporary: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A command that has started to write to its temporary folder."""
    with subprocess.Popen(
        [*PROGRAM, *request.param],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while not any(any((folder / "files").glob("*")) for folder in lent(temporary)):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("at_work", COMMANDS, ids=lambda each: each[0], indirect=True)
def test_ctrl_c_prints_one_line_and_leaves_nothing(
    at_work: subprocess.Popen[str], temporary: Path
) -> None:
    os.kill(at_work.pid, signal.SIGINT)
    out, err = at_work.communicate(timeout=60)
    assert (at_work.returncode, out) == (130, "")
    (line,) = err.splitlines()
    assert line.startswith("platebench: interrupted")
    assert lent(temporary) == []


@pytest.mark.parametrize("at_work", COMMANDS, ids=lambda each: each[0], indirect=True)
def test_next_start_removes_what_a_killed_process_left(
    at_work: subprocess.Popen[str], temporary: Path
) -> None:
    at_work.kill()
    at_work.communicate(timeout=60)
    (left,) = lent(temporary)
    with temporary_folder() as folder:
        assert not left.exists()
        sweep(temporary)
        assert list(folder.iterdir()) == []
    assert lent(temporary) == []
    assert (temporary / "platebench-mine" / "notes.txt").exists()


@pytest.mark.parametrize("at_work", [COMMANDS[1]], ids=["findings"], indirect=True)
def test_folder_of_a_living_process_is_kept(
    at_work: subprocess.Popen[str], temporary: Path
) -> None:
    with temporary_folder():
        assert len(lent(temporary)) == 2
