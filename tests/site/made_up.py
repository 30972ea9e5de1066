"""A made-up reference run: every store, several image sets, several rounds."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from platebench.results.measurement import Measurement
from platebench.results.operations import OPERATIONS, measured_once
from platebench.results.records import RecordFile
from platebench.stores import registry
from tests.results.made_up_runs import PIXEL_BYTES, ok, run_file

TAKES = [(rows, handle) for rows in ("1", "16 scattered") for handle in ("reopened", "kept")]
CLASSES = {
    "append": "Append",
    "grow": "Grow",
    "list": "ListVersions",
    "open": "OpenVersion",
    "restore": "Restore",
    "prune": "Prune",
}
TABLES = {
    "ReadColumns": "column",
    "FilterRows": "filter",
    "ColdImagesWhere": "images_where",
    "ColdJoin": "join",
    "AppendRows": "append_rows",
}


def reference(
    results: Path,
    machine: str = "bench-pc",
    image_sets: Sequence[str] = ("raw-2", "raw-32", "raw-128", "ic-128"),
    rounds: int = 3,
    stores: Sequence[str] | None = None,
    changed: Sequence[Measurement] = (),
) -> RecordFile:
    """Write a run of all operations; runs in `changed` replace those of their cells."""
    other = {run.cell: run for run in changed}
    every = stores or list(map(str, registry.names()))
    passes = []
    for number in range(rounds):
        chance = random.Random(number)
        runs = [run for images in image_sets for run in _round(images, every, chance)]
        passes.append([other.get(run.cell, run) for run in runs])
    file = run_file(results, *passes, machine=machine, images=list(image_sets))
    facts = {"machine": machine, "os": "Linux 6", "cpu": "a processor", "num_cpu": "4"}
    (file.file.parent / "machine.json").write_text(json.dumps(facts))
    file.finish()
    return file


def _round(images: str, stores: Sequence[str], chance: random.Random) -> Iterator[Measurement]:
    for place, store in enumerate(stores):
        for benchmark, share, *details in _operations(store):
            yield _run(benchmark, share, details, store, place, images, chance)


def _operations(store: str) -> Iterator[tuple]:
    yield "write.Write.time_write", 3.0
    for cache in ("", "Cold"):
        yield f"full_scan.{cache}FullScan.time_scan", 1.0
        yield f"read_table.{cache}ReadTable.time_table", 0.1
    for rows, handle in TAKES:
        yield "random_rows.RandomRows.time_take", 0.1 if rows == "1" else 0.5, rows, handle
    yield "random_rows.ColdRandomRows.time_take", 1.5, "16 scattered"
    for name, verb in TABLES.items():
        yield f"tables.{name}.time_{verb}", 0.2, "10,000 objects"
    yield "first_image.FirstImage.time_first", 2.0
    for verb, name in CLASSES.items():
        if not measured_once(OPERATIONS[name].name, store):
            yield f"versions.{name}.time_{verb}", 0.3


def _run(
    benchmark: str, share: float, details: Sequence[str], store: str, place: int, images: str,
    chance: random.Random,
) -> Measurement:  # fmt: skip
    count = int(images.partition("-")[2])
    pixels = count * PIXEL_BYTES
    seconds = 0.0004 + 1e-4 * count * share * (1 + place / 3)
    noted = {
        "set_images": count,
        "set_pixel_bytes": pixels,
        "images": count,
        "pixel_bytes": pixels,
        "stored_bytes": int(pixels * (0.35 + place % 3 / 3)),
    }
    if benchmark.startswith("versions.Grow"):
        noted["version_bytes"] = [int(pixels * (1 + step / 10)) for step in range(21)]
    samples = [seconds * math.exp(chance.gauss(0, 0.05)) for _ in range(3)]
    return ok(samples, store, benchmark, images, tuple(details), **noted)
