"""Measure the reference run, which the published page shows: `platebench reference run`.

One batch of stores after another, each in all its rounds (`batches`). An interrupted run can be
resumed, and a finished one can be extended (`extending`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from platebench.errors import UserError
from platebench.limits import gigabytes
from platebench.results.operations import OPERATIONS
from platebench.results.plan import REFERENCE, RunPlan
from platebench.results.records import RecordFile, record_files
from platebench.running.batches import Batch, batches_of
from platebench.running.checkout import commit_of
from platebench.running.estimate import Size, cells_seconds, disk_bytes, rough_time, storing_seconds
from platebench.running.extending import (
    BENCHMARK_VERSIONS,
    PIECES,
    Earlier,
    earlier_of,
    first_records,
    run_to_extend,
)
from platebench.running.floor_choice import floor_choice
from platebench.running.groups import REFERENCE as SAMPLING
from platebench.running.groups import done_of, measured
from platebench.running.image_sets import image_sets
from platebench.running.machine_facts import machine_facts
from platebench.running.places import reference_results, shown
from platebench.running.run import keep_for_asv, recording, run_info, take_up
from platebench.running.suite import Suite
from platebench.running.turn_server import TurnServer
from platebench.running.watcher import Watcher
from platebench.stores.name import StoreName
from platebench.timing.protocol import WORK
from platebench.timing.workspace import Workspace, expected_bytes


@dataclass(frozen=True)
class How:
    """How a reference run is measured.

    `missing`: extend the newest reference run of this machine by what it lacks; `again`: leave out
    what it has of these stores and of the plan. `resume`: continue an interrupted run. `minutes`:
    begin no group after this time; `resume` goes on.
    """

    missing: bool = False
    resume: bool = False
    minutes: float | None = None
    again: Sequence[StoreName] = ()


def measure_reference(
    checkout: Path, results: Path, plan: RunPlan, how: How, watcher: Watcher
) -> RecordFile:
    """Measure the plan, or what is left of it, and return the record file.

    The file is finished unless the time was over first. Raises UserError if there is nothing to
    resume or to extend, or too little disk space.
    """
    workspace = Workspace.of(checkout)
    with workspace.measuring():
        return _measure(checkout, results, plan, how, workspace, watcher)


def tell_cost(batches: Sequence[Batch], room: Path, watcher: Watcher) -> None:
    """Say about how long what is left takes, and how much disk it needs at a time."""
    left = [batch for batch in batches if batch.left]
    pairs = [(batch, _size(batch.images)) for batch in left]
    seconds = sum(
        storing_seconds(len(batch.needs), size)
        + cells_seconds(
            (OPERATIONS[cell.kind].name for group in batch.left for cell in group.cells), size
        )
        for batch, size in pairs
    )
    most = max((disk_bytes(batch.stores_at_once, size) for batch, size in pairs), default=0)
    watcher.says(
        f"about {rough_time(seconds / 60)}, up to {gigabytes(most)} at a time in {shown(room)}"
        f"{'; --minutes 60 measures an hour of it' if seconds > 90 * 60 else ''}"
    )


def _size(images: str) -> Size:
    return Size(int(images.rpartition("-")[2]), expected_bytes(images))


def _measure(
    checkout: Path,
    results: Path,
    plan: RunPlan,
    how: How,
    workspace: Workspace,
    watcher: Watcher,
) -> RecordFile:
    commit = commit_of(checkout)
    floor = floor_choice(workspace.root)
    facts = machine_facts(workspace.root) | floor.facts
    make_info = partial(run_info, commit=commit, facts=facts)
    earlier = Earlier()
    if how.missing:
        kept = [*record_files(reference_results(checkout)), *record_files(results)]
        extended = run_to_extend(kept, make_info([], settings={}), how.resume)
        earlier = earlier_of(extended, how.again, plan)
        watcher.says(f"extends {shown(extended.file)}: {len(earlier.records)} of its records count")
    whole = earlier.with_parts(plan)
    watcher.preparing("finding the benchmarks", 0, 1)
    with TurnServer.open(SAMPLING) as turns:
        given = {WORK: str(workspace.root), **floor.variables, **turns.variables}
        suite = Suite(checkout, whole.image_sets, variables=given)
        every = suite.cells()
        versions = {
            name.split(".")[-2]: str(each["version"]) for name, each in suite.benchmarks.items()
        }
        earlier.require_versions(versions)
        pieces = {PIECES: list(earlier.pieces)} if earlier.pieces else {}
        settings = {REFERENCE: whole.as_settings(every), BENCHMARK_VERSIONS: versions, **pieces}
        info = make_info(whole.image_sets, settings=settings, check_newest=not how.resume)
        if how.resume:
            file = take_up(results, info)
            earlier = first_records(file, info)
        else:
            file = RecordFile.create(results, info)
            file.append_all(earlier.records)
        watcher.starts(facts)
        batches = batches_of(
            plan.parts,
            every,
            expected_bytes,
            done_of(file.records()),
            earlier.cells,
            earlier.last_group,
        )
        tell_cost(batches, workspace.root, watcher)
        with recording([file], watcher, "--resume goes on"):
            try:
                if _over(batches, suite, turns, workspace, file, how.minutes, watcher):
                    file.finish()
            finally:
                keep_for_asv(results, suite, commit, file)
    return file


def _over(
    batches: Sequence[Batch],
    suite: Suite,
    turns: TurnServer,
    workspace: Workspace,
    file: RecordFile,
    minutes: float | None,
    watcher: Watcher,
) -> bool:
    """Measure the batches; return False if the time was over before the last."""
    end = None if minutes is None else time.monotonic() + 60 * minutes
    total = sum(batch.groups for batch in batches)
    begun = total - sum(len(batch.left) for batch in batches)
    for batch in batches:
        _prepare(batch, workspace, watcher)
        for group in batch.left:
            if end is not None and time.monotonic() > end:
                watcher.says(
                    f"{begun} of {total} groups are measured and kept in {shown(file.file)};"
                    " --resume goes on"
                )
                return False
            begun += 1
            watcher.measures(begun, total, group)
            records = measured(group, suite, turns, expected_bytes(batch.images))
            file.append_all(records)
            for record in records:
                watcher.ended(record.run)
                if batch.no_longer_needs(record.run.cell.store):
                    workspace.remove_stored(record.run.cell.store, batch.images)
    return True


def _prepare(batch: Batch, workspace: Workspace, watcher: Watcher) -> None:
    """Make the images and check the disk space, unless nothing is left to measure."""
    if not batch.left:
        return
    (name,) = image_sets(workspace, [batch.images], watcher)
    pixels, stores = expected_bytes(name), batch.stores_at_once
    free = shutil.disk_usage(workspace.root).free
    if free < stores * pixels:
        raise UserError(
            f"{name}: {stores} copies of {pixels / 1e9:.1f} GB do not fit on the disk of"
            f" {workspace.root}, which has {free / 1e9:.1f} GB free; set PLATEBENCH_WORK"
            " to a folder on a larger disk, and continue with --resume"
        )
