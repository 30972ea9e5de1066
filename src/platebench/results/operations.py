"""The operations, as they are asked for and published, and the benchmark classes that time them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from platebench.errors import UserError
from platebench.results.measurement import CellName
from platebench.stores.registry import FLOOR, format_of


class Operation(NamedTuple):
    """What a benchmark class measures."""

    name: str
    cache: str
    says: str
    on_versions: bool = False


OPERATIONS = {
    "Write": Operation("write", "warm", "write all images and their table, to the end of fsync"),
    "FullScan": Operation("scan", "warm", "open, read every image in order"),
    "ColdFullScan": Operation("scan", "cold", "the same from the disk"),
    "RandomRows": Operation("take", "warm", "read single images by row"),
    "ColdRandomRows": Operation("take", "cold", "the same from the disk"),
    "FirstImage": Operation("first-image", "warm", "start Python, import, open, read one image"),
    "ReadTable": Operation("table", "warm", "read the columns that are not pixels"),
    "ColdReadTable": Operation("table", "cold", "the same from the disk"),
    "Append": Operation("append", "warm", "add a tenth more images as a new version", True),
    "Grow": Operation("grow", "warm", "add a tenth more images twenty times", True),
    "ListVersions": Operation("list-versions", "warm", "list the versions", True),
    "OpenVersion": Operation(
        "open-version", "warm", "open the first version, read every image", True
    ),
    "Restore": Operation("restore", "warm", "make the first version the newest again", True),
    "Prune": Operation("prune", "warm", "remove all versions but the newest", True),
}
"""Each benchmark class's operation, in the order they are published."""


NEWCOMER_DETAILS: dict[str, set[tuple[str, ...]]] = {
    "ColdReadTable": set(),
    "Grow": set(),
    "RandomRows": {("16 scattered", "reopened")},
    "ColdRandomRows": {("16 scattered",)},
}
"""The details that a newcomer's run and a quick look go into; of other operations, all.

They have no time to see a store grow.
"""


def for_newcomers(cell: CellName) -> bool:
    """Say whether a newcomer's run or a quick look measures this cell of its stores."""
    return cell.kind not in NEWCOMER_DETAILS or cell.params[2:] in NEWCOMER_DETAILS[cell.kind]


def called(benchmark_class: str, details: Sequence[str]) -> str:
    """Return what a plan's pattern, such as `RandomRows 1 *`, is held against."""
    return " ".join([benchmark_class, *details])


def floor_of(cell: CellName) -> CellName:
    """Return the cell that does the same on the floor."""
    return CellName(cell.benchmark, (FLOOR, *cell.params[1:]))


def operation_names() -> list[str]:
    """Return the names of the operations."""
    return list(dict.fromkeys(operation.name for operation in OPERATIONS.values()))


def check_operations(operations: Sequence[str]) -> None:
    """Raise UserError for a name that is no operation's."""
    for name in operations:
        if name not in operation_names():
            raise UserError(f"{name}: no such operation; there are {', '.join(operation_names())}")


def choose(
    cells: Sequence[CellName], stores: Sequence[str], operations: Sequence[str]
) -> list[CellName]:
    """Return the cells of these stores and operations; all operations when none are named.

    Operations on versions are left out for formats that have none, and so are benchmarks that
    measure something other than a store.
    """
    return [
        cell
        for cell in cells
        if cell.kind in OPERATIONS
        and cell.params[0] in stores
        and (not operations or OPERATIONS[cell.kind].name in operations)
        and (format_of(cell.params[0]).versioned or not OPERATIONS[cell.kind].on_versions)
    ]
