"""Peak memory of one operation inside a process, on Linux.

`ru_maxrss` counts the whole life of a process, its set-up included. Writing 5 to
`/proc/self/clear_refs` resets the high-water mark (VmHWM), so that the mark afterwards, less what
was resident before, is the operation's own. Pages of files that the operation mapped are the page
cache's and are taken off: the kernel drops them when it needs the room.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass
class Peak:
    """The peak of what was measured, in bytes; None until it is over or where it cannot be told."""

    bytes: int | None = None


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Measure the peak of the memory that the body adds to this process."""
    peak = Peak()
    if not _CLEAR.exists():
        yield peak
        return
    _CLEAR.write_text("5")
    before = _status()
    yield peak
    after = _status()
    mapped = max(0, after["RssFile"] - before["RssFile"])
    peak.bytes = max(0, after["VmHWM"] - before["VmRSS"] - mapped)


def _status() -> dict[str, int]:
    wanted = ("VmHWM", "VmRSS", "RssFile")
    fields = (line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return {name: int(value.split()[0]) * 1024 for name, value in fields if name in wanted}
