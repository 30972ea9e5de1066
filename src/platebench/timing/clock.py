"""asv's clock, with a second hand for CPU time.

asv takes a `timer` from a benchmark class and reads it just before and just after the timed line.
This one also notes the CPU time of the process, all threads, over exactly the same span, so that
a library with its own thread pool cannot pass for a frugal one.
"""

from __future__ import annotations

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
            cpu = time.process_time()
            wall = time.perf_counter()
            self._started = (wall, cpu)
            return wall
        wall = time.perf_counter()
        cpu = time.process_time()
        started_wall, started_cpu = self._started
        self._started = None
        self.wall_s.append(wall - started_wall)
        self.cpu_s.append(cpu - started_cpu)
        return wall
