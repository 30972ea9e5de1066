"""A command killed at any moment leaves nothing that disturbs the next one.

`PLATEBENCH_KILLS=200 pytest tests/test_kills.py` kills 200 commands; the default is 8.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from platebench.drafts import sweep
from platebench.results.records import record_files
from platebench.timing.protocol import WORK
from tests.scratch_checkout import PROGRAM, in_a_process

KILLS = int(os.environ.get("PLATEBENCH_KILLS", "8"))
SMALL = ["--images", "2", "--stores", "arrow-ipc:pixels:fast", "--operations", "scan,write",
         "--quick"]  # fmt: skip
COMMANDS = {
    "run": (["run", *SMALL], 6.0),
    "compare": (["compare", ".", ".", *SMALL, "--rounds", "2"], 8.0),
    "make-fixtures": (
        ["make-fixtures", "--images", "8", "--ch5", "--tables", "--out", "made"],
        3.0,
    ),
    "site build": (["site", "build", "--results", ".platebench/results", "--out", "page"], 8.0),
}


def killed(command: list[str], seconds: float, sent: signal.Signals) -> int:
    """Start a command, send it a signal after `seconds`, and return its status."""
    with subprocess.Popen(
        [*PROGRAM, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as running:  # fmt: skip
        try:
            running.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, sent)
            said, _ = running.communicate()
            assert sent is not signal.SIGINT or b"Traceback" not in said, said.decode()
        return running.returncode


@pytest.fixture
def isolated_checkout(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout, with TMPDIR in a separate folder."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    return checkout


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_command_does_not_disturb_the_next_one(
    name: str, isolated_checkout: Path, tmp_path: Path
) -> None:
    command, longest = COMMANDS[name]
    if name == "site build":
        assert in_a_process("run", *SMALL).status == 0
    random_ = random.Random(name)
    for number in range(max(1, KILLS // len(COMMANDS))):
        sent = signal.SIGINT if number % 4 == 3 else signal.SIGKILL
        killed(command, random_.uniform(0.05, longest), sent)
        if number % 10 == 0:
            assert_command_succeeds(command, isolated_checkout)
    assert_command_succeeds(command, isolated_checkout)
    assert_nothing_left(isolated_checkout, tmp_path)


def assert_command_succeeds(command: list[str], isolated_checkout: Path) -> None:
    said = in_a_process(*command)
    assert said.status == 0, said
    assert "Traceback" not in said.err
    assert "damaged" not in said.err
    if command[0] in {"run", "compare"}:
        files = record_files(isolated_checkout / ".platebench" / "results")
        assert files[-1].finished
        for file in files:
            cells = [(record.round, record.run.cell) for record in file.records()]
            assert len(cells) == len(set(cells)), "a cell is measured once per round"
            # A busy machine may keep a page in its cache: a cold cell is skipped then.
            runs = [record.run for record in file.records()]
            assert [run for run in runs if run.status == "failed"] == []
            assert [run for run in runs if run.status != "ok" and "cache" not in run.message] == []


def assert_nothing_left(isolated_checkout: Path, tmp_path: Path) -> None:
    for parent in (
        isolated_checkout,
        tmp_path / "temporary",
        Path(os.environ[WORK]) / "platebench",
    ):
        drafts = [path.name for path in parent.glob(".*.platebench-*")]
        assert drafts == [], "the next command removes what was left"
    scratch = Path(os.environ[WORK]) / "platebench" / "scratch"
    assert list(scratch.glob("*")) == []


def test_sweep_keeps_folders_without_a_mark_that_are_new_or_hold_something(tmp_path: Path) -> None:
    new, filled, empty = (tmp_path / f".{name}.platebench-1" for name in ("new", "filled", "empty"))
    for folder in (new, filled, empty):
        folder.mkdir()
    (filled / "notes.txt").touch()
    for folder in (filled, empty):
        os.utime(folder, (0, 0))
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == [filled, new]
