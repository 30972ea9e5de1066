"""The questions a reader asks, the image set they are about, and the cells that answer them.

The order of stores and their ties come from `ranking`; ties in size are defined here. The page, its
charts, the README and the report use nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from platebench.images.camera import Profile
from platebench.results.operations import OPERATIONS, Asked, Operation
from platebench.results.ranking import Ranking, rank
from platebench.results.report import figure
from platebench.results.tidy import CellResult
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR

RAW: Profile = "raw"
"""The profile of generated images that are as a camera gives them."""

TIE_IN_SIZE = 0.01
"""Sizes are counted and have no interval. Stores within this share of the smallest tie with it."""


@dataclass(frozen=True)
class Question:
    """A question with the operation and details of the cells that answer it."""

    operation: str
    cache: str
    detail: str
    asked: Asked

    @property
    def words(self) -> str:
        """The question as a heading."""
        return self.asked.words


def _question(operation: Operation, asked: Asked) -> Question:
    detail = ", ".join(asked.details)
    return Question(operation.name, operation.cache, detail, asked)


def _by_class() -> dict[str, Question]:
    found = {
        name: _question(operation, operation.asked)
        for name, operation in OPERATIONS.items()
        if operation.asked is not None
    }
    return dict(sorted(found.items(), key=lambda each: each[1].asked.place))


_BY_CLASS = _by_class()
QUESTIONS = tuple(_BY_CLASS.values())
"""All questions, in the order of the page."""

TAKE, COLD_TAKE = _BY_CLASS["RandomRows"], _BY_CLASS["ColdRandomRows"]
SCAN, COLD_SCAN = _BY_CLASS["FullScan"], _BY_CLASS["ColdFullScan"]
COLUMNS, FILTER, IMAGES_WHERE, JOIN, ADD_ROWS = (
    _BY_CLASS[name]
    for name in ("ReadColumns", "FilterRows", "ColdImagesWhere", "ColdJoin", "AppendRows")
)
WRITE, APPEND, OLD = _BY_CLASS["Write"], _BY_CLASS["Append"], _BY_CLASS["OpenVersion"]


def cold(question: Question) -> Question:
    """Return the same question about reads from the disk. Raises LookupError if there is none."""
    for other in QUESTIONS:
        if other.operation == question.operation and other.cache == "cold":
            return other
    raise LookupError(f"{question.words}: no such question about the disk")


def measured(cells: Iterable[CellResult]) -> list[CellResult]:
    """Return the cells with a time: neither failed nor skipped in any round."""
    return [cell for cell in cells if cell.status == "ok" and cell.median_s is not None]


def headline_image_set(cells: Iterable[CellResult]) -> str | None:
    """Return the image set that the page is about, None if nothing was measured.

    It is the one on which most stores were measured; of several, the larger. Generated raw sets
    come before all others.
    """
    stores: dict[str, set[StoreName]] = defaultdict(set)
    places: dict[str, tuple[bool, int]] = {}
    for cell in measured(cells):
        stores[cell.image_set].add(cell.store)
        places[cell.image_set] = (cell.profile == RAW, cell.images or 0)
    return max(
        stores,
        key=lambda name: (places[name][0], len(stores[name]), places[name][1]),
        default=None,
    )


def image_sets_in(cells: Sequence[CellResult]) -> list[str]:
    """Return the names of the image sets: `raw` before others, the smallest first."""
    places = {cell.image_set: (cell.profile != RAW, cell.profile, 0) for cell in cells}
    for cell in cells:
        if cell.images:
            places[cell.image_set] = (cell.profile != RAW, cell.profile, cell.images)
    return sorted(places, key=lambda name: (places[name], name))


def first_image_set(cells: Sequence[CellResult]) -> str | None:
    """Return the image set that tables show first; any set if nothing was measured."""
    return headline_image_set(cells) or next(iter(image_sets_in(cells)), None)


def of_image_set(cells: Iterable[CellResult], name: str | None) -> list[CellResult]:
    """Return the cells of one image set."""
    return [cell for cell in cells if cell.image_set == name]


def answering(cells: Iterable[CellResult], question: Question) -> list[CellResult]:
    """Return the cells that answer a question, including the floor's."""
    wanted = (question.operation, question.detail, question.cache)
    return [cell for cell in cells if (cell.operation, cell.detail, cell.cache) == wanted]


