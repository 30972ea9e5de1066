"""Suites that replace asv's processes; the test chooses how long each cell takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platebench.results.commit import Commit
from platebench.results.measurement import CellName, Measurement
from platebench.running.arms import Arm
from platebench.running.groups import Group
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR
from platebench.timing.protocol import WORK
from tests.results.made_up_runs import IPC, SCAN, WRITE, ok

ZARR = StoreName.parse("zarr:tensor:fast")
Measured = tuple[str, CellName]
Answer = Callable[[CellName, int], Measurement]
"""The result of a cell, given how often it was measured before."""


def steady(cell: CellName, count: int) -> Measurement:
    """Return one millisecond, slightly more each time."""
    return ok([0.001 * (1 + count % 3 / 1000)], cell.store, cell.benchmark)


def taking(seconds: float) -> Answer:
    """Return an answer of this many seconds, slightly more each time."""
    return lambda cell, count: ok([seconds * (1 + count % 3 / 1000)], cell.store, cell.benchmark)


def stopping_after(count: int, log: list[Measured], answer: Answer = steady) -> Answer:
    """Answer until `log` has more than `count` entries, then raise KeyboardInterrupt."""

    def stops(asked: CellName, times: int) -> Measurement:
        if len(log) > count:
            raise KeyboardInterrupt
        return answer(asked, times)

    return stops


def cell(benchmark: str = SCAN, store: StoreName = IPC) -> CellName:
    return CellName(benchmark, store, "raw-64")


@dataclass
class MadeUpSuite:
    """A suite that returns `answer`, and records in `log` the suite and the cell."""

    name: str
    log: list[Measured]
    answer: Answer = steady
    versions: dict[str, str] = field(default_factory=dict)
    stores: Sequence[StoreName] = (FLOOR, IPC, ZARR)
    kinds: Sequence[str] = (SCAN, WRITE)
    repeats: list[object] = field(default_factory=list)

    @property
    def benchmarks(self) -> dict[str, dict[str, object]]:
        return {
            kind: {
                "name": kind,
                "type": "time",
                "version": self.versions.get(kind, "1"),
                "unit": "seconds",
                "params": [[repr(str(store)) for store in self.stores], ["'raw-64'"]],
                "param_names": ["store", "images"],
            }
            for kind in self.kinds
        }

    def cells(self) -> list[CellName]:
        return [cell(kind, store) for kind in self.kinds for store in self.stores]

    def run(self, which: CellName, repeat: Sequence[float] | None = None) -> Measurement:
        count = self.log.count((self.name, which))
        self.log.append((self.name, which))
        self.repeats.append(repeat)
        return self.answer(which, count)


def made_up_arm(
    name: str, work: Path, commit: str, changed: bool = False, numpy: str = "2.4.2"
) -> Arm:
    folder = work / name.replace("/", "_")
    turns = folder / "src" / "platebench" / "timing" / "turns.py"
    turns.parent.mkdir(parents=True, exist_ok=True)
    turns.touch()
    return Arm(
        name,
        Commit(commit, 1_772_000_000_000, changed),
        folder,
        Path("python"),
        "3.11.7",
        {"numpy": numpy},
        {WORK: str(folder)},
    )


class Silent:
    """A watcher that records its calls."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.shown: list[tuple[int, int]] = []
        self.facts: list[Mapping[str, Any]] = []

    def starts(self, facts: Mapping[str, Any]) -> None:
        self.facts.append(facts)

    def preparing(self, what: str, done: int, total: int) -> None:
        """Do nothing."""

    def begins(self, number: int, cells: int, cell: CellName) -> None:
        self.shown.append((number, cells))

    def measures(self, number: int, groups: int, group: Group) -> None:
        self.shown.append((number, groups))

    def ended(self, run: Measurement) -> None:
        """Do nothing."""

    def says(self, line: str) -> None:
        self.said.append(line)
