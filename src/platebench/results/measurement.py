"""Cells by name, and what one process measured of one cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True)
class CellName:
    """A cell as asv names it: `full_scan.FullScan.time_scan` and the values of its parameters."""

    benchmark: str
    params: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.benchmark}({', '.join(self.params)})"

    @property
    def kind(self) -> str:
        """The benchmark class, the key of `OPERATIONS`."""
        return self.benchmark.split(".")[-2]


@dataclass(frozen=True)
class Run:
    """What one process measured of one cell.

    `record` has what the process noted besides asv's samples: CPU seconds per sample, peak memory,
    stored bytes and files.
    """

    cell: CellName
    status: Status
    message: str
    started: str
    samples_s: list[float]
    record: dict[str, Any] = field(default_factory=dict)
