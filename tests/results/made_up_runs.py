"""Made-up records of runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from platebench.results.measurement import CellName, Measurement
from platebench.results.records import Record, RecordFile, RunInfo
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR

INFO = RunInfo(
    started="2026-03-01T10:20:30.000001+00:00",
    commit="0123456789abcdef0123456789abcdef01234567",
    machine="bench-pc",
    python="3.11.7",
    libraries={"numpy": "2.4.2", "pyarrow": "23.0.0"},
    images=["raw-64"],
    settings={"rounds": 1},
)
PIXEL_BYTES = 1024 * 1344
NOTED = {
    "set_images": 64,
    "set_pixel_bytes": 64 * PIXEL_BYTES,
    "images": 64,
    "pixel_bytes": 64 * PIXEL_BYTES,
    "stored_bytes": 32 * PIXEL_BYTES,
    "stored_files": 2,
    "peak_bytes": 3_000_000,
}
SCAN = "full_scan.FullScan.time_scan"
TAKE = "random_rows.RandomRows.time_take"
WRITE = "write.Write.time_write"
IPC = StoreName.parse("arrow-ipc:pixels:fast")


def ok(
    samples: list[float],
    store: str | StoreName = IPC,
    benchmark: str = SCAN,
    image_set: str = "raw-64",
    details: tuple[str, ...] = (),
    **noted: Any,
) -> Measurement:
    """A successful cell; its CPU time is twice its wall time."""
    times = {"wall_s": samples, "cpu_s": [2 * sample for sample in samples]}
    cell = CellName.from_params(benchmark, (str(store), image_set, *details))
    return Measurement(
        cell, "ok", "", "2026-03-01T10:20:31+00:00", samples, {**NOTED, **times, **noted}
    )


def floor(samples: list[float], **given: Any) -> Measurement:
    return ok(samples, FLOOR, **given)


def failed(message: str, store: str | StoreName = IPC, benchmark: str = SCAN) -> Measurement:
    return replace(ok([], store, benchmark), status="failed", message=message, record=dict(NOTED))


def skipped(message: str, store: str | StoreName = IPC, benchmark: str = SCAN) -> Measurement:
    return replace(ok([], store, benchmark), status="skipped", message=message, record={})


def run_file(results: Path, *rounds: list[Measurement], **changed: Any) -> RecordFile:
    """Write a run of these rounds."""
    file = RecordFile.create(results, replace(INFO, **changed))
    for number, runs in enumerate(rounds, 1):
        for run in runs:
            file.append(Record(number, run))
    return file
