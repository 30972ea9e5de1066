"""The plan and the run behind the published page: `platebench reference run`.

One image set after another, each in rounds over all its cells. A store's files are removed when no
cell needs them any more. An interrupted run can be resumed. The plan takes less than two hours on
four processors; what it leaves out for that is listed in the plan and on the page.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platebench.errors import UserError
from platebench.results.commit import Commit
from platebench.results.measurement import CellName
from platebench.results.plan import REFERENCE, PlanPart, RunPlan
from platebench.results.records import RecordFile
from platebench.running.checkout import commit_of
from platebench.running.floor_choice import floor_choice
from platebench.running.groups import (
    THOROUGH,
    Done,
    Group,
    done_of,
    groups_of,
    in_groups,
    left_of,
)
from platebench.running.image_sets import image_sets
from platebench.running.machine_facts import machine_facts
from platebench.running.run import keep_for_asv, recording, run_info, take_up
from platebench.running.settings import first_layouts, stores_to_measure
from platebench.running.suite import Suite
from platebench.running.turn_server import TurnServer
from platebench.running.watcher import Watcher
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, REFERENCES, TIFF_FOLDER
from platebench.timing.protocol import WORK
from platebench.timing.workspace import Workspace

ROUNDS = 8
ROUNDS_OF_SMALL = 6


def plan_part(
    images: str, stores: Sequence[StoreName], operations: Sequence[str], rounds: int = ROUNDS
) -> PlanPart:
    """Return some operations on some stores of one image set.

    `operations` are patterns of a benchmark class and its details, such as `RandomRows 1 *`.
    Parts of the same image set are measured in the same rounds.
    """
    return PlanPart((images,), tuple(stores), tuple(operations), rounds)


MAIN = ("Write", "FullScan", "RandomRows 16 scattered reopened")
MORE = (
    "ColdFullScan",
    "ColdRandomRows 16 scattered",
    "RandomRows 1 reopened",
    "FirstImage",
    "ReadTable",
    "Append",
    "ListVersions",
    "OpenVersion",
    "Restore",
    "Prune",
)
MORE_OF_SMALL = tuple(name for name in MORE if name not in ("FirstImage", "ReadTable"))
SCALING = ("Write", "FullScan")
ONE_A_FORMAT = (
    FLOOR,
    *map(
        StoreName.parse,
        ("parquet:pixels:fast", "arrow-ipc:pixels:fast", "lancedb:pixels:fast", "zarr:tensor:fast"),
    ),
    TIFF_FOLDER,
)
_LEFT_OUT = (
    "Of layouts other than each format's first, and of the tuning small: cold reads, single"
    " images, first images, the table and versions.",
    "Nested lists are measured on 32 images; 64 take them minutes.",
    "Handles kept open, 16 images in a run, and the table from the disk.",
    "Of 2, 32, 128 and 2,048 images: all but the main operations on one store a format; writing of"
    " 2,048.",
    "Of ic: all but reading everything, for size is what a black background changes.",
)
_LEFT_OUT_OF_SMALL = (
    "Each format's layouts other than its first, and sets of other sizes than 64 images.",
    "Of the tuning small: all but reading everything from the disk.",
    "First images, the table, handles kept open, 16 images in a run, and growth with versions.",
)


def small_plan() -> RunPlan:
    """Return what less than an hour has time for: one image set, each format's first layout."""
    firsts = [name for name in first_layouts() if name.tuning != "small"]
    smallest = [name for name in first_layouts() if name.tuning == "small"]
    parts = (
        plan_part("raw-64", firsts, (*MAIN, *MORE_OF_SMALL), ROUNDS_OF_SMALL),
        plan_part("raw-64", smallest, ("ColdFullScan",), ROUNDS_OF_SMALL),
    )
    return RunPlan(parts, _LEFT_OUT_OF_SMALL)


def full_plan() -> RunPlan:
    """Return what is measured, image set by image set, what matters most first."""
    every = stores_to_measure(["*"])
    asked = [name for name in first_layouts() if name.tuning != "small"]
    nested = [store for store in every if store.layout == "nested"]
    flat = [store for store in every if store not in nested]
    parts = (
        plan_part("raw-64", flat, MAIN),
        plan_part("raw-64", asked, MORE),
        plan_part("raw-128", ONE_A_FORMAT, MAIN),
        plan_part("raw-2048", ONE_A_FORMAT, MAIN[1:]),
        plan_part("ic-32", every, ("FullScan",)),
        plan_part("raw-16", asked, ("Grow",), rounds=3),
        plan_part("raw-32", ONE_A_FORMAT, SCALING),
        plan_part("raw-32", [*REFERENCES, *nested], MAIN),
        plan_part("raw-2", ONE_A_FORMAT, SCALING),
    )
    return RunPlan(parts, _LEFT_OUT)