def answering_best(
    cells: Sequence[CellResult], question: Question, images: str | None
) -> list[CellResult]:
    """Return the cells that answer a question on an image set, or on another if none do there.

    A long run measures some operations on its headline image set and others on a smaller one.
    """
    every = answering(cells, question)
    here = of_image_set(every, images)
    return here if measured(here) else of_image_set(every, headline_image_set(every))


def fastest_first(cells: Iterable[CellResult], question: Question) -> Ranking:
    """Rank the stores that answer a question, on the cells of one image set."""
    return rank(answering(cells, question))


@dataclass(frozen=True)
class BySize:
    """Stores by size, the smallest first, with those that tie with the smallest."""

    order: tuple[CellResult, ...]

    @property
    def best(self) -> CellResult | None:
        """The smallest store, None if no size is known."""
        return self.order[0] if self.order else None

    @property
    def tied(self) -> tuple[CellResult, ...]:
        """The stores as small as the smallest, within `TIE_IN_SIZE`."""
        return tuple(
            cell for cell in self.order[1:] if size_of(cell, self.order[0]) <= 1 + TIE_IN_SIZE
        )


def smallest_first(cells: Iterable[CellResult]) -> BySize:
    """Return the stores with a known size, each by one measured cell, without the floor.

    A scan's size counts before a write's: bytes that cannot be read back are not a store. Equal
    sizes are in the order of the registry.
    """
    by_store: dict[StoreName, CellResult] = {}
    every = list(cells)
    for question in (SCAN, WRITE):
        for cell in measured(answering(every, question)):
            if cell.store != FLOOR and cell.bytes_per_pixel_byte is not None:
                by_store.setdefault(cell.store, cell)
    stores = (by_store[name] for name in in_order(list(by_store)))
    return BySize(tuple(sorted(stores, key=lambda cell: cell.bytes_per_pixel_byte or 0.0)))


def size_of(cell: CellResult, base: CellResult) -> float:
    """Return the stored bytes of a cell relative to another's; both have some."""
    return (cell.stored_bytes or 0) / (base.stored_bytes or 1)


def stored(cells: Sequence[CellResult]) -> CellResult | None:
    """Return the first of a store's cells on one image set with known bytes and files."""
    return next((cell for cell in cells if cell.stored_bytes is not None), None)


def in_order(stores: Sequence[StoreName]) -> list[StoreName]:
    """Return stores in the order of the registry; stores without an entry come last.

    So the tunings of a layout are neighbours.
    """
    places = {name: place for place, name in enumerate(registry.names())}
    return sorted(set(stores), key=lambda name: (places.get(name, len(places)), name))


@dataclass(frozen=True)
class Times:
    """A factor, with its 95% interval for a repeat run.

    `low` and `high` are None from one round and for what is counted.
    """

    estimate: float
    low: float | None = None
    high: float | None = None

    @property
    def open(self) -> bool:
        """Return True if the interval includes 1: a repeat run may show the other order."""
        return self.low is not None and self.high is not None and self.low <= 1 <= self.high

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return figure(self.estimate)
        return f"{figure(self.estimate)} ({figure(self.low)} to {figure(self.high)})"


def of_floor(cell: CellResult) -> Times | None:
    """Return a cell's time relative to the floor, as `platebench report` shows it."""
    if cell.floor_ratio is None:
        return None
    return Times(cell.floor_ratio, cell.floor_low, cell.floor_high)


def times_of(cell: CellResult, base: CellResult) -> Times | None:
    """Return a cell's time relative to another's in their shared rounds, None without any."""
    ratio_to = cell.wall.over if cell.table == base.table else cell.wall.over_another
    formed = ratio_to(base.wall)
    return None if formed is None else Times(formed.estimate, formed.low, formed.high)
