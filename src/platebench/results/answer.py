"""Which store is fastest for each question, and which is smallest: decided here and nowhere else.

The lines that a run ends with, `platebench report`, the page and the README all use these answers.
The order of stores comes from `ranking`. There is no winner without a settled order: `winner` is
None unless a repeat run would very likely show the same store first.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from platebench.results.questions import (
    COLD_TAKE,
    QUESTIONS,
    TAKE,
    Question,
    Times,
    answering,
    fastest_first,
    headline_image_set,
    measured,
    of_floor,
    of_image_set,
    size_of,
    smallest_first,
    times_of,
)
from platebench.results.tidy import CellResult
from platebench.stores.name import StoreName
from platebench.stores.registry import TIFF_FOLDER

LAB = TIFF_FOLDER
"""The usual starting point of a lab: a folder of TIFF files, as the microscope's software wrote."""

TYPED = "default"
"""The tuning of a store with the settings of its quick start."""


@dataclass(frozen=True)
class Fastest:
    """The answer to a question of time.

    `tied` are the stores that tie with `best` (see `ranking`). `unsettled` are all stores whose
    order to `best` is not settled: those, and stores with too few shared rounds to tell.
    `lab_takes` is the time of the lab's TIFF folder relative to `best`, `typed_takes` that of
    `typed`, the fastest store with default settings; each is None for `best` itself, or if they
    share no round. `stores` is the number of measured stores, `failed` and `skipped` those of
    failed and skipped cells. `one_round` is True if no order is reliable.
    """

    question: Question
    best: CellResult
    tied: tuple[CellResult, ...]
    unsettled: tuple[CellResult, ...]
    lab_takes: Times | None
    typed: CellResult | None
    typed_takes: Times | None
    stores: int
    failed: int
    skipped: int
    one_round: bool

    @property
    def winner(self) -> CellResult | None:
        """The best store, None if the order to any other store is not settled."""
        return None if self.unsettled else self.best

    @property
    def of_floor(self) -> Times | None:
        """The time of the best store, relative to the floor."""
        return of_floor(self.best)

    @property
    def cpus(self) -> float | None:
        """CPU seconds per wall second of the best store, all threads."""
        best = self.best
        return best.cpu_s / best.median_s if best.cpu_s is not None and best.median_s else None


@dataclass(frozen=True)
class Smallest:
    """The answer to the question of size.

    `tied` are as small within 1%. `quickest` is the one of `best` and `tied` that is fastest for
    random reads, from the disk if that was measured, and `quickest_takes` its time for them
    relative to the lab's TIFF folder: what the size costs. `lab_takes` and `typed_takes` are bytes
    relative to `best`. `speed_range` is the ratio of the slowest to the fastest of the smallest
    stores for random reads, None if fewer than two were measured.
    """

    best: CellResult
    tied: tuple[CellResult, ...]
    quickest: CellResult
    quickest_takes: Times | None
    lab_takes: Times | None
    typed: CellResult | None
    typed_takes: Times | None
    speed_range: float | None


@dataclass(frozen=True)
class Answers:
    """All answers of one run, on one image set of `count` images and `pixel_bytes` of pixels.

    `rounds` is the smallest number of rounds of any measured cell. `half_width` is the median
    half-width of the intervals of all answers' times relative to the TIFF folder, None without any:
    0.1 says that half of them are narrower than +-10%.
    """

    images: str
    count: int | None
    pixel_bytes: int | None
    fastest: tuple[Fastest, ...]
    smallest: Smallest | None
    rounds: int
    half_width: float | None

    def to(self, question: Question) -> Fastest | None:
        """Return the answer to one question, None if no store was measured."""
        return next((each for each in self.fastest if each.question == question), None)

    @property
    def one_round(self) -> bool:
        """True if no order is reliable, since there was one round."""
        return all(each.one_round for each in self.fastest)

    @property
    def unanswered(self) -> list[Question]:
        """The questions for which no store was measured."""
        return [question for question in QUESTIONS if self.to(question) is None]


