"""The base class of benchmark classes whose operation is done by worker processes.

They are started and open the store while the cell is set up, as the persistent workers of a
training are; so they are warm in every sample. CPU time is that of all processes, and so is peak
memory: the sum of their peaks, which need not be at the same moment.
"""

from __future__ import annotations

import time
from typing import Any

from platebench.errors import Mismatch
from platebench.timing.cell import Cell
from platebench.timing.pool import Pool


class WorkerCell(Cell):
    """One operation by a pool of workers, whose object is a `reading_workers.Worker`."""

    pool: Pool

    def start(self, workers: int, make: type[Any], *arguments: Any) -> None:
        """Start the workers; each makes its object from the store, its path and `arguments`."""
        self.started_at = time.perf_counter()
        self.pool = Pool(workers, make, self.store, self.path, *arguments)
        self.timer.others = self.pool.cpu_s

    def elapsed(self) -> float:
        """Return the seconds since the workers were started."""
        return time.perf_counter() - self.started_at

    @property
    def has_failed(self) -> bool:
        """True if a worker ended or raised. The sample has told why; there is nothing to check."""
        return len(self.pool) == 0

    def _peak_of_operation(self) -> int | None:
        self.pool.all("watch")
        self.operation()
        peaks = self.pool.all("peak")
        return None if None in peaks else sum(peaks)


def workers_in(detail: str) -> int:
    """Return the number in a detail such as `2 workers`."""
    return int(detail.split(maxsplit=1)[0])


def check_bytes(found: int, expected: int) -> None:
    """Raise Mismatch unless all bytes arrived."""
    if found != expected:
        raise Mismatch(f"{found} of {expected} bytes were copied out")
