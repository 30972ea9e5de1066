"""Peak memory is the memory that one operation adds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from platebench.timing.memory import PeakMemory

MB = 1_000_000

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc/self/clear_refs"
)


def in_a_new_process(lines: str) -> int:
    """Run a program of these lines in a process of its own and return the number it prints."""
    program = f"""
import mmap
import numpy as np
from platebench.timing.memory import PeakMemory
{lines}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_freed_allocation_is_counted() -> None:
    peak = in_a_new_process("""
peak = PeakMemory()
block = np.ones(80_000_000, np.uint8)
del block
print(peak.bytes)
""")
    # The kernel counts pages per processor and adds them up late: up to 2 MB may be missing.
    assert 77 * MB < peak < 85 * MB


def test_earlier_peak_is_not_counted() -> None:
    peak = in_a_new_process("""
block = np.ones(200_000_000, np.uint8)
del block
peak = PeakMemory()
block = np.ones(20_000_000, np.uint8)
del block
print(peak.bytes)
""")
    assert 19 * MB < peak < 25 * MB


def test_memory_from_before_is_not_counted() -> None:
    peak = in_a_new_process("""
kept = np.ones(100_000_000, np.uint8)
peak = PeakMemory()
total = int(kept.sum())
print(peak.bytes)
""")
    assert peak < 5 * MB


def test_pages_of_a_mapped_file_are_not_counted(tmp_path: Path) -> None:
    file = tmp_path / "mapped.bin"
    file.write_bytes(b"x" * 80 * MB)
    peak = in_a_new_process(f"""
peak = PeakMemory()
with open({str(file)!r}, "rb") as opened:
    mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
pages = np.frombuffer(mapped, np.uint8)
for part in peak.watching(np.array_split(pages, 80)):
    part[::4096].max()
print(peak.bytes)
""")
    assert peak < 8 * MB


def test_memory_beside_a_mapped_file_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "mapped.bin"
    file.write_bytes(b"x" * 80 * MB)
    peak = in_a_new_process(f"""
peak = PeakMemory()
with open({str(file)!r}, "rb") as opened:
    mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
pages = np.frombuffer(mapped, np.uint8)
def arriving():
    for part in np.array_split(pages, 8):
        yield part.repeat(4)
for copy in peak.watching(arriving()):
    copy.max()
del copy
print(peak.bytes)
""")
    assert 38 * MB < peak < 100 * MB


def test_second_measurement_starts_from_zero() -> None:
    peak = in_a_new_process("""
first = PeakMemory()
block = np.ones(80_000_000, np.uint8)
del block
first.bytes
second = PeakMemory()
print(second.bytes)
""")
    assert peak < 3 * MB


def test_watching_yields_items_one_at_a_time() -> None:
    asked: list[int] = []

    def counting():
        for number in range(3):
            asked.append(number)
            yield number

    watched = PeakMemory().watching(counting())
    assert next(watched) == 0
    assert asked == [0]
    assert list(watched) == [1, 2]


def test_without_proc_there_is_no_figure(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("platebench.timing.memory._CLEAR", tmp_path / "none")
    peak = PeakMemory()
    assert list(peak.watching([1])) == [1]
    assert peak.bytes is None
