"""What a run is to measure, as its first line records it and as completeness reads it.

`platebench reference` measures several parts; `settings["reference"]` holds them. Any other run is
one part: its own settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from platebench.errors import UserError
from platebench.results.measurement import CellName
from platebench.results.operations import (
    OPERATIONS,
    brief_operations,
    choose,
    details_in_full,
    operation_names,
    pattern_text,
)
from platebench.results.records import RunInfo
from platebench.results.strict_json import Damaged, count_of, object_of, texts_of
from platebench.results.telling import say_once
from platebench.stores.name import StoreName

REFERENCE = "reference"
"""The setting that holds a reference run's plan."""

BRIEF = ("newcomer", "quick")
"""Settings of runs before `brief` that measured some details of some operations only."""


@dataclass(frozen=True)
class PlanPart:
    """Some operations on some stores of some image sets, in so many rounds.

    `operations` are names of operations, or patterns of a benchmark class and its details, such as
    `RandomRows 1 *`. `count` is the recorded number of cells, None if it was not recorded.
    """

    images: tuple[str, ...]
    stores: tuple[StoreName, ...]
    operations: tuple[str, ...]
    rounds: int
    count: int | None = None

    def includes(self, benchmark_class: str, details: Sequence[str]) -> bool:
        """Return True if an operation with these details is in this part."""
        text = pattern_text(benchmark_class, details)
        operation = OPERATIONS[benchmark_class]
        named = operation.name in self.operations and details_in_full(operation, tuple(details))
        return named or any(fnmatch(text, each) for each in self.operations)

    def has(self, cell: CellName) -> bool:
        """Return True if a cell is in this part."""
        return (
            cell.images in self.images
            and cell.store in self.stores
            and self.includes(cell.kind, cell.details)
        )

    def cells(self, every: Sequence[CellName]) -> list[CellName]:
        """Return the cells of this part, of all cells that the suite has."""
        mine = [cell for cell in every if cell.images in self.images]
        return [
            cell for cell in choose(mine, self.stores, []) if self.includes(cell.kind, cell.details)
        ]


@dataclass(frozen=True)
class RunPlan:
    """The parts of a run, and what they leave out on purpose, in sentences."""

    parts: tuple[PlanPart, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def image_sets(self) -> list[str]:
        """The image sets, in the order of the parts."""
        return list(dict.fromkeys(images for part in self.parts for images in part.images))

    def as_settings(self, every: Sequence[CellName]) -> dict[str, Any]:
        """Return the plan as JSON for the run's first line, with the number of cells per part."""
        parts = [
            {
                "images": part.images[0] if len(part.images) == 1 else list(part.images),
                "stores": list(map(str, part.stores)),
                "operations": list(part.operations),
                "rounds": part.rounds,
                "cells": len(part.cells(every)),
            }
            for part in self.parts
        ]
        return {"parts": parts, "left_out": list(self.left_out)}


def plan_of(info: RunInfo) -> RunPlan:
    """Return the plan that a run's first line records, without parts if it records none.

    Settings of an unknown shape, from a later version or damaged, are reported and count as none.
    """
    try:
        return RunPlan(tuple(_parts(info)), _left_out(info))
    except Damaged as reason:
        say_once(f"{info.machine}/{info.file_name}: settings: {reason}; its plan is left out")
        return RunPlan((), _left_out(info))


def is_brief(info: RunInfo) -> bool:
    """Return True if a run measures some details of some operations only."""
    if "brief" in info.settings:
        return bool(info.settings["brief"])
    return any(info.settings.get(name) for name in BRIEF)


def passed_over(info: RunInfo) -> list[str]:
    """Return the operations that a brief run does not measure."""
    if not is_brief(info):
        return []
    return [name for name in operation_names() if name not in brief_operations()]


def _parts(info: RunInfo) -> Iterable[PlanPart]:
    if REFERENCE in info.settings:
        parts = object_of(info.settings, REFERENCE).get("parts")
        if not isinstance(parts, list) or not all(isinstance(each, dict) for each in parts):
            raise Damaged("parts is not a list of objects")
        return [_part(each, info) for each in parts]
    return [_part(info.settings, info)] if "stores" in info.settings else []


def _part(settings: dict[str, Any], info: RunInfo) -> PlanPart:
    images = settings.get("images", info.images)
    skipped = passed_over(info)
    every = [name for name in operation_names() if name not in skipped]
    count = settings.get("cells")
    return PlanPart(
        images=tuple(
            texts_of({"images": [images] if isinstance(images, str) else images}, "images")
        ),
        stores=tuple(map(_store, texts_of(settings, "stores"))),
        operations=tuple(texts_of(settings, "operations") or every),
        rounds=count_of(settings.get("rounds"), "rounds", 1),
        count=None if count is None else count_of(count, "cells"),
    )


def _store(name: str) -> StoreName:
    try:
        return StoreName.parse(name)
    except UserError as reason:
        raise Damaged(f"stores: {reason}") from reason


def _left_out(info: RunInfo) -> tuple[str, ...]:
    reference = info.settings.get(REFERENCE)
    said = reference.get("left_out") if isinstance(reference, dict) else None
    return tuple(each for each in said if isinstance(each, str)) if isinstance(said, list) else ()
