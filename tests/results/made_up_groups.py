"""Runs of stores that take turns in groups, on a simulated machine."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from platebench.results.measurement import CellName
from platebench.results.ratios import RUN_SHIFT
from platebench.results.records import Record
from platebench.results.tidy import CellResult, cells_of
from platebench.running.groups import groups_of
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, REFERENCES
from tests.results.made_up_runs import INFO, ok

BENCHMARKS = {
    "full_scan.FullScan.time_scan": "warm",
    "full_scan.ColdFullScan.time_scan": "cold",
}
STORES = [*REFERENCES, *(StoreName("made-up", "pixels", f"t{number}") for number in range(10))]


@dataclass(frozen=True)
class GroupedMachine:
    """The noise of a machine, as standard deviations of natural logarithms.

    `process` is that of one process, `unlike` how much it differs from cell to cell. `moment` is
    what all processes of a turn share, `sample` is that of one sample, `hour` what a group shares.
    A whole run shifts every ratio by `RUN_SHIFT`. `ratios` are those of the stores to the floor.
    """

    process: float = 0.04
    unlike: float = 0.3
    moment: float = 0.3
    hour: float = 0.2
    sample: float = 0.05
    turns: int = 8
    ratios: dict[StoreName, float] = field(
        default_factory=lambda: {store: 1 + place / 4 for place, store in enumerate(STORES)}
    )

    def run(self, rounds: int, random: np.random.Generator) -> list[CellResult]:
        """Measure a run."""
        cells = [
            CellName(benchmark, store, "raw-64") for benchmark in BENCHMARKS for store in STORES
        ]
        unlike = np.random.default_rng(0)  # a cell is as noisy in every run
        noise = {cell: self.process * np.exp(unlike.normal(0, self.unlike)) for cell in cells}
        shift = {
            cell: random.normal(0, RUN_SHIFT[BENCHMARKS[cell.benchmark]] / np.sqrt(2))
            for cell in cells
        }
        records = []
        for number in range(1, rounds + 1):
            for group in groups_of(cells, number, most=10):
                moments = random.normal(0, self.hour) + random.normal(0, self.moment, self.turns)
                for cell in group.cells:
                    log = np.log(self.ratios[cell.store]) + shift[cell]
                    log += random.normal(0, noise[cell])
                    logs = log + moments + random.normal(0, self.sample, self.turns)
                    seconds = (0.06 * np.exp(logs)).tolist()
                    run = ok(seconds, cell.store, cell.benchmark)
                    records.append(Record(number, run, group.number))
        return cells_of(INFO, records)


def of_store(cells: list[CellResult], store: StoreName = FLOOR) -> CellResult:
    """Return the first cell of a store."""
    return next(cell for cell in cells if cell.store == store)
