"""The first screen: which store is fastest and which is smallest, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platebench.results.questions import (
    QUESTIONS,
    SCAN,
    TAKE,
    WRITE,
    Question,
    Times,
    answering,
    fastest_first,
    headline_image_set,
    in_order,
    of_floor,
    of_image_set,
    size_of,
    smallest_first,
    times_of,
)
from platebench.results.store_words import in_words
from platebench.results.tidy import CellResult
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, TIFF_FOLDER, format_of

LAB = TIFF_FOLDER
"""The usual starting point of a lab: a folder of TIFF files, as the microscope's software wrote."""

TYPED = "default"
"""The tuning of a store with the settings of its quick start."""


@dataclass(frozen=True)
class Fastest:
    """The answer to a question of time.

    `tied` are the stores that tie with `best` (see `ranking`). `lab_takes` is the time of the lab's
    TIFF folder relative to `best`, `typed_takes` that of `typed`, the fastest store with default
    settings; each is None for `best` itself, or if they share no round. `stores` is the number of
    measured stores, `failed` and `skipped` those of failed and skipped cells. `one_round` is True
    if no order is reliable.
    """

    question: Question
    best: CellResult
    tied: tuple[CellResult, ...]
    lab_takes: Times | None
    typed: CellResult | None
    typed_takes: Times | None
    stores: int
    failed: int
    skipped: int
    one_round: bool

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

    `tied` are as small within 1%. `lab_takes` and `typed_takes` are bytes relative to `best`.
    `speed_range` is the ratio of the slowest to the fastest of the smallest stores for random
    reads, None if fewer than two were measured.
    """

    best: CellResult
    tied: tuple[CellResult, ...]
    lab_takes: Times | None
    typed: CellResult | None
    typed_takes: Times | None
    speed_range: float | None


COSTED = (TAKE, SCAN, WRITE)
"""The questions for which each format's best store is shown."""


@dataclass(frozen=True)
class Cost:
    """The best of one format: its fastest store by question, and its smallest."""

    format: str
    fastest: tuple[tuple[Question, CellResult], ...]
    smallest: CellResult | None


@dataclass(frozen=True)
class Answers:
    """All answers of one run, on one image set of `count` images and `pixel_bytes` of pixels."""

    images: str
    count: int | None
    pixel_bytes: int | None
    fastest: tuple[Fastest, ...]
    smallest: Smallest | None
    costs: tuple[Cost, ...]

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
        costs=_costs(mine),
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
        lab_takes=None if lab is None else times_of(lab, best),
        typed=typed,
        typed_takes=None if typed is None or typed is best else times_of(typed, best),
        stores=len(stores),
        failed=sum(cell.status == "failed" for cell in mine),
        skipped=sum(cell.status == "skipped" for cell in mine),
        one_round=ranking.one_round,
    )


def _smallest(cells: Sequence[CellResult]) -> Smallest | None:
    by_size = smallest_first(cells)
    best, stores = by_size.best, by_size.order
    if best is None:
        return None
    lab = next((each for each in stores[1:] if each.store == LAB), None)
    typed = next((each for each in stores if each.tuning == TYPED), None)
    return Smallest(
        best=best,
        tied=by_size.tied,
        lab_takes=None if lab is None else Times(size_of(lab, best)),
        typed=typed,
        typed_takes=None if typed is None or typed is best else Times(size_of(typed, best)),
        speed_range=_speed_range(cells, {best.store, *(cell.store for cell in by_size.tied)}),
    )


def _speed_range(cells: Sequence[CellResult], stores: set[StoreName]) -> float | None:
    """Return the slowest time of random reads of these stores relative to the fastest."""
    order = [cell for cell in fastest_first(cells, TAKE).order if cell.store in stores]
    if len(order) < 2:
        return None
    times = times_of(order[-1], order[0])
    return None if times is None else times.estimate


def _costs(cells: Sequence[CellResult]) -> tuple[Cost, ...]:
    stores = in_order([cell.store for cell in cells if cell.format != format_of(FLOOR).name])
    formats = dict.fromkeys(store.format for store in stores)
    ranked = [(question, fastest_first(cells, question).order) for question in COSTED]
    by_size = smallest_first(cells).order
    return tuple(_cost(name, ranked, by_size) for name in formats)


def _cost(
    name: str,
    ranked: Sequence[tuple[Question, Sequence[CellResult]]],
    by_size: Sequence[CellResult],
) -> Cost:
    firsts = [
        (question, next((cell for cell in order if cell.format == name), None))
        for question, order in ranked
    ]
    return Cost(
        name,
        tuple((question, cell) for question, cell in firsts if cell is not None),
        next((cell for cell in by_size if cell.format == name), None),
    )


def section(published: Published) -> Section:
    """Return the first screen."""
    html = render(
        "answers.html",
        found=answers(published.cells),
        LAB=LAB,
        of_floor=of_floor,
        costed=COSTED,
        in_words=in_words,
    )
    return Section("answers", "The answer", html)
