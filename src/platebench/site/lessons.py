"""What a newcomer should remember of one run: three points, each a claim and its figures.

A point is left out if its stores were not measured. Its claim follows from the figures: the same
code says the opposite if a run shows the opposite. Reads from the disk come before reads from the
page cache, since most readers have more data than memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from platebench.results.answer import LAB, Answers, Chosen, Fastest, answers
from platebench.results.effects import Effect, effects, spread_of_fast
from platebench.results.questions import (
    COLD_SCAN,
    COLD_TAKE,
    SCAN,
    TAKE,
    Question,
    Times,
    answering,
    measured,
)
from platebench.results.report import figure
from platebench.results.store_words import format_title, short_name
from platebench.results.tidy import CellResult
from platebench.stores.name import StoreName

TB = 10
"""Sizes are said for so many TB of pixels, about what a screen has."""

SAVES = 1.1
"""A compromise is named if a folder of TIFF files has this many times its bytes."""

NAMED = 3
"""The number of tied stores that are named; others are counted."""

_CLAIMS: Mapping[tuple[bool, ...], str] = {
    (True, True): "A folder of TIFF files is as fast as any store.",
    (True, False): "A folder of TIFF files is fast for single images, not for whole sets.",
    (False, True): "A folder of TIFF files is fast for whole sets, not for single images.",
    (False, False): "Other stores are faster than a folder of TIFF files.",
}
"""By whether no store is faster than the folder for single images, and to read everything."""


def lessons(cells: Sequence[CellResult]) -> list[str]:
    """Return the points as Markdown, for the cells of one image set."""
    found = answers(cells)
    if found is None:
        return []
    taking, scanning = _asked(found, COLD_TAKE, TAKE), _asked(found, COLD_SCAN, SCAN)
    points = [
        "" if taking is None else _settings(cells, taking.question),
        _speed(taking, scanning),
        _size(found),
    ]
    return [each for each in points if each]


def first_measured(cells: Sequence[CellResult], questions: Sequence[Question]) -> Question | None:
    """Return the first of these questions that was measured."""
    return next((each for each in questions if measured(answering(cells, each))), None)


def _asked(found: Answers, *questions: Question) -> Fastest | None:
    """Return the answer to the first of these questions that was measured."""
    return next((said for each in questions if (said := found.to(each)) is not None), None)


def _where(question: Question) -> str:
    return "from the disk" if question.cache == "cold" else "from memory"


def settings_claim(
    found: Sequence[Effect], spread: Times | None, question: Question
) -> tuple[str, str] | None:
    """Return whether the format or its settings matter more, and the figures that say so.

    `found` are the effects of `question`, `spread` is that of their fast stores. None without both.
    """
    if not found or spread is None:
        return None
    most = found[0]
    if _overlap(most.takes, spread):
        claim = "How images are written matters as much as the format (tie)."
    elif most.takes.estimate > spread.estimate:
        claim = "How images are written matters more than the format."
    else:
        claim = "The format matters more than how images are written."
    return (
        claim,
        f"To read single images {_where(question)}, {format_title(most.format)} takes"
        f" {most.takes} times as long with its default settings as with `fast`{_others(found)}."
        f" With `fast`, the slowest format takes {spread} times as long as the fastest.",
    )


def _overlap(one: Times, other: Times) -> bool:
    """Return True if two intervals overlap, so a repeat run may show the other order."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high


def _settings(cells: Sequence[CellResult], question: Question) -> str:
    """Return whether the format or its settings matter more, for single images."""
    found = effects(cells, question)
    said = settings_claim(found, spread_of_fast(found), question)
    return "" if said is None else f"**{said[0]}** {said[1]}"


def _others(found: Sequence[Effect]) -> str:
    """Return the next formats, as far as their default settings are slower beyond doubt."""
    slower = [each for each in found[1:3] if each.takes.estimate > 1 and not each.takes.open]
    named = " and ".join(
        f"{format_title(each.format)} {figure(each.takes.estimate)} times" for each in slower
    )
    return f", {named}" if named else ""


def _speed(taking: Fastest | None, scanning: Fastest | None) -> str:
    """Return the fastest stores for single images and for all, against a folder of TIFF files."""
    both = [(taking, "Fastest for single images"), (scanning, "Fastest to read everything")]
    asked = [(each, begin) for each, begin in both if each is not None and _compared(each)]
    level = tuple(LAB in _leading(each) for each, _ in asked)
    known = all(LAB in _leading(each) or each.lab_takes is not None for each, _ in asked)
    claim = _CLAIMS.get(level, "") if known else ""
    said = [_fastest(each, begin) for each, begin in asked]
    return " ".join([f"**{claim}**", *said] if claim else said)


def _compared(answer: Fastest) -> bool:
    """Return True if stores were compared with each other, in several rounds."""
    return answer.stores > 1 and not answer.one_round


def _leading(answer: Fastest) -> list[StoreName]:
    """Return the fastest store and those whose order to it is not settled, the lab's first."""
    stores = [cell.store for cell in (answer.best, *answer.unsettled)]
    return sorted(stores, key=lambda store: store != LAB)


def _fastest(answer: Fastest, begin: str) -> str:
    """Return which stores are fastest, how fast the best is, and how it compares with the lab's."""
    stores = _leading(answer)
    tie = " (tie)" if len(stores) > 1 else ""
    rate = f", {answer.best.images_per_s:,.0f} images/s" if answer.best.images_per_s else ""
    takes = answer.lab_takes
    lab = ""
    if takes is not None and LAB not in stores:
        lab = f". A folder of TIFF files takes {takes} times as long"
    return f"{begin} {_where(answer.question)}: {_listed(stores)}{tie}{rate}{lab}."


def _size(found: Answers) -> str:
    """Return the TB that the smallest store and the balanced one keep, and what they cost."""
    smallest, balanced = found.smallest, found.balanced
    if smallest is None:
        return ""
    said = (
        f"**{TB} TB of images fit into {_terabytes(smallest.best)} without loss.** The smallest"
        f" store is {_named(smallest)}"
    )
    if smallest.takes is not None:
        said += f". {_single(smallest.takes)}"
    if balanced is None or balanced.takes is None or found.one_round:
        return f"{said}."
    saves = balanced.lab_takes is not None and balanced.lab_takes.estimate > SAVES
    if saves and balanced.best.store != smallest.best.store:
        said += f". A compromise is {_named(balanced)}: {_terabytes(balanced.best)}"
        said += f". {_single(balanced.takes)}"
    return f"{said}."


def _named(chosen: Chosen) -> str:
    stores = [cell.store for cell in (chosen.best, *chosen.tied)]
    return f"{_listed(stores)}{' (tie)' if chosen.tied else ''}"


def _single(takes: Times) -> str:
    """Return how long single images take, relative to the folder of TIFF files."""
    if takes.open:
        return "It reads single images as fast as a folder of TIFF files"
    return f"It takes {takes} times as long to read single images as a folder of TIFF files"


def _terabytes(cell: CellResult) -> str:
    """Return what a store keeps `TB` terabytes of pixels in."""
    return f"{TB * (cell.bytes_per_pixel_byte or 0.0):.1f} TB"


def _listed(stores: Sequence[StoreName]) -> str:
    """Return the first stores by name, and the number of others."""
    names = list(dict.fromkeys(map(short_name, stores)))
    named = list(islice(names, NAMED))
    more = len(names) - len(named)
    parts = [*named, *([f"{more} more"] if more else [])]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
