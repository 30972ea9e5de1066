"""The source of one page: the newest run of one machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platebench.results.records import Record, RecordFile, RunInfo, record_files
from platebench.results.strict_json import read_object
from platebench.results.tidy import CellResult, cells_of


@dataclass(frozen=True)
class Published:
    """The newest run of one machine.

    `facts` are asv's of the machine: os, cpu, num_cpu, ram. `records` are those of the run, one
    per cell and round; `cells` are pooled over rounds. `finished` is True for a finished run.
    """

    machine: str
    facts: Mapping[str, Any]
    file: RecordFile
    info: RunInfo
    records: list[Record]
    cells: list[CellResult]
    finished: bool


def published(results: Path) -> list[Published]:
    """Return the newest run of each machine in `results`, the newest of all first.

    Records of a comparison or a self-check are not a run. A run without cells is left out.
    """
    newest = {info.machine: file for file in record_files(results) if (info := file.info()).is_run}
    found = [_published(file) for file in newest.values()]
    with_cells = [each for each in found if each.cells]
    return sorted(with_cells, key=lambda each: each.info.started, reverse=True)


def _published(file: RecordFile) -> Published:
    info = file.info()
    records = list(file.records())
    return Published(
        machine=info.machine,
        facts=machine_facts(file.file.parent / "machine.json"),
        file=file,
        info=info,
        records=records,
        cells=cells_of(info, records),
        finished=file.finished,
    )


def machine_facts(file: Path) -> dict[str, str]:
    """Return asv's facts of a machine; report a damaged file and return none."""
    read = read_object(file) or {}
    told = {key: str(value) for key, value in read.items() if isinstance(value, str | int)}
    return {key: value for key, value in told.items() if len(value) <= _LONGEST_FACT}


_LONGEST_FACT = 200
"""In characters; the longest fact of asv is the name of a processor."""
