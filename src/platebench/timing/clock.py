"""A timer for asv that also measures CPU time.

asv takes `timer` from a benchmark class and reads it just before and just after the timed method.
CPU time is that of the process, all its threads and the children it waited for, over the same span.
So a library that uses several threads does not look cheap.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable


class Clock:
    """Reads wall time in seconds. Every second reading ends a span, which is kept.

    With a `slowdown` it stays busy at the end of each span until the span is longer by that share:
    0.1 makes every sample 10% slower. `platebench selfcheck` asks for it.

    `others` returns the CPU seconds so far of processes that work for this one and are not waited
    for. They are counted too.
    """

    def __init__(self, slowdown: float = 0.0) -> None:
        self.wall_s: list[float] = []
        self.cpu_s: list[float] = []
        self.slowdown = slowdown
        self.others: Callable[[], float] = float
        self._started: tuple[float, float] | None = None

    def __call__(self) -> float:
        """Return the wall time. CPU time is read outside the span of wall time."""
        if self._started is None:
            cpu = self._cpu_time()
            wall = time.perf_counter()
            self._started = (wall, cpu)
            return wall
        if self.slowdown:
            _stay_busy(self._started[0], self.slowdown)
        wall = time.perf_counter()
        cpu = self._cpu_time()
        started_wall, started_cpu = self._started
        self._started = None
        self.wall_s.append(wall - started_wall)
        self.cpu_s.append(cpu - started_cpu)
        return wall

    def _cpu_time(self) -> float:
        return _cpu_time() + self.others()


def _stay_busy(started: float, share: float) -> None:
    """Use CPU time until the span that `started` is longer by `share`."""
    end = started + (time.perf_counter() - started) * (1 + share)
    while time.perf_counter() < end:
        pass


def _cpu_time() -> float:
    """Return CPU seconds. The kernel counts the process in nanoseconds and children in us."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
