"""What the reference run measures: the plan of `platebench reference run`.

What matters most comes first, so that an interrupted run has answered that. Reads from the disk
come before reads from the page cache: terabytes do not stay in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from platebench.errors import UserError
from platebench.results.operations import OPERATIONS, check_operations
from platebench.results.plan import PlanPart, RunPlan
from platebench.running.settings import at_their_best, first_layouts, stores_to_measure
from platebench.stores.name import StoreName
from platebench.stores.registry import REFERENCES

MAIN_SET = "raw-512"
"""The images that the page speaks of first: 705 MB."""

COLD = ("ColdRandomRows 16 scattered", "ColdFullScan")
WARM = ("RandomRows 16 scattered reopened", "FullScan")
WRITE = ("Write",)
VERSIONS = ("OpenVersion", "Append")
PARTLY = ("ColdCrop", "Readers 2 processes")
FURTHER = (
    "RandomRows 1 reopened",
    "FirstImage",
    "ReadTable",
    "ListVersions",
    "Restore",
    "Prune",
    "Open",
    "Epoch 2 workers",
    "Update *",
    "Convert",
    "Writers 2",
    "Readers 1 process",
    "Readers 2 processes",
    "Readers 4 processes",
    "ReadersAndWriter *",
)

_LEFT_OUT = (
    "Of layouts other than each format's first: all but reads from the disk of 64 images.",
    "Nested lists are measured on 32 images; 64 take them minutes.",
    "Of the tunings default and small: reads from the page cache, versions, crops and readers.",
    "Of the tuning default: writing. Of the tuning small, writing takes minutes: it has one round.",
    "Of 32, 128 and 2,048 images: all stores but the tunings fast and balanced of each format's"
    " first layout. Of 2,048: writing.",
    "Of 512 images: reads from the page cache and versions, which are measured on 128.",
    "Of 16 bit: reads from the page cache, and versions.",
    "Handles kept open, 16 images in a run, and the table from the disk.",
)
_LEFT_OUT_OF_SMALL = (
    "Each format's layouts other than its first, and sets of other sizes than 64 images.",
    "Of the tuning small: reads from the page cache, and versions.",
    "The tuning default, where a format has others.",
    "First images, the table, handles kept open, 16 images in a run, and growth with versions.",
)

_THE_REST = "'platebench reference run --missing' measures the rest."


def plan_part(
    images: str, stores: Sequence[StoreName], operations: Sequence[str], rounds: int
) -> PlanPart:
    """Return some operations on some stores of one image set, and on the reference stores.

    `operations` are patterns of a benchmark class and its details, such as `RandomRows 1 *`.
    """
    every = tuple(dict.fromkeys([*REFERENCES, *stores]))
    return PlanPart((images,), every, tuple(operations), rounds)


def full_plan() -> RunPlan:
    """Return what the published page shows."""
    firsts = first_layouts()
    asked = at_their_best()
    small = _tuned(firsts, "small")
    default = [store for store in _tuned(firsts, "default") if store not in asked]
    further = [store for store in stores_to_measure(["*"]) if store not in firsts]
    nested = [store for store in further if store.layout == "nested"]
    flat = [store for store in further if store not in nested]
    parts = (
        plan_part(MAIN_SET, asked, COLD, rounds=4),
        plan_part(MAIN_SET, asked, WRITE, rounds=3),
        plan_part(MAIN_SET, default, COLD, rounds=3),
        plan_part("raw16-128", asked, (*COLD, *WRITE), rounds=3),
        plan_part(MAIN_SET, small, COLD, rounds=3),
        plan_part(MAIN_SET, small, WRITE, rounds=1),
        plan_part("raw-128", asked, (*WARM, *VERSIONS), rounds=3),
        plan_part(MAIN_SET, asked, PARTLY, rounds=3),
        plan_part("raw-128", asked, (*COLD, *WRITE), rounds=3),
        plan_part("raw-32", asked, (*COLD, *WRITE), rounds=3),
        plan_part("raw-2048", asked, COLD, rounds=2),
        plan_part("raw16-128", small, COLD, rounds=3),
        plan_part("raw16-128", small, WRITE, rounds=1),
        plan_part("raw-64", flat, COLD, rounds=3),
        plan_part("raw-32", nested, COLD, rounds=3),
        plan_part("raw-64", asked, FURTHER, rounds=3),
        plan_part("raw-16", asked, ("Grow",), rounds=3),
        plan_part("ic-32", [*asked, *small], ("FullScan",), rounds=3),
    )
    return RunPlan(parts, _LEFT_OUT)


def small_plan() -> RunPlan:
    """Return what less than an hour has time for: one image set, each format's first layout."""
    asked = at_their_best()
    smallest = _tuned(first_layouts(), "small")
    parts = (
        plan_part("raw-64", [*asked, *smallest], COLD, rounds=5),
        plan_part("raw-64", [*asked, *smallest], WRITE, rounds=3),
        plan_part("raw-64", asked, (*WARM, *VERSIONS), rounds=3),
    )
    return RunPlan(parts, _LEFT_OUT_OF_SMALL)


def limited(
    plan: RunPlan,
    images: Collection[str] = (),
    operations: Collection[str] = (),
    stores: Collection[str] = (),
    first: int | None = None,
) -> RunPlan:
    """Return the parts of a plan that are about some image sets, operations and stores.

    All of them, if none are named. `first`: only as many parts, from the beginning. An operation is
    `take`, or `cold take`; a store is a pattern, as for `platebench run`. What is left out is told
    in the plan's sentences. Raises UserError for an image set that the plan does not have, for an
    unknown operation or store, and if nothing is left.
    """
    for name in images:
        if name not in plan.image_sets:
            raise UserError(f"{name}: the plan has {', '.join(plan.image_sets)}")
    for name in operations:
        check_operations([name.removeprefix("cold ").removeprefix("warm ")])
    chosen = set(stores_to_measure(list(stores)) if stores else stores_to_measure(["*"]))
    parts = [
        replace(part, operations=kept, stores=mine)
        for part in plan.parts[:first]
        if (not images or set(part.images) <= set(images))
        and (kept := tuple(each for each in part.operations if _is_named(each, operations)))
        and (mine := tuple(each for each in part.stores if each in chosen)) != REFERENCES
    ]
    if not parts:
        raise UserError("the plan has none of these stores, operations and image sets together")
    if parts == list(plan.parts):
        return plan
    said = [
        *([f"Only the first {first} parts; {_THE_REST}"] if first is not None else []),
        *(
            f"Only {', '.join(names)}; {_THE_REST}"
            for names in (images, operations, stores)
            if names
        ),
    ]
    return RunPlan(tuple(parts), (*plan.left_out, *said))


def named_again(patterns: Sequence[str]) -> list[StoreName]:
    """Return the stores that are to be measured again. Raises UserError for a reference store."""
    named = stores_to_measure(patterns, references=False)
    for store in REFERENCES:
        if store in named:
            raise UserError(f"{store}: is measured beside all others, so it is not measured again")
    return named


def _is_named(pattern: str, operations: Collection[str]) -> bool:
    operation = OPERATIONS[pattern.split(maxsplit=1)[0]]
    named = {operation.name, f"{operation.cache} {operation.name}"}
    return not operations or not named.isdisjoint(operations)


def _tuned(stores: Sequence[StoreName], *tunings: str) -> list[StoreName]:
    """Return the stores of these tunings, tuning by tuning."""
    return [store for tuning in tunings for store in stores if store.tuning == tuning]
