"""Results in asv's own files, for `asv show`, `asv compare` and `asv publish`."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

import asv.results
import asv.runner
import asv.util

from platebench.atomic_files import write_whole
from platebench.drafts import Lent, sweep
from platebench.errors import UserError
from platebench.results.commit import Commit
from platebench.results.records import Record, RecordFile, RunInfo
from platebench.results.strict_json import (
    Damaged,
    content_of,
    count_of,
    loads_object,
    object_of,
    text_of,
)
from platebench.results.telling import Say, say_once

_DRAFTS = "asv"
"""The folder in which asv's files are written before they are moved to their places."""


def write_asv_results(
    results: Path,
    machine: Mapping[str, str],
    benchmarks: Mapping[str, Mapping[str, Any]],
    commit: Commit,
    files: Sequence[RecordFile],
    say: Say = say_once,
) -> Path:
    """Write the pooled samples of the runs in `files` as asv's file of their commit.

    The runs share a commit and library versions. The file's name has a digest of the versions,
    since asv's own name for an existing environment is the interpreter's path. Parameters without a
    measurement are NaN, which asv shows as n/a; a failed cell is null. An existing file that asv
    did not write, or a damaged one, is kept, and `say` gets a message.
    """
    info = files[-1].info()
    records = [record for file in files for record in file.records()]
    params = {key: str(value) for key, value in machine.items()} | {"python": info.python}
    stored = asv.results.Results(
        params, {}, commit.hash, commit.date_ms, info.python, environment_name(info), {}
    )
    known = _with_all_image_sets(benchmarks, records)
    for name, benchmark in known.items():
        mine = [record for record in records if record.run.cell.benchmark == name]
        if mine:
            stored.add_result(
                benchmark,
                _pooled(benchmark["params"], mine),
                started_at=datetime.fromisoformat(mine[0].run.started),
                record_samples=True,
            )
    sweep(results, _DRAFTS)
    with Lent.below(results, _DRAFTS) as lent:
        drafts = lent.path
        asv.util.write_json(str(drafts / info.machine / "machine.json"), dict(machine), 1)
        asv.util.write_json(str(drafts / "benchmarks.json"), known, 2)
        stored.save(str(drafts))
        for draft in sorted(drafts.rglob("*.json")):
            _put(draft, results / draft.relative_to(drafts), say)
    return results / info.machine / f"{commit.hash[:8]}-{environment_name(info)}.json"


def read_asv_file(file: Path) -> dict[str, Any]:
    """Return one of asv's three kinds of files: machine.json, benchmarks.json, HASH-env.json.

    Raises Damaged for content that asv does not write, FileNotFoundError without a file.
    """
    read = loads_object(content_of(file), constants=True)
    count_of(read.get("version"), "version")
    if file.name == "machine.json":
        text_of(read, "machine")
    elif file.name == "benchmarks.json":
        for name in read.keys() - {"version"}:
            benchmark = object_of(read, name)
            if text_of(benchmark, "name") != name or not isinstance(benchmark.get("params"), list):
                raise Damaged(f"{name} has no name or no params")
    else:
        text_of(read, "commit_hash")
        text_of(object_of(read, "params"), "machine")
        object_of(read, "results")
    return read


def _put(draft: Path, target: Path, say: Say) -> None:
    """Move a draft to its place, unless the file there was not written by asv."""
    try:
        if target.is_symlink() or target.exists():
            read_asv_file(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, draft.read_bytes())
    except (Damaged, FileNotFoundError) as reason:
        said = "is a link to nothing" if isinstance(reason, FileNotFoundError) else reason
        say(f"{target}: {said}; it is kept, and asv's file is not written; move it")
    except UserError as reason:
        say(f"{reason}; asv's file is not written")


def environment_name(info: RunInfo) -> str:
    """Return a name for the interpreter and the libraries, without a path."""
    versions = json.dumps([info.python, sorted(info.libraries.items())])
    return f"py{info.python}-{hashlib.sha256(versions.encode()).hexdigest()[:8]}"


def _with_all_image_sets(
    benchmarks: Mapping[str, Mapping[str, Any]], records: Sequence[Record]
) -> dict[str, dict[str, Any]]:
    """Return the benchmarks with all measured image sets among their parameters."""
    found = sorted({repr(record.run.cell.images) for record in records})
    known = {name: dict(benchmark) for name, benchmark in benchmarks.items()}
    for benchmark in known.values():
        if len(benchmark["params"]) > 1:
            stores, _, *others = benchmark["params"]
            benchmark["params"] = [stores, found, *others]
    return known


def _pooled(params: Sequence[Sequence[str]], records: Sequence[Record]) -> Any:
    samples: dict[tuple[str, ...], list[float]] = defaultdict(list)
    failed: set[tuple[str, ...]] = set()
    for record in records:
        key = tuple(repr(value) for value in record.run.cell.params)
        samples[key] += record.run.samples_s
        if record.run.status == "failed":
            failed.add(key)
    keys = list(product(*params))
    return asv.runner.BenchmarkResult(
        result=[_value(key, samples, failed) for key in keys],
        samples=[samples.get(key) or None for key in keys],
        number=[1 if samples.get(key) else None for key in keys],
        errcode=1 if failed else 0,
        stderr="",
        profile=None,
    )


def _value(
    key: tuple[str, ...],
    samples: Mapping[tuple[str, ...], list[float]],
    failed: set[tuple[str, ...]],
) -> float | None:
    if key in failed:
        return None
    return 1.0 if samples.get(key) else math.nan
