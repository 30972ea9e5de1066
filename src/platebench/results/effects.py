"""How much a format's settings matter, against how much the format matters.

A format's *effect* is the time of its first layout with default settings relative to the same
layout tuned for speed. Its *price of size* is the time with the smallest settings, likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platebench.results.questions import Question, Times, answering, measured, times_of
from platebench.results.tidy import CellResult
from platebench.stores import registry

DEFAULT, FAST, SMALL = "default", "fast", "small"


@dataclass(frozen=True)
class Effect:
    """One format, measured with two tunings of its first layout.

    `takes` is the time of `other` relative to `fast` in their shared rounds.
    """

    format: str
    other: CellResult
    fast: CellResult
    takes: Times


def effects(cells: Sequence[CellResult], question: Question, tuning: str = DEFAULT) -> list[Effect]:
    """Return the effect of each format that was measured with `tuning` and `fast`, largest first.

    `cells` are those of one image set. A format without a round in common is left out.
    """
    found = []
    by_store = {cell.store: cell for cell in measured(answering(cells, question))}
    for format_ in registry.FORMATS:
        if format_.name == registry.FLOOR.format:
            continue
        layout = format_.layouts[0]
        mine = {
            name.tuning: cell
            for name, cell in by_store.items()
            if (name.format, name.layout) == (format_.name, layout)
        }
        if tuning in mine and FAST in mine:
            takes = times_of(mine[tuning], mine[FAST])
            if takes is not None:
                found.append(Effect(format_.name, mine[tuning], mine[FAST], takes))
    return sorted(found, key=lambda each: each.takes.estimate, reverse=True)


def spread_of_fast(effects: Sequence[Effect]) -> Times | None:
    """Return the time of the slowest format relative to the fastest one, both tuned for speed.

    None for fewer than two formats, or without a round in common.
    """
    order = sorted(effects, key=lambda each: each.fast.median_s or 0.0)
    return times_of(order[-1].fast, order[0].fast) if len(order) > 1 else None
