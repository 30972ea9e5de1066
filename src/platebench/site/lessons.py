"""What a newcomer should remember, in at most four sentences with figures from one run.

Each sentence is left out if its stores were not measured. Its claim follows from the figures: the
same code says the opposite if a run shows the opposite.
"""

from __future__ import annotations

from collections.abc import Sequence

from platebench.results.answer import LAB
from platebench.results.effects import SMALL, Effect, effects, spread_of_fast
from platebench.results.questions import (
    COLD_SCAN,
    COLD_TAKE,
    SCAN,
    TAKE,
    Question,
    Times,
    answering,
    fastest_first,
    measured,
    times_of,
)
from platebench.results.report import figure
from platebench.results.store_words import format_title, short_name
from platebench.results.tidy import CellResult

TALKED_OF = "lancedb"
"""The format that a talk of 2024, "Images and Databases", called fast."""


def lessons(cells: Sequence[CellResult]) -> list[str]:
    """Return the sentences, for the cells of one image set."""
    taking = first_measured(cells, (COLD_TAKE, TAKE))
    scanning = first_measured(cells, (COLD_SCAN, SCAN))
    said = []
    if taking is not None:
        said += [_settings(cells, taking), _folder(cells, taking)]
    if scanning is not None:
        said.append(_size(cells, scanning))
    if taking is not None:
        said.append(_talk(cells, taking))
    return [each for each in said if each]


def first_measured(cells: Sequence[CellResult], questions: Sequence[Question]) -> Question | None:
    """Return the first of these questions that was measured."""
    return next((each for each in questions if measured(answering(cells, each))), None)


def _where(question: Question) -> str:
    return "from the disk" if question.cache == "cold" else "from the page cache"


def _settings(cells: Sequence[CellResult], question: Question) -> str:
    found = effects(cells, question)
    spread = spread_of_fast(found)
    if not found or spread is None:
        return ""
    most = found[0]
    more = most.takes.estimate > spread.estimate
    claim = (
        "How images are written matters more than the format."
        if more
        else "The format matters more than how images are written."
    )
    return (
        f"{claim} To read 16 single images {_where(question)}, {format_title(most.format)} takes"
        f" {most.takes} times as long with its default settings as with `fast`{_others(found)}."
        f" Among formats tuned `fast`, the slowest takes {spread} times as long as the fastest."
    )


def _others(found: Sequence[Effect]) -> str:
    """Return the next formats, as far as their default settings are slower beyond doubt."""
    slower = [each for each in found[1:4] if each.takes.estimate > 1 and not each.takes.open]
    if not slower:
        return ""
    named = ", ".join(
        f"{format_title(each.format)} {figure(each.takes.estimate)} times" for each in slower
    )
    return f", {named}"


def _folder(cells: Sequence[CellResult], question: Question) -> str:
    order = fastest_first(cells, question)
    best = order.best
    lab = next((cell for cell in order.order if cell.store == LAB), None)
    if best is None or lab is None or order.one_round:
        return ""
    if lab is best or lab in order.tied:
        return f"A plain folder of TIFF files is as fast as any store for this, {_where(question)}."
    takes = times_of(lab, best)
    if takes is None:
        return ""
    return (
        f"A plain folder of TIFF files takes {takes} times as long for this as the fastest store,"
        f" {short_name(best.store)}."
    )


def _size(cells: Sequence[CellResult], question: Question) -> str:
    found = effects(cells, question, SMALL)
    sizes = [each.other.bytes_per_pixel_byte for each in found if each.other.bytes_per_pixel_byte]
    if not sizes:
        return ""
    takes = [each.takes.estimate for each in found]
    return (
        f"The smallest settings keep the images in {_span(sizes)} of the raw size; reading all of"
        f" them {_where(question)} then takes {_span(takes)} times as long as with `fast`."
    )


def _span(values: Sequence[float]) -> str:
    low, high = figure(min(values)), figure(max(values))
    return low if low == high else f"{low} to {high}"


def _talk(cells: Sequence[CellResult], question: Question) -> str:
    order = fastest_first(cells, question)
    best = order.best
    mine = [cell for cell in order.order if cell.store.format == TALKED_OF]
    if best is None or not mine or order.one_round:
        return ""
    quickest = mine[0]
    if quickest is best or quickest in order.tied:
        told: Times | str | None = "as fast as any store for this"
    else:
        takes = times_of(quickest, best)
        told = None if takes is None else f"{takes} times as slow as the fastest store for this"
    if told is None:
        return ""
    return (
        f"\u201cLanceDB feels fast\u201d, said the talk of 2024: today {short_name(quickest.store)}"
        f" is {told}."
    )
