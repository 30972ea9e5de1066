"""Downloads: all samples of the run, and the cells of the report."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from platebench.results.operations import OPERATIONS
from platebench.results.records import Record
from platebench.results.report import as_csv, as_json
from platebench.site.published import Published
from platebench.site.section import Section, render

SAMPLES = pa.schema(
    [
        pa.field("machine", pa.string(), nullable=False),
        pa.field("commit", pa.string(), nullable=False),
        pa.field("started", pa.string(), nullable=False),
        pa.field("operation", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("cache", pa.string(), nullable=False),
        pa.field("store", pa.string(), nullable=False),
        pa.field("format", pa.string(), nullable=False),
        pa.field("layout", pa.string(), nullable=False),
        pa.field("tuning", pa.string(), nullable=False),
        pa.field("images", pa.string(), nullable=False),
        pa.field("round", pa.int32(), nullable=False),
        pa.field("sample", pa.int32(), nullable=False),
        pa.field("wall_s", pa.float64(), nullable=False),
        pa.field("cpu_s", pa.float64()),
    ]
)
"""A row per sample. `started` is the start of its process (ISO 8601, UTC), `images` the image set.
Rounds, and samples in a round, count from 1. `cpu_s` is of all threads.
"""


class Download(NamedTuple):
    """A file to download: its path in the site, its description, and its bytes."""

    path: str
    says: str
    content: bytes


def section(published: Published) -> Section:
    """Return the files, and links to them with their sizes."""
    offered = downloads(published)
    return Section(
        anchor="downloads",
        title="Downloads",
        html=render("downloads.html", offered=offered, columns=SAMPLES.names),
        files={each.path: each.content for each in offered},
    )


def downloads(published: Published) -> list[Download]:
    """Return the files of one machine's run, in a folder with the machine's name."""
    folder = f"data/{published.machine}"
    samples = sample_table(published)
    return [
        Download(f"{folder}/samples.parquet", "every sample, as Parquet", _parquet(samples)),
        Download(f"{folder}/samples.csv.gz", "every sample, as CSV in gzip", _csv(samples)),
        Download(f"{folder}/cells.csv", "every cell, as CSV", as_csv(published.cells).encode()),
        Download(f"{folder}/cells.json", "every cell, as JSON", as_json(published.cells).encode()),
    ]


def sample_table(published: Published) -> pa.Table:
    """Return every sample of the run as a row of `SAMPLES`, in the order of measuring."""
    rows = [row for record in published.records for row in _rows(published, record)]
    return pa.Table.from_pylist(rows, SAMPLES)


def _rows(published: Published, record: Record) -> list[dict[str, Any]]:
    run = record.run
    operation = OPERATIONS[run.cell.kind]
    cell = run.cell
    shared = {
        "machine": published.machine,
        "commit": published.info.commit,
        "started": run.started,
        "operation": operation.name,
        "detail": ", ".join(cell.details),
        "cache": operation.cache,
        "store": str(cell.store),
        "format": cell.store.format,
        "layout": cell.store.layout,
        "tuning": cell.store.tuning,
        "images": cell.images,
        "round": record.round,
    }
    cpu = run.record.get("cpu_s") or [None] * len(run.samples_s)
    return [
        {**shared, "sample": number, "wall_s": wall, "cpu_s": spent}
        for number, (wall, spent) in enumerate(zip(run.samples_s, cpu, strict=True), 1)
    ]


def _parquet(table: pa.Table) -> bytes:
    return _written(lambda sink: pq.write_table(table, sink, compression="zstd"))


def _csv(table: pa.Table) -> bytes:
    # mtime=0: otherwise gzip stores the time of writing, and equal samples give other bytes.
    return gzip.compress(_written(lambda sink: pa_csv.write_csv(table, sink)), mtime=0)


def _written(write: Callable[[io.BytesIO], None]) -> bytes:
    sink = io.BytesIO()
    write(sink)
    return sink.getvalue()
