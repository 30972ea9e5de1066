"""Batches: the stores of a plan's part that are written, measured in all rounds, and removed.

All stores of 512 images together need 60 GB, of 2,048 images 240 GB. So a part is measured batch
by batch, each with the reference stores, and a store's files are removed after its last cell.
Stores of different batches are compared through the reference stores, as stores of different groups
are: groups of different batches have different numbers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from platebench.results.measurement import CellName
from platebench.results.operations import same_on
from platebench.results.plan import PlanPart
from platebench.running.groups import MOST_STORES, Done, Group, groups_of, left_of
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, REFERENCES

BATCH_BYTES = 24e9
"""What the stores of a batch may need together, if each is as large as its pixels."""

COPIES = 2
"""Number of stores whose files may exist twice at a time: for a write, or a new version."""


@dataclass(frozen=True)
class Batch:
    """Cells of one image set that are measured together in all rounds.

    `left` are the groups that are to be measured, of `groups` in all, and `last_group` the highest
    number of one. `needs` counts the measurements that still need each store's files.
    """

    images: str
    left: tuple[Group, ...]
    groups: int
    last_group: int
    needs: Counter[StoreName]

    @property
    def stores_at_once(self) -> int:
        """The number of stores that must fit on the disk."""
        return len(self.needs) + COPIES

    def no_longer_needs(self, store: StoreName) -> bool:
        """Count a measurement of a store; return True if it was the last."""
        self.needs[store] -= 1
        return not self.needs[store]


def batches_of(
    parts: Sequence[PlanPart],
    every: Sequence[CellName],
    pixel_bytes: Callable[[str], int],
    done: Done = frozenset(),
    known: Collection[CellName] = frozenset(),
    after: int = 0,
) -> list[Batch]:
    """Return the batches of all parts, in order; their groups are numbered from `after` + 1.

    `every` are the cells that the suite has, and `pixel_bytes` the size of an image set by its
    name. `known` cells need no measurement; but the reference stores are measured beside those that
    do. What is `done` is not measured again.
    """
    found: list[Batch] = []
    planned = set(known)
    for part in parts:
        cells = [
            cell for cell in part.cells(every) if cell.store in REFERENCES or cell not in planned
        ]
        planned.update(cell for cell in cells if cell.store not in REFERENCES)
        (images,) = part.images
        for mine in _batches(cells, pixel_bytes(images)):
            batch = _batch(images, mine, part.rounds, after + 1, done)
            after = batch.last_group
            found.append(batch)
    return found


def _batches(cells: Sequence[CellName], pixel_bytes: int) -> list[list[CellName]]:
    """Divide cells by their stores, each with the cells of the reference stores that it needs.

    The reference stores alone are no batch: there is nothing to compare with them.
    """
    others = list(dict.fromkeys(cell.store for cell in cells if cell.store not in REFERENCES))
    fitting = int(BATCH_BYTES // pixel_bytes) if pixel_bytes else MOST_STORES
    size = max(1, min(MOST_STORES, fitting) - len(REFERENCES))
    count = math.ceil(len(others) / size)
    found = []
    for number in range(count):
        stores = set(others[number * len(others) // count : (number + 1) * len(others) // count])
        mine = [cell for cell in cells if cell.store in stores]
        tables = {same_on(cell, FLOOR) for cell in mine}
        found.append(
            [
                cell
                for cell in cells
                if cell.store in stores
                or (cell.store in REFERENCES and same_on(cell, FLOOR) in tables)
            ]
        )
    return found


def _batch(images: str, cells: Sequence[CellName], rounds: int, first: int, done: Done) -> Batch:
    groups = [
        group for this in range(1, rounds + 1) for group in groups_of(cells, this, first=first)
    ]
    left = left_of(groups, done)
    needs = Counter(cell.store for group in left for cell in group.cells)
    last = max(group.number for group in groups)
    return Batch(images, tuple(left), len(groups), last, needs)
