"""The first screen: which store is fastest and which is smallest, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platebench.results.answer import LAB, answers
from platebench.results.questions import (
    SCAN,
    TAKE,
    WRITE,
    Question,
    fastest_first,
    in_order,
    of_floor,
    of_image_set,
    smallest_first,
)
from platebench.results.store_words import in_words
from platebench.results.tidy import CellResult
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.stores.registry import FLOOR, format_of

COSTED = (TAKE, SCAN, WRITE)
"""The questions for which each format's best store is shown."""


@dataclass(frozen=True)
class Cost:
    """The best of one format: its fastest store by question, and its smallest."""

    format: str
    fastest: tuple[tuple[Question, CellResult], ...]
    smallest: CellResult | None


def costs(cells: Sequence[CellResult]) -> tuple[Cost, ...]:
    """Return the best of each format on one image set."""
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
    found = answers(published.cells)
    html = render(
        "answers.html",
        found=found,
        costs=() if found is None else costs(of_image_set(published.cells, found.images)),
        LAB=LAB,
        of_floor=of_floor,
        costed=COSTED,
        in_words=in_words,
    )
    return Section("answers", "The answer", html)
