"""CPU time is that of the samples, and of nothing between them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from platebench.timing.clock import Clock


def work(seconds: float) -> None:
    """Keep one core busy for so much CPU time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_each_pair_of_readings_is_one_span() -> None:
    clock = Clock()
    readings = [clock() for _ in range(6)]
    assert clock.wall_s == [readings[at + 1] - readings[at] for at in (0, 2, 4)]
    assert len(clock.cpu_s) == 3


def test_work_between_spans_is_in_none() -> None:
    clock = Clock()
    clock()
    clock()
    work(0.3)
    clock()
    clock()
    assert sum(clock.cpu_s) < 0.2
    assert len(clock.wall_s) == 2


def test_work_of_a_span_is_in_that_span() -> None:
    clock = Clock()
    for seconds in (0.0, 0.3):
        clock()
        work(seconds)
        clock()
    assert clock.cpu_s[0] < 0.2
    assert clock.cpu_s[1] >= 0.3


def test_waiting_costs_no_cpu_time() -> None:
    clock = Clock()
    clock()
    time.sleep(0.3)
    clock()
    assert clock.wall_s[0] >= 0.3
    assert clock.cpu_s[0] < 0.2


def test_the_work_of_other_threads_counts() -> None:
    clock = Clock()
    with ThreadPoolExecutor(2) as pool:
        clock()
        list(pool.map(work, [0.2, 0.2]))
        clock()
    assert clock.cpu_s[0] >= 0.4
