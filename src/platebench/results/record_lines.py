"""Check the lines of a run's file.

All reading of results goes through here. Later code can rely on types, on finite numbers, and on a
failed cell having no times. Unknown keys stay in the record and are ignored: a newer version may
have written them. `old_records` corrects what earlier versions recorded differently.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast, get_args

from platebench.results.measurement import CellName, Measurement, Status, kind_of
from platebench.results.old_records import status_of
from platebench.results.operations import OPERATIONS
from platebench.results.strict_json import (
    Damaged,
    count_of,
    loads_object,
    numbers_of,
    object_of,
    text_of,
    texts_of,
)

SHORTEST_S, LONGEST_S = 1e-9, 1e7
"""Limits of a sample, a clock's tick and 115 days. They keep intervals of ratios finite."""

_MOST_ROUNDS = 1_000_000
_COUNTS = (
    *("set_images", "set_pixel_bytes", "images", "pixel_bytes"),
    *("set_table_bytes", "table_rows", "table_bytes"),
    *("peak_bytes", "stored_bytes", "stored_files", "freed_bytes"),
    "fetched_bytes",
)
_SECONDS = ("first_batch_s", "start_s", "take_p50_s", "take_p99_s")
_LONGEST_NAME = 200
"""Limit of a machine's name in bytes, with room for `machine-` and `.html`."""


@dataclass(frozen=True)
class Header:
    """The checked first line of a file, with the fields of `RunInfo`."""

    fields: dict[str, Any]


@dataclass(frozen=True)
class CellLine:
    """One cell in one round; `run` is None for a cell that this version does not know."""

    round: int
    name: str
    run: Measurement | None
    group: int | None = None


def is_plain_name(name: str) -> bool:
    """Return True if a machine's name can be the name of a folder and of a page."""
    return (
        name.isprintable()
        and "/" not in name
        and not name.startswith(".")
        and 0 < len(name.encode()) <= _LONGEST_NAME
    )


_STORE = re.compile(r"[^:\s]+:[^:\s]+:[^:\s]+")


def read_header(line: bytes, folder: str) -> Header:
    """Parse the first line of a file in the folder of this name.

    Raises Damaged for a line that no run writes.
    """
    read = loads_object(line)
    libraries = object_of(read, "libraries")
    if not all(isinstance(version, str) for version in libraries.values()):
        raise Damaged("libraries have a version that is not a text")
    machine = text_of(read, "machine")
    if not is_plain_name(machine) or machine != folder:
        raise Damaged("machine is not the name of the folder")
    return Header(
        {
            "started": _moment(read, "started"),
            "commit": text_of(read, "commit"),
            "machine": machine,
            "python": text_of(read, "python"),
            "libraries": libraries,
            "images": texts_of(read, "images"),
            "settings": object_of(read, "settings") if "settings" in read else {},
            "machine_facts": _facts(read.get("machine_facts")),
            "newest": _versions(read.get("newest")),
        }
    )


def read_line(line: bytes) -> CellLine | None:
    """Parse a cell's line; return None for the line that marks the end of a finished run.

    A failed or skipped cell has no samples and no times, even if its process noted some. Raises
    Damaged for a line that no run writes.
    """
    read = loads_object(line)
    if "cell" not in read:
        _moment(read, "finished")
        return None
    number = count_of(read.get("round"), "round", 1)
    if number > _MOST_ROUNDS:
        raise Damaged(f"round is above {_MOST_ROUNDS:,}")
    group = None if read.get("group") is None else count_of(read["group"], "group", 1)
    status = text_of(read, "status")
    if status not in get_args(Status):
        raise Damaged("status is none of ok, failed and skipped")
    message = text_of(read, "message")
    samples = numbers_of(read, "samples_s", SHORTEST_S, LONGEST_S) if status == "ok" else []
    if status == "ok" and not samples:
        raise Damaged("samples_s is empty")
    noted = _noted(object_of(read, "record"), len(samples))
    started = _moment(read, "started")
    name, cell = _cell(object_of(read, "cell"))
    if cell is None:
        return CellLine(number, name, None)
    run = Measurement(
        cell=cell,
        status=status_of(cast(Status, status), message),
        message=message,
        started=started,
        samples_s=samples,
        record=noted,
    )
    return CellLine(number, name, run, group)


def _facts(read: object) -> dict[str, Any] | None:
    """Return facts of the machine; None for anything else, since no figure depends on them."""
    return read if isinstance(read, dict) else None


def _versions(read: object) -> dict[str, str] | None:
    """Return the versions that are text; None for anything but an object."""
    if not isinstance(read, dict):
        return None
    return {name: version for name, version in read.items() if isinstance(version, str)}


def _cell(read: dict[str, Any]) -> tuple[str, CellName | None]:
    """Return the cell's name as text; and the cell, if its operation and a store are known."""
    benchmark = text_of(read, "benchmark")
    if benchmark.count(".") < 1:
        raise Damaged("benchmark is not a class and its method")
    params = texts_of(read, "params")
    known = kind_of(benchmark) in OPERATIONS and len(params) > 1 and _STORE.fullmatch(params[0])
    cell = CellName.from_params(benchmark, params) if known else None
    return f"{benchmark}({', '.join(params)})", cell


def _noted(read: dict[str, Any], samples: int) -> dict[str, Any]:
    """Return a process's notes, checked; sample times only if each sample has one."""
    noted = dict(read)
    for key in _COUNTS:
        if noted.get(key) is not None:
            count_of(noted[key], key)
    for key in _SECONDS:
        if noted.get(key) is not None:
            numbers_of({key: [noted[key]]}, key, 0, LONGEST_S)
    if noted.get("way") is not None:
        text_of(noted, "way")
    if noted.get("version_bytes") is not None:
        numbers_of(noted, "version_bytes", 1, math.inf)
    for key in ("wall_s", "cpu_s"):
        times = noted.pop(key, None)
        if samples and times is not None and len(numbers_of(read, key, 0, LONGEST_S)) == samples:
            noted[key] = times
    return noted


def _moment(read: dict[str, Any], key: str) -> str:
    """Return a time in ISO 8601 with its offset, so that times can be compared."""
    said = text_of(read, key)
    try:
        moment = datetime.fromisoformat(said)
    except ValueError as error:
        raise Damaged(f"{key} is not a time in ISO 8601") from error
    if moment.tzinfo is None or not 1970 <= moment.year < 9999:
        raise Damaged(f"{key} is not a time with a UTC offset, after 1969")
    return said
