"""Peak memory of one operation inside a process, on Linux.

`ru_maxrss` covers the whole life of a process, with its set-up. Writing 5 to
`/proc/self/clear_refs` resets the high-water mark (VmHWM). The mark afterwards, minus the resident
memory before, is the operation's peak.

The mark also counts pages of mapped files. They belong to the page cache, and the kernel drops them
when memory is short. The kernel does not tell how many there were at the peak. So there are two
estimates, and the larger one is reported. Neither exceeds the true peak of the operation's own
memory:

- the mark minus the largest number of mapped pages in any sample,
- the largest memory without mapped pages in any sample.

The process samples itself whenever an image arrives, when it holds the most.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")

T = TypeVar("T")


class PeakMemory:
    """Measures from its creation until `bytes` is read. Without /proc `bytes` is None."""

    def __init__(self) -> None:
        self._has_proc = _CLEAR.exists()
        if self._has_proc:
            _give_back()
            _CLEAR.write_text("5")
            self._before = _status()
            self._most_mapped = self._before["RssFile"]
            self._most_own = _own(self._before)

    def sample(self) -> None:
        """Take a sample of the memory in use."""
        if self._has_proc:
            now = _status()
            self._most_mapped = max(self._most_mapped, now["RssFile"])
            self._most_own = max(self._most_own, _own(now))

    def watching(self, arriving: Iterable[T]) -> Iterator[T]:
        """Yield every item, and take a sample when it arrives."""
        for each in arriving:
            self.sample()
            yield each

    @property
    def bytes(self) -> int | None:
        """Peak of the memory added since creation, in bytes."""
        if not self._has_proc:
            return None
        self.sample()
        mapped = self._most_mapped - self._before["RssFile"]
        by_mark = _status()["VmHWM"] - self._before["VmRSS"] - mapped
        return max(0, by_mark, self._most_own - _own(self._before))


def _give_back() -> None:
    """Return free memory of the allocators to the kernel.

    An operation that reused it would seem to need less.
    """
    gc.collect()
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def _own(status: dict[str, int]) -> int:
    return status["VmRSS"] - status["RssFile"]


def _status() -> dict[str, int]:
    wanted = ("VmHWM", "VmRSS", "RssFile")
    fields = (line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return {name: int(value.split()[0]) * 1024 for name, value in fields if name in wanted}
