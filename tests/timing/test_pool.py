"""Workers fill shared memory, end with their pool, and never make anyone wait for a dead one."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from platebench.errors import Mismatch, Unsupported
from platebench.timing.pool import Pool, SharedMemory, WorkerFailed
from tests.timing.pool_workers import Worker


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """Two workers that no test ends."""
    with Pool(2, Worker) as pool:
        yield pool


@pytest.fixture
def one() -> Iterator[Pool]:
    """One worker for a test that ends it."""
    with Pool(1, Worker) as pool:
        yield pool


def is_running(pid: int) -> bool:
    with suppress(OSError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_workers_fill_the_same_memory_and_answer_in_their_order() -> None:
    memory = SharedMemory(100)
    with Pool(2, Worker, memory) as pool:
        assert pool.each("fill", [(0, 50, 7), (50, 100, 9)]) == pool.pids()
        assert len(set(pool.pids()) | {os.getpid()}) == 3
        np.testing.assert_array_equal(memory.array, [7] * 50 + [9] * 50)
        pids = pool.pids()
    assert not any(map(is_running, pids))


def test_requests_are_answered_in_the_order_of_a_worker(pool: Pool) -> None:
    for value in range(3):
        pool.send(0, "said", value)
    pool.send(1, "said", "other")
    got = [pool.receive() for _ in range(4)]
    assert [result for worker, result in got if worker == 0] == [0, 1, 2]
    assert (1, "other") in got
    with pytest.raises(RuntimeError, match="no worker was asked"):
        pool.receive()


def test_results_that_nobody_received_are_not_taken_for_others(pool: Pool) -> None:
    pool.send(0, "said", "early")
    with pytest.raises(RuntimeError, match="results that nobody has received"):
        pool.all("said", "late")
    assert pool.receive() == (0, "early")


@pytest.mark.parametrize(
    ("method", "kind", "message"),
    [
        ("mismatch", Mismatch, "^image 3 came back changed$"),
        ("unsupported", Unsupported, "^16 bits are too many$"),
        ("error", WorkerFailed, r"^worker \d: OSError: the file is cut off$"),
        ("exit", WorkerFailed, r"^worker \d: the process ended with status 3 without a message$"),
        ("killed", WorkerFailed, r"^worker \d: the process ended by SIGKILL without a message$"),
        ("unsendable", WorkerFailed, r"^worker \d: .*[Cc]an't (pickle|get local)"),
    ],
)
def test_failure_of_a_worker_is_told_and_ends_the_pool(method, kind, message, one) -> None:
    pids = one.pids()
    with pytest.raises(kind, match=message):
        one.all(method)
    assert not any(map(is_running, pids))


def test_death_of_one_worker_does_not_wait_for_the_other() -> None:
    with Pool(2, Worker) as pool:
        pids = pool.pids()
        pool.send(0, "sleep")
        pool.send(1, "sleep")
        os.kill(pids[1], signal.SIGKILL)
        with pytest.raises(WorkerFailed, match="worker 1: the process ended by SIGKILL"):
            pool.receive()
    assert not any(map(is_running, pids))


def test_request_to_a_dead_worker_fails(one: Pool) -> None:
    os.kill(one.pids()[0], signal.SIGKILL)
    with pytest.raises(WorkerFailed, match="worker 0: the process ended by SIGKILL"):
        one.all("said", 1)


def test_object_that_cannot_be_made_fails_the_pool() -> None:
    with pytest.raises(Unsupported, match=r"^nothing to hold$"):
        Pool(2, Worker, None, True)


def test_pool_that_is_forgotten_ends_its_workers() -> None:
    pool = Pool(1, Worker)
    (pid,) = pool.pids()
    del pool
    gc.collect()
    assert not is_running(pid)


def test_cpu_time_is_that_of_the_workers(pool: Pool) -> None:
    before = pool.cpu_s()
    pool.all("busy", 0.1)
    assert pool.cpu_s() - before >= 0.2


def test_workers_import_nothing_that_the_parent_imported(pool: Pool) -> None:
    import pyarrow  # noqa: F401

    assert "pytest" not in pool.all("modules")[0]


HOLDER = """
import time
from platebench.timing.pool import Pool
from tests.timing.pool_workers import Worker
pool = Pool(1, Worker)
pool.send(0, "sleep")
print(*pool.pids(), flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_workers_end_with_a_process_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    for _ in range(200):
        if not is_running(pid):
            return
        time.sleep(0.05)
    pytest.fail(f"worker {pid} still runs")
