"""The first screen: which store to keep images in, in words, formed from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platebench.results.ratios import ratio
from platebench.results.tidy import CellResult
from platebench.site.chosen import (
    QUESTIONS,
    SCAN,
    TAKE,
    WRITE,
    Question,
    asked,
    headline_image_set,
    of_images,
    quickest_first,
    smallest_first,
)
from platebench.site.grid import in_order
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.site.sets import set_of
from platebench.site.times import Times, of_floor, times_of
from platebench.stores.registry import FLOOR, format_of

LAB = "tiff-files:tiff:default"
"""What the lab has today: a folder of TIFF files, as written by whoever took the images."""

TYPED = "default"
"""The tuning of a store as a user types it first."""

NEARLY = 0.01
"""Sizes are counted and have no interval; a store within this share of the smallest is as small."""

_FEWEST_ROUNDS = 2
"""From one round no order is settled, and naming every store would say nothing."""


@dataclass(frozen=True)
class Quickest:
    """The answer to a question of time.

    `level` are the stores whose order against `best` is not settled, the quickest first; empty
    from one round, when no order is. `lab_takes` is how many times as long as `best` the lab's
    folder of TIFFs takes, `typed_takes` the same of `typed`, the quickest store as typed; each
    None where it is `best` itself or no round holds both. `stores` is how many were measured,
    `failed` how many failed.
    """

    question: Question
    best: CellResult
    level: tuple[CellResult, ...]
    lab_takes: Times | None
    typed: CellResult | None
    typed_takes: Times | None
    stores: int
    failed: int

    @property
    def of_floor(self) -> Times | None:
        """The best store's time, of the floor's."""
        return of_floor(self.best)

    @property
    def lab_cannot(self) -> bool:
        """Whether the lab's folder keeps no versions, so that the question is none there."""
        return self.question.versions and not format_of(LAB).versioned

    @property
    def cpus(self) -> float | None:
        """CPU seconds a wall second of the best store, all threads."""
        best = self.best
        return best.cpu_s / best.median_s if best.cpu_s is not None and best.median_s else None

    @property
    def one_round(self) -> bool:
        """Whether no order is settled, for want of rounds."""
        return len(self.best.by_round) < _FEWEST_ROUNDS


@dataclass(frozen=True)
class Smallest:
    """The answer to the question of size; `level` are as small within a hundredth.

    `lab_takes` and `typed_takes` are how many times the bytes of `best`.
    """

    best: CellResult
    level: tuple[CellResult, ...]
    lab_takes: Times | None
    typed: CellResult | None
    typed_takes: Times | None


COSTED = (TAKE, SCAN, WRITE)
"""What each format's best is shown at."""


@dataclass(frozen=True)
class Cost:
    """What one format costs at its best tuning and layout: by question, and in bytes."""

    format: str
    quickest: tuple[tuple[Question, CellResult], ...]
    smallest: CellResult | None


@dataclass(frozen=True)
class Answers:
    """All answers of one run, on one image set of `count` images and `pixel_bytes` of pixels."""

    images: str
    count: int | None
    pixel_bytes: int | None
    quickest: tuple[Quickest, ...]
    smallest: Smallest | None
    costs: tuple[Cost, ...]

    def to(self, question: Question) -> Quickest | None:
        """Return the answer to one question, None where no store was measured."""
        return next((each for each in self.quickest if each.question == question), None)

    @property
    def one_round(self) -> bool:
        """Whether no order is settled anywhere, for want of rounds."""
        return all(each.one_round for each in self.quickest)

    @property
    def unanswered(self) -> list[Question]:
        """The questions that no store was measured for."""
        return [question for question in QUESTIONS if self.to(question) is None]


def answers(cells: Sequence[CellResult]) -> Answers | None:
    """Return what the cells of a run answer; None where nothing was measured."""
    images = headline_image_set(cells)
    if images is None:
        return None
    mine = of_images(cells, images)
    found = [_quickest(question, asked(mine, question)) for question in QUESTIONS]
    return Answers(
        images=set_of(mine[0]),
        count=images.count,
        pixel_bytes=next((each.set_pixel_bytes for each in mine if each.set_pixel_bytes), None),
        quickest=tuple(each for each in found if each is not None),
        smallest=_smallest(mine),
        costs=_costs(mine),
    )


def _quickest(question: Question, cells: Sequence[CellResult]) -> Quickest | None:
    stores = quickest_first(cells)
    if not stores:
        return None
    best, *others = stores
    lab = next((each for each in others if each.store == LAB), None)
    typed = next((each for each in stores if each.tuning == TYPED), None)
    return Quickest(
        question=question,
        best=best,
        level=tuple(each for each in others if _level(each, best)),
        lab_takes=None if lab is None else times_of(lab, best),
        typed=typed,
        typed_takes=None if typed is None or typed is best else times_of(typed, best),
        stores=len(stores),
        failed=sum(cell.status == "failed" for cell in cells),
    )


def _level(cell: CellResult, best: CellResult) -> bool:
    """Say whether rounds enough hold both, and still leave open which is quicker."""
    shared = cell.by_round.keys() & best.by_round.keys()
    return len(shared) >= _FEWEST_ROUNDS and not ratio(cell.by_round, best.by_round).settled


def _smallest(cells: Sequence[CellResult]) -> Smallest | None:
    stores = smallest_first(cells)
    if not stores:
        return None
    best, *others = stores
    lab = next((each for each in others if each.store == LAB), None)
    typed = next((each for each in stores if each.tuning == TYPED), None)
    return Smallest(
        best=best,
        level=tuple(each for each in others if _bytes_of(each, best).estimate <= 1 + NEARLY),
        lab_takes=None if lab is None else _bytes_of(lab, best),
        typed=typed,
        typed_takes=None if typed is None or typed is best else _bytes_of(typed, best),
    )


def _bytes_of(cell: CellResult, best: CellResult) -> Times:
    """Return how many times the bytes of the best; both have stored some."""
    return Times((cell.stored_bytes or 0) / (best.stored_bytes or 1))


def _costs(cells: Sequence[CellResult]) -> tuple[Cost, ...]:
    stores = in_order([cell.store for cell in cells if cell.format != format_of(FLOOR).name])
    formats = dict.fromkeys(store.split(":")[0] for store in stores)
    by_format = {name: [cell for cell in cells if cell.format == name] for name in formats}
    return tuple(_cost(name, mine) for name, mine in by_format.items() if mine)


def _cost(name: str, cells: Sequence[CellResult]) -> Cost:
    ranked = [(asks, quickest_first(asked(cells, asks))) for asks in COSTED]
    smallest = smallest_first(cells)
    return Cost(
        name,
        tuple((question, stores[0]) for question, stores in ranked if stores),
        smallest[0] if smallest else None,
    )


def section(published: Published) -> Section:
    """Return the first screen."""
    html = render(
        "answers.html", found=answers(published.cells), LAB=LAB, of_floor=of_floor, costed=COSTED
    )
    return Section("answers", "The answer", html)
