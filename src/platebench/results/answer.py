"""Which store is fastest for each question, and which to choose for its size.

The lines that a run ends with, `platebench report` and the README all use these answers. The order
of stores comes from `ranking`. There is no winner without a settled order: `winner` is None unless
a repeat run would very likely show the same store first. The smallest and the balanced store are
those of `decision`, for the usual needs, as the page and `platebench advise` choose them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from platebench.results.advice import Basis
from platebench.results.decision import Choice
from platebench.results.needs import AT_RANDOM, Needs
from platebench.results.questions import (
    QUESTIONS,
    Question,
    Times,
    answering,
    answering_best,
    fastest_first,
    headline_image_set,
    measured,
    of_floor,
    of_image_set,
    size_of,
    times_of,
)
from platebench.results.tidy import CellResult
from platebench.stores.registry import TIFF_FOLDER

LAB = TIFF_FOLDER
"""The usual starting point of a lab: a folder of TIFF files, as the microscope's software wrote."""


@dataclass(frozen=True)
class Fastest:
    """The answer to a question of time.

    `tied` are the stores that tie with `best` (see `ranking`). `unsettled` are all stores whose
    order to `best` is not settled: those, and stores with too few shared rounds to tell.
    `lab_takes` is the time of the lab's TIFF folder relative to `best`, None for `best` itself, or
    if they share no round. `stores` is the number of measured stores. `one_round` is True if no
    order is reliable.
    """

    question: Question
    best: CellResult
    tied: tuple[CellResult, ...]
    unsettled: tuple[CellResult, ...]
    lab_takes: Times | None
    stores: int
    one_round: bool

    @property
    def winner(self) -> CellResult | None:
        """The best store, None if the order to any other store is not settled."""
        return None if self.unsettled else self.best

    @property
    def of_floor(self) -> Times | None:
        """The time of the best store, relative to the floor."""
        return of_floor(self.best)


@dataclass(frozen=True)
class Chosen:
    """A store that is chosen for its size, and what the size costs.

    `tied` are the stores that tie with it. `lab_takes` are the bytes of the lab's TIFF folder
    relative to it, `takes` its time for random reads relative to the folder's; each is None for the
    folder itself, and if either was not measured.
    """

    best: CellResult
    tied: tuple[CellResult, ...]
    lab_takes: Times | None
    takes: Times | None


@dataclass(frozen=True)
class Answers:
    """All answers of one run, on one image set of `count` images and `pixel_bytes` of pixels.

    Questions that were not measured on it are answered on another (`Fastest.best.image_set`).
    `smallest` and `balanced` are for the usual needs (`needs.Needs`), None if no store was measured
    on them. `rounds` and `most_rounds` are the smallest and the largest number of rounds of a
    measured cell. `half_width` is the median half-width of the intervals of all answers' times
    relative to the TIFF folder, None without any: 0.1 says that half are narrower than +-10%.
    """

    images: str
    count: int | None
    pixel_bytes: int | None
    fastest: tuple[Fastest, ...]
    smallest: Chosen | None
    balanced: Chosen | None
    rounds: int
    most_rounds: int
    half_width: float | None

    def to(self, question: Question) -> Fastest | None:
        """Return the answer to one question, None if no store was measured."""
        return next((each for each in self.fastest if each.question == question), None)

    def elsewhere(self, answer: Fastest) -> str:
        """Return `128 images` for an answer of another image set than this, else nothing."""
        best = answer.best
        if best.image_set == self.images:
            return ""
        return best.image_set if best.images is None else f"{best.images:,} images"

    @property
    def one_round(self) -> bool:
        """True if no order is reliable, since there was one round."""
        return all(each.one_round for each in self.fastest)


def answers(cells: Sequence[CellResult]) -> Answers | None:
    """Return the answers of a run, None if nothing was measured."""
    images = headline_image_set(cells)
    if images is None:
        return None
    mine = of_image_set(cells, images)
    found = [_fastest(question, answering_best(cells, question, images)) for question in QUESTIONS]
    basis = Basis(mine)
    decision = basis.decide(Needs())
    return Answers(
        images=images,
        count=next((each.images for each in mine if each.images), None),
        pixel_bytes=next((each.set_pixel_bytes for each in mine if each.set_pixel_bytes), None),
        fastest=tuple(each for each in found if each is not None),
        smallest=_chosen(basis, decision.smallest),
        balanced=_chosen(basis, decision.balanced),
        rounds=min(cell.rounds for cell in measured(mine)),
        most_rounds=max(cell.rounds for cell in measured(mine)),
        half_width=_half_width(mine),
    )


def _fastest(question: Question, cells: Sequence[CellResult]) -> Fastest | None:
    ranking = fastest_first(cells, question)
    best, stores = ranking.best, ranking.order
    if best is None:
        return None
    lab = next((each for each in stores[1:] if each.store == LAB), None)
    return Fastest(
        question=question,
        best=best,
        tied=ranking.tied,
        unsettled=tuple(each for each in stores[1:] if not _settled(best, each)),
        lab_takes=None if lab is None else times_of(lab, best),
        stores=len(stores),
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


def _chosen(basis: Basis, choice: Choice | None) -> Chosen | None:
    if choice is None:
        return None
    best, lab = basis.sizes[choice.store], basis.sizes.get(LAB)
    takes = None if choice.store == LAB else basis.pair(choice.store, LAB, AT_RANDOM)
    return Chosen(
        best=best,
        tied=tuple(basis.sizes[store] for store in choice.ties),
        lab_takes=None if lab is None or choice.store == LAB else Times(size_of(lab, best)),
        takes=None if takes is None else Times(takes.estimate, takes.low, takes.high),
    )
