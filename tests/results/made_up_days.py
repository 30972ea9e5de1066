"""Made-up histories: a file per day, with the libraries of that day."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from platebench.results.measurement import Measurement
from platebench.results.over_days import HISTORY, HistoryPlan
from platebench.results.records import Record, RecordFile
from platebench.stores.registry import FLOOR
from tests.results.made_up_runs import IPC, PIXEL_BYTES, SCAN, TAKE, WRITE, failed, ok, run_file

DAYS = ("2025-01-01", "2025-04-01", "2025-07-01")
LANCE = "lancedb:pixels:fast"
SCATTERED = ("16 scattered", "reopened")
OPERATIONS = ((WRITE, ()), (SCAN, ()), (TAKE, SCATTERED))


def day_file(
    results: Path,
    plan: HistoryPlan,
    day: str,
    factor: float = 1.0,
    stored: float = 1.0,
    wrong: str = "",
    finished: bool = True,
    machine: str = "bench-pc",
) -> RecordFile:
    """Write one day: LanceDB takes `factor` times as long as usual, or fails with `wrong`."""
    place = plan.days.index(day)
    file = run_file(
        results,
        machine=machine,
        started=f"{plan.begun[:-6]}{place}00007+00:00",
        images=[plan.images],
        libraries={"lancedb": f"0.{place}.0", "pylance": "1.0", "pyarrow": "20.0"},
        settings={HISTORY: plan.as_settings(), "arm": place, "as_of": day, "pins": []},
    )
    for number in range(1, plan.rounds + 1):
        for run in _round(plan.images, factor, stored, wrong, random.Random(f"{day} {number}")):
            file.append(Record(number, run, 1))
    if finished:
        file.finish()
    return file


def _round(
    images: str, factor: float, stored: float, wrong: str, chance: random.Random
) -> Sequence[Measurement]:
    found = []
    for benchmark, details in OPERATIONS:
        for store, times, size in ((FLOOR, 1.0, 1.0), (IPC, 2.0, 1.0), (LANCE, 3 * factor, stored)):
            if wrong and store == LANCE:
                found.append(failed(wrong, store, benchmark))
                continue
            samples = [0.001 * times * (1 + chance.uniform(-0.01, 0.01)) for _ in range(5)]
            noted = {"kind": "data", "stored_bytes": int(size * 64 * PIXEL_BYTES)}
            found.append(ok(samples, store, benchmark, images, details, **noted))
    return found


def plan(days: Sequence[str] = DAYS, begun: int = 1, anchor: str | None = None) -> HistoryPlan:
    return HistoryPlan(
        f"2026-03-0{begun}T10:20:30.000000", tuple(days), anchor, "raw-64", 6, "python<3.13"
    )
