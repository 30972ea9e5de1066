"""Warm against cold: the same reads from the page cache and from the disk, a panel per format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platebench.results.questions import (
    Question,
    Times,
    answering,
    cold,
    headline_image_set,
    measured,
    times_of,
)
from platebench.results.ratios import typical
from platebench.results.report import figure, seconds
from platebench.results.store_words import readable, short_name
from platebench.results.tidy import CellResult
from platebench.site.drawing.panel import RowPanel, RowSpot
from platebench.site.drawing.scales import log_scale
from platebench.site.drawing.views import (
    FormatPanel,
    View,
    best_layout,
    by_tuning,
    formats_in,
    panel_for,
)
from platebench.stores.appearance import Mark
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR

HEADS = ("store", "code", "warm", "cold", "cold, times warm")
AXES = "Milliseconds per image. Circle: from memory (warm). Square: from the disk (cold)."


@dataclass(frozen=True)
class Both:
    """A store's warm and cold cell of one operation, and the ratio of their times."""

    warm: CellResult
    cold: CellResult
    takes: Times | None

    @property
    def store(self) -> StoreName:
        """The store."""
        return self.warm.store


def warm_and_cold(cells: Sequence[CellResult], question: Question, name: str) -> View:
    """Return the view of one operation on the image set with most stores warm and cold.

    `name` is that of the view.
    """
    both = measured_twice(cells, question)
    if not both:
        return View(name, question.asked.title, "Not shown: no store was measured warm and cold.")
    mine = [each for each in both.values() if each.store != FLOOR]
    images = next(iter(both.values())).warm.image_set
    caption = (
        f"Image set {images}. Each format in its best layout; the table has the others. Bars: 95%"
        " interval for a repeat run."
    )
    formats = formats_in(each.store for each in mine)
    return View(
        name,
        finding(mine, question) if mine else question.asked.title,
        caption,
        tuple(_panel(format_, both) for format_ in formats),
        HEADS,
        tuple(_row(each) for each in both.values()),
        AXES,
    )


def measured_twice(cells: Sequence[CellResult], question: Question) -> dict[StoreName, Both]:
    """Return the stores with a warm and a cold time, on the image set with most of them.

    They are in the order of their cells.
    """
    warm, from_disk = (
        {
            (cell.image_set, cell.store): cell
            for cell in measured(answering(cells, each))
            if cell.read_images
        }
        for each in (question, cold(question))
    )
    twice = [key for key in warm if key in from_disk]
    best = headline_image_set(warm[key] for key in twice)
    return {
        key[1]: Both(warm[key], from_disk[key], times_of(from_disk[key], warm[key]))
        for key in twice
        if key[0] == best
    }


def finding(both: Sequence[Both], question: Question) -> str:
    """Return how much longer the disk takes, at least and at most, as one sentence."""
    known = [(each.takes, each.store) for each in both if each.takes is not None]
    if not known:
        return f"{question.asked.title}: warm and cold share no round"
    known.sort(key=lambda each: each[0].estimate)
    (least, first), (most, last) = known[0], known[-1]
    level = sum(takes.open for takes, _ in known)
    if len(known) == 1:
        return f"From the disk, {short_name(first)} takes {least} times as long as from memory"
    same = f"; {level} of {len(known)} are as fast from the disk" if level else ""
    return (
        f"From the disk, reads take {figure(least.estimate)} times ({short_name(first)}) to"
        f" {figure(most.estimate)} times ({short_name(last)}) as long as from memory{same}"
    )


def _panel(format_: str, both: dict[StoreName, Both]) -> FormatPanel:
    layout = best_layout((each for each in both if each.format == format_), format_)
    drawn = [each for each in both if each != FLOOR]
    best = [each for each in drawn if each.layout == best_layout(drawn, each.format)]
    cells = [cell for each in best for cell in (both[each].warm, both[each].cold)]
    panel = RowPanel(
        log_scale([_ms(cell) for cell in cells], [end for c in cells for end in _ends(c)])
    )
    mine = by_tuning(each for each in best if each.format == format_)
    for store in mine:
        pair = both[store]
        takes = "" if pair.takes is None else f"× {figure(pair.takes.estimate)}"
        panel.row(
            store.tuning,
            takes,
            [
                _spot(pair.warm, str(Mark.CIRCLE), "warm"),
                _spot(pair.cold, str(Mark.SQUARE), "cold"),
            ],
        )
    says = "; ".join(
        f"{store.tuning}: warm {seconds(_ms(both[store].warm) / 1e3)},"
        f" cold {seconds(_ms(both[store].cold) / 1e3)}"
        for store in mine
    )
    return panel_for(format_, panel.svg(f"{layout}, per image: {says}"))


def _ms(cell: CellResult) -> float:
    return 1e3 * (cell.median_s or 0.0) / (cell.read_images or 1)


def _ends(cell: CellResult) -> list[float]:
    repeat = typical(cell.wall.blocks)
    if repeat.low is None or repeat.high is None:
        return []
    return [1e3 * end / (cell.read_images or 1) for end in (repeat.low, repeat.high)]


def _spot(cell: CellResult, mark: str, kind: str) -> RowSpot:
    says = f"{readable(cell.store)}, {cell.cache}: {seconds(_ms(cell) / 1e3)} per image"
    ends = _ends(cell)
    return RowSpot(_ms(cell), mark, says, kind, (ends[0], ends[1]) if ends else None)


def _row(both: Both) -> tuple[str, ...]:
    return (
        readable(both.store),
        str(both.store),
        seconds(_ms(both.warm) / 1e3),
        seconds(_ms(both.cold) / 1e3),
        "" if both.takes is None else str(both.takes),
    )
