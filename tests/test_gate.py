"""The regression gate as a whole: real commits, real processes, and the status it ends with."""

from __future__ import annotations

import json
from pathlib import Path

import asv.results
import pytest

from platebench.results.records import record_files
from tests.scratch_checkout import Said, git, in_a_process

STORE = "arrow-ipc:pixels:fast"
OTHER = "arrow-ipc:pixels:default"
SOURCE = "src/platebench/stores/arrow_ipc.py"

# Both stores wait for each image, as for a disk far away, and the wait is most of a scan: on a
# machine that is busy with the other tests, work itself takes twice as long in one process as in
# the next, and no six rounds would tell three times from once. A wait lasts as long as it lasts.
WAITING = """

import time


def _waiting(scan_into, seconds):
    def waited(self, memory):
        time.sleep(seconds * len(self))
        return scan_into(self, memory)

    return waited


_OpenBatches.scan_into = _waiting(_OpenBatches.scan_into, 0.02)
_OpenTable.scan_into = _waiting(_OpenTable.scan_into, 0.02)
"""
THREE_TIMES = "_OpenBatches.scan_into = _waiting(_OpenBatches.scan_into, 0.04)\n"

ROUNDS = "6"
"""The fewest that set stray rounds aside."""

THRESHOLD = "0.5"
"""How fine the gate is is selfcheck's question; here 50% leaves room for a busy machine."""


@pytest.fixture
def waiting(checkout: Path) -> Path:
    """A checkout whose stores wait, and whose scan is measured warm only: half the time."""
    benchmark = checkout / "benchmarks" / "full_scan.py"
    whole = benchmark.read_text()
    benchmark.write_text(whole[: whole.index("class ColdFullScan")].rstrip() + "\n")
    append(checkout, WAITING)
    commit(checkout, "Wait for a disk far away")
    return checkout


def append(checkout: Path, code: str) -> None:
    with (checkout / SOURCE).open("a") as file:
        file.write(code)


def commit(checkout: Path, message: str) -> None:
    git(checkout, "commit", "--quiet", "--all", "--message", message)


def compare(*more: str) -> Said:
    return in_a_process(
        "compare", "HEAD~1", "HEAD", "--stores", f"{STORE},{OTHER}", "--images", "raw-4",
        "--operations", "scan", "--rounds", ROUNDS, "--threshold", THRESHOLD, *more,
    )  # fmt: skip


@pytest.mark.long
@pytest.mark.timeout(900)
def test_commit_that_slows_a_store_threefold_fails_the_gate(
    waiting: Path,
) -> None:
    append(waiting, THREE_TIMES)
    commit(waiting, "Wait three times as long")
    said = compare("--markdown", "verdicts.md")
    assert said.status == 1, said.out + said.err
    verdicts = (waiting / "verdicts.md").read_text()
    (row,) = [line for line in verdicts.splitlines() if line.endswith("| slower |")]
    assert row.startswith(f"| scan, warm, raw-4 | {STORE} |"), verdicts
    (line,) = [line for line in said.out.splitlines() if line.rstrip().endswith("slower")]
    assert line.startswith(f"{STORE} ")
    assert_results_are_kept_under_their_commits(waiting)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_commit_without_a_slowdown_passes_the_gate(waiting: Path) -> None:
    append(waiting, "# Said in other words.\n")
    commit(waiting, "Say it in other words")
    said = compare()
    assert said.status == 0, said.out + said.err
    assert "2 same." in said.out


def assert_results_are_kept_under_their_commits(checkout: Path) -> None:
    """Two commits, two files of records, two of asv's, and work folders that both are whole."""
    before, after = (git(checkout, "rev-parse", name) for name in ("HEAD~1", "HEAD"))
    files = record_files(checkout / ".platebench" / "results")
    assert [file.info().commit for file in files] == [before, after]
    assert all(file.finished for file in files)
    kept = {
        result.commit_hash
        for result in asv.results.iter_results(str(checkout / ".platebench" / "results"))
    }
    assert kept == {before, after}
    marks = list(
        (checkout.parent / "work" / "platebench" / "arms").glob("*/stores/raw-4/*/data.json")
    )
    assert len(marks) == 4, "two stores in each of two arms"
    prints = {json.loads(mark.read_text())["fingerprint"] for mark in marks}
    assert len(prints) == 4, "of other source, so each arm has stored files of its own"
