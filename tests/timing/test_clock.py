"""The clock measures wall and CPU time of the samples only."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from platebench.timing import clock as clocks
from platebench.timing.clock import Clock


def work(seconds: float) -> None:
    """Keep one core busy for this many CPU seconds."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_two_readings_make_a_span() -> None:
    clock = Clock()
    readings = [clock() for _ in range(6)]
    assert clock.wall_s == [readings[at + 1] - readings[at] for at in (0, 2, 4)]
    assert len(clock.cpu_s) == 3


def test_work_between_spans_is_not_counted() -> None:
    clock = Clock()
    clock()
    clock()
    work(0.3)
    clock()
    clock()
    assert sum(clock.cpu_s) < 0.2
    assert len(clock.wall_s) == 2


def test_work_in_a_span_is_counted_in_that_span() -> None:
    clock = Clock()
    for seconds in (0.0, 0.3):
        clock()
        work(seconds)
        clock()
    assert clock.cpu_s[0] < 0.2
    assert clock.cpu_s[1] >= 0.3


def test_sleep_uses_no_cpu_time() -> None:
    clock = Clock()
    clock()
    time.sleep(0.3)
    clock()
    assert clock.wall_s[0] >= 0.3
    assert clock.cpu_s[0] < 0.2


def test_work_of_other_threads_is_counted() -> None:
    clock = Clock()
    with ThreadPoolExecutor(2) as pool:
        clock()
        list(pool.map(work, [0.2, 0.2]))
        clock()
    assert clock.cpu_s[0] >= 0.4


@pytest.mark.parametrize("share", [0.1, 0.25, 3.0])
def test_slowed_span_is_longer_by_the_share(share: float, monkeypatch) -> None:
    now = 100.0

    class Time:
        """Advances by a hundredth of a second whenever it is read."""

        @staticmethod
        def perf_counter() -> float:
            nonlocal now
            now += 0.01
            return now

        process_time = perf_counter

    monkeypatch.setattr(clocks, "time", Time)
    clock = Clock(slowdown=share)
    for _ in range(2):
        clock()
        now += 50.0
        clock()
    assert clock.wall_s == [pytest.approx(50.0 * (1 + share), rel=0.01)] * 2
