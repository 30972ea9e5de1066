"""asv's clock, with a second hand for CPU time.

asv takes a `timer` from a benchmark class and reads it just before and just after the timed line.
This one also notes the CPU time of the process, all its threads and the children it waited for,
over exactly the same span, so that a library with its own thread pool cannot pass for a frugal one.
"""

from __future__ import annotations

import resource
import time


class Clock:
    """Reads wall time in seconds; every second reading closes a span that is kept."""

    def __init__(self) -> None:
        self.wall_s: list[float] = []
        self.cpu_s: list[float] = []
        self._started: tuple[float, float] | None = None

    def __call__(self) -> float:
        """Return the wall time, reading the CPU time outside the span that wall time bounds."""
        if self._started is None:
            cpu = _cpu_time()
            wall = time.perf_counter()
            self._started = (wall, cpu)
            return wall
        wall = time.perf_counter()
        cpu = _cpu_time()
        started_wall, started_cpu = self._started
        self._started = None
        self.wall_s.append(wall - started_wall)
        self.cpu_s.append(cpu - started_cpu)
        return wall


def _cpu_time() -> float:
    """Return CPU seconds; the kernel counts a process's own in nanoseconds, children's in us."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