def measure_reference(
    checkout: Path, results: Path, plan: RunPlan, resume: bool, watcher: Watcher
) -> RecordFile:
    """Measure the plan, or the rest of an interrupted run, and return the record file.

    Raises UserError if there is nothing to resume, or too little disk space.
    """
    commit = commit_of(checkout)
    workspace = Workspace.of(checkout)
    with workspace.measuring():
        return _measure(checkout, results, plan, resume, commit, workspace, watcher)


def _measure(
    checkout: Path,
    results: Path,
    plan: RunPlan,
    resume: bool,
    commit: Commit,
    workspace: Workspace,
    watcher: Watcher,
) -> RecordFile:
    floor = floor_choice(workspace.root)
    facts = machine_facts(workspace.root) | floor.facts
    sets = plan.image_sets
    watcher.preparing("finding the benchmarks", 0, 1)
    with TurnServer.open(THOROUGH) as turns:
        given = {WORK: str(workspace.root), **floor.variables, **turns.variables}
        suite = Suite(checkout, sets, variables=given)
        every = suite.cells()
        written = plan.as_settings(every)
        info = run_info(sets, commit, {REFERENCE: written}, facts, check_newest=True)
        file = take_up(results, info) if resume else RecordFile.create(results, info)
        watcher.starts(facts)
        done = done_of(file.records())
        passes = [_Pass.over(images, plan.parts, every, done) for images in sets]
        total = sum(each.groups for each in passes)
        begun = total - sum(len(each.left) for each in passes)

        def announce(group: Group) -> None:
            nonlocal begun
            begun += 1
            watcher.measures(begun, total, group)

        with recording([file], watcher, "--resume goes on"):
            try:
                for each in passes:
                    each.prepare(workspace, watcher)
                    size = each.image_bytes(workspace)
                    for records in in_groups(suite, turns, each.wanted, announce, done, size):
                        file.append_all(records)
                        for record in records:
                            watcher.ended(record.run)
                            each.remove_unneeded(workspace, record.run.cell)
                file.finish()
            finally:
                keep_for_asv(results, suite, commit, file)
    return file


@dataclass(frozen=True)
class _Pass:
    """All cells of one image set. `needs` counts the measurements that still need each store."""

    images: str
    cells: list[CellName]
    rounds: int
    groups: int
    left: list[Group]
    needs: Counter[StoreName]

    @classmethod
    def over(
        cls,
        images: str,
        parts: Sequence[PlanPart],
        every: Sequence[CellName],
        done: Done,
    ) -> _Pass:
        mine = [part for part in parts if images in part.images]
        cells = list(dict.fromkeys(cell for part in mine for cell in part.cells(every)))
        (last,) = {part.rounds for part in mine}
        groups = [group for number in range(1, last + 1) for group in groups_of(cells, number)]
        left = left_of(groups, done)
        needs = Counter(cell.store for group in left for cell in group.cells)
        return cls(images, cells, last, len(groups), left, needs)

    def wanted(self, number: int) -> Sequence[CellName]:
        """Return the cells of a round."""
        return self.cells if number <= self.rounds else []

    def image_bytes(self, workspace: Workspace) -> int:
        """Return the bytes of the images' pixels; 0 if nothing is left to measure."""
        return workspace.images(self.images).pixel_bytes if self.left else 0

    def prepare(self, workspace: Workspace, watcher: Watcher) -> None:
        """Make the images and check the disk space, unless nothing is left to measure."""
        if self.left:
            (name,) = image_sets(workspace, [self.images], watcher)
            pixels = workspace.images(name).pixel_bytes
            stores = len(self.needs) + _COPIES
            free = shutil.disk_usage(workspace.root).free
            if free < stores * pixels:
                raise UserError(
                    f"{name}: {stores} copies of {pixels / 1e9:.1f} GB do not fit on the disk of"
                    f" {workspace.root}, which has {free / 1e9:.1f} GB free; set PLATEBENCH_WORK"
                    " to a folder on a larger disk, and continue with --resume"
                )

    def remove_unneeded(self, workspace: Workspace, cell: CellName) -> None:
        """Remove a store's files after the last cell that needs them."""
        store = cell.store
        self.needs[store] -= 1
        if not self.needs[store]:
            workspace.remove_stored(store, self.images)


_COPIES = 2
"""Number of stores whose files may exist twice at a time: for a write, or a new version."""
