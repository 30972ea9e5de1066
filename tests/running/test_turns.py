"""Processes measured side by side alternate samples; a dead process blocks none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from platebench.running.turn_server import TurnServer
from platebench.timing.protocol import TURNS
from platebench.timing.turn_client import TurnClient

PROGRAM = """
import json, os, signal, sys, time
from platebench.timing.turn_client import TurnClient

samples, set_up, way, log = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4]
if way == "never asks":
    sys.exit()
turn = TurnClient()
turn.connect()
time.sleep(set_up)
ready = time.monotonic()
for number in range(samples):
    turn.acquire()
    began = time.monotonic()
    time.sleep(0.002)
    if way == "dies" and number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    with open(log, "a") as file:
        print(json.dumps([os.getpid(), began, time.monotonic(), ready]), file=file)
if way == "lingers":
    time.sleep(0.2)
"""


class Processes:
    """Jobs that each run one process, and a log of the samples."""

    def __init__(self, folder: Path, turns: TurnServer) -> None:
        self.log = folder / "log"
        self.turns = turns

    def job(self, samples: int = 5, set_up: float = 0.0, way: str = "well") -> Callable[[], int]:
        return partial(self._run, samples, set_up, way)

    def _run(self, samples: int, set_up: float, way: str) -> int:
        given = [str(samples), str(set_up), way, str(self.log)]
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *given],
            env={**os.environ, **self.turns.variables},
            start_new_session=True,
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode

    def samples(self) -> list[tuple[int, float, float, float]]:
        """Return process, begin, end and end of setup of each sample, in order."""
        return sorted(
            map(tuple, map(json.loads, self.log.read_text().splitlines())), key=lambda s: s[1]
        )


@pytest.fixture
def processes(tmp_path: Path):
    with TurnServer.open() as turns:
        yield Processes(tmp_path, turns)


def test_only_one_sample_runs_at_a_time(processes: Processes) -> None:
    assert processes.turns.together([processes.job(12) for _ in range(3)]) == [0, 0, 0]
    samples = processes.samples()
    assert len(samples) == 36
    for (_, _, ended, _), (_, began, _, _) in pairwise(samples):
        assert began >= ended


def test_processes_alternate(processes: Processes) -> None:
    processes.turns.together([processes.job(12) for _ in range(3)])
    whose = [sample[0] for sample in processes.samples()]
    cycles = [whose[start : start + 3] for start in range(0, 36, 3)]
    assert all(len(set(cycle)) == 3 for cycle in cycles)
    assert len({tuple(cycle) for cycle in cycles}) > 1, "the order differs between cycles"


def test_no_sample_runs_during_setup_of_a_process(processes: Processes) -> None:
    processes.turns.together([processes.job(), processes.job(set_up=0.3)])
    samples = processes.samples()
    assert samples[0][1] >= max(set_up for *_, set_up in samples)


def test_finished_process_does_not_block_the_others(processes: Processes) -> None:
    jobs = [processes.job(2, way="lingers"), processes.job(8), processes.job(8)]
    assert processes.turns.together(jobs) == [0, 0, 0]
    assert len(processes.samples()) == 18


def test_no_sample_runs_while_a_process_ends(processes: Processes) -> None:
    ended: list[float] = []

    def lingering() -> None:
        processes.job(2, way="lingers")()
        ended.append(time.monotonic())

    processes.turns.together([lingering, processes.job(8)])
    (end,) = ended
    last_of_it = 4  # two samples each, by turns
    assert all(began < end - 0.2 for _, began, _, _ in processes.samples()[: last_of_it - 1])
    assert processes.samples()[last_of_it][1] >= end


@pytest.mark.parametrize("way", ["never asks", "dies"])
def test_process_that_never_connects_does_not_block_the_others(
    way: str, processes: Processes
) -> None:
    jobs = [processes.job(), processes.job(way=way), processes.job()]
    statuses = processes.turns.together(jobs)
    assert (statuses[0], statuses[2]) == (0, 0)
    assert len(processes.samples()) == (10 if way == "never asks" else 12)


def test_jobs_without_a_process_return_their_result(processes: Processes) -> None:
    assert processes.turns.together([lambda: "one", lambda: "two"]) == ["one", "two"]


def test_cells_are_served_one_after_another(processes: Processes) -> None:
    for _ in range(3):
        assert processes.turns.together([processes.job(2), processes.job(2)]) == [0, 0]
    assert len(processes.samples()) == 12


def test_exception_in_a_job_ends_all_processes(processes: Processes) -> None:
    def raises() -> int:
        time.sleep(0.5)
        raise KeyboardInterrupt

    began = time.monotonic()
    endless = 10_000_000
    # The first process gets every turn, since the second job never connects.
    jobs = [processes.job(endless), raises]
    with pytest.raises(KeyboardInterrupt):
        processes.turns.together(jobs)
    assert time.monotonic() - began < 20


def test_process_ends_when_the_server_is_gone(tmp_path: Path) -> None:
    with TurnServer.open() as turns:
        processes = Processes(tmp_path, turns)
        status: list[int] = []
        thread = threading.Thread(target=lambda: status.append(processes.job()()))
        thread.start()
        line, _ = turns._listener.accept()
        line.close()
        thread.join(20)
    assert status == [1]


def test_connecting_without_a_server_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with TurnServer.open() as turns:
        monkeypatch.setenv(TURNS, turns.variables[TURNS])
    with pytest.raises(OSError):
        TurnClient().connect()


def test_process_without_a_server_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TURNS, raising=False)
    turn = TurnClient()
    turn.connect()
    turn.acquire()


def test_server_leaves_no_files() -> None:
    with TurnServer.open() as turns:
        place = Path(turns.variables[TURNS])
        assert place.exists()
    assert not place.parent.exists()


@pytest.mark.parametrize("length", [20, 60, 64, 65, 69, 70, 80, 81, 100, 200])
def test_server_listens_whatever_the_length_of_the_temporary_folders_path(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="t") as short:
        folder = Path(short) / ("x" * max(1, length - len(short) - 1))
        folder.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        with TurnServer.open() as server:
            assert server.variables
        assert list(folder.iterdir()) == []
