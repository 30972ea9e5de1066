"""Peak memory of one operation inside a process, on Linux.

`ru_maxrss` counts the whole life of a process, its set-up included. Writing 5 to
`/proc/self/clear_refs` resets the high-water mark (VmHWM), so that the mark afterwards, less what
was resident before, is the operation's own.

The mark also counts pages of files that the operation maps, which are the page cache's: the
kernel drops them when it needs the room. It does not say how many there were at the peak, so two
figures are formed, neither of which can be above the true peak of the operation's own memory, and
the larger is taken: the mark less the most mapped pages ever seen, and the most memory of its own
seen at any look. The process looks whenever an image arrives, which is when it holds the most.
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
    """Measures from when it is made until `bytes` is read. Does nothing where there is no /proc."""

    def __init__(self) -> None:
        self._can = _CLEAR.exists()
        if self._can:
            _give_back()
            _CLEAR.write_text("5")
            self._before = _status()
            self._most_mapped = self._before["RssFile"]
            self._most_own = _own(self._before)

    def look(self) -> None:
        """Note how much there is now."""
        if self._can:
            now = _status()
            self._most_mapped = max(self._most_mapped, now["RssFile"])
            self._most_own = max(self._most_own, _own(now))

    def watching(self, arriving: Iterable[T]) -> Iterator[T]:
        """Pass everything on, and look each time something arrives."""
        for each in arriving:
            self.look()
            yield each

    @property
    def bytes(self) -> int | None:
        """The peak of the memory added since the beginning, in bytes."""
        if not self._can:
            return None
        self.look()
        mapped = self._most_mapped - self._before["RssFile"]
        by_mark = _status()["VmHWM"] - self._before["VmRSS"] - mapped
        return max(0, by_mark, self._most_own - _own(self._before))


def _give_back() -> None:
    """Return to the kernel what allocators keep, or the operation would seem to need less."""
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