def answers(cells: Sequence[CellResult]) -> Answers | None:
    """Return the answers of a run, None if nothing was measured."""
    images = headline_image_set(cells)
    if images is None:
        return None
    mine = of_image_set(cells, images)
    found = [_fastest(question, mine) for question in QUESTIONS]
    return Answers(
        images=images,
        count=next((each.images for each in mine if each.images), None),
        pixel_bytes=next((each.set_pixel_bytes for each in mine if each.set_pixel_bytes), None),
        fastest=tuple(each for each in found if each is not None),
        smallest=_smallest(mine),
        rounds=min(cell.rounds for cell in measured(mine)),
        half_width=_half_width(mine),
    )


def _fastest(question: Question, cells: Sequence[CellResult]) -> Fastest | None:
    ranking = fastest_first(cells, question)
    best, stores = ranking.best, ranking.order
    if best is None:
        return None
    lab = next((each for each in stores[1:] if each.store == LAB), None)
    typed = next((each for each in stores if each.tuning == TYPED), None)
    mine = answering(cells, question)
    return Fastest(
        question=question,
        best=best,
        tied=ranking.tied,
        unsettled=tuple(each for each in stores[1:] if not _settled(best, each)),
        lab_takes=None if lab is None else times_of(lab, best),
        typed=typed,
        typed_takes=None if typed is None or typed is best else times_of(typed, best),
        stores=len(stores),
        failed=sum(cell.status == "failed" for cell in mine),
        skipped=sum(cell.status == "skipped" for cell in mine),
        one_round=ranking.one_round,
    )


def _half_width(cells: Sequence[CellResult]) -> float | None:
    """Return the median half-width of the intervals of these cells' times, relative to the lab's.

    The TIFF folder's own, which have no width, are left out.
    """
    widths = [
        math.sqrt(cell.tiff_high / cell.tiff_low) - 1
        for question in QUESTIONS
        for cell in measured(answering(cells, question))
        if cell.store != LAB and cell.tiff_low is not None and cell.tiff_high is not None
    ]
    return statistics.median(widths) if widths else None


def _settled(best: CellResult, other: CellResult) -> bool:
    """Return True if a repeat run would very likely show these two in the same order."""
    formed = best.wall.over(other.wall)
    return formed is not None and formed.settled


def _smallest(cells: Sequence[CellResult]) -> Smallest | None:
    by_size = smallest_first(cells)
    best, stores = by_size.best, by_size.order
    if best is None:
        return None
    lab = next((each for each in stores[1:] if each.store == LAB), None)
    typed = next((each for each in stores if each.tuning == TYPED), None)
    quickest, takes = _quickest(cells, (best, *by_size.tied))
    return Smallest(
        best=best,
        tied=by_size.tied,
        quickest=quickest,
        quickest_takes=takes,
        lab_takes=None if lab is None else Times(size_of(lab, best)),
        typed=typed,
        typed_takes=None if typed is None or typed is best else Times(size_of(typed, best)),
        speed_range=_speed_range(cells, {best.store, *(cell.store for cell in by_size.tied)}),
    )


def _quickest(
    cells: Sequence[CellResult], smallest: Sequence[CellResult]
) -> tuple[CellResult, Times | None]:
    """Return the fastest of these for random reads, and its time relative to the TIFF folder.

    Reads from the disk count first. Without reads it is the first of them.
    """
    by_store = {cell.store: cell for cell in smallest}
    for question in (COLD_TAKE, TAKE):
        order = fastest_first(cells, question).order
        lab = next((each for each in order if each.store == LAB), None)
        for cell in order:
            if cell.store in by_store:
                takes = None if lab is None or cell is lab else times_of(cell, lab)
                return by_store[cell.store], takes
    return smallest[0], None


def _speed_range(cells: Sequence[CellResult], stores: set[StoreName]) -> float | None:
    """Return the slowest time of random reads of these stores relative to the fastest."""
    order = [cell for cell in fastest_first(cells, TAKE).order if cell.store in stores]
    if len(order) < 2:
        return None
    times = times_of(order[-1], order[0])
    return None if times is None else times.estimate
