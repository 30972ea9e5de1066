"""How it is written against which format: a row per format, a point per tuning."""

from __future__ import annotations

from collections.abc import Sequence

from platebench.results.effects import effects, spread_of_fast
from platebench.results.questions import Question, answering, measured
from platebench.results.ratios import typical
from platebench.results.report import seconds
from platebench.results.store_words import format_title, readable
from platebench.results.tidy import CellResult
from platebench.site.drawing.panel import RowPanel, RowSpot
from platebench.site.drawing.scales import log_scale
from platebench.site.drawing.views import (
    FormatPanel,
    View,
    best_layout,
    by_tuning,
    colour_of,
    formats_in,
    mark_of,
)
from platebench.site.lessons import settings_claim
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR

HEADS = ("store", "code", "time per image")
AXES = "Milliseconds per image, one point per tuning."


def how_written(cells: Sequence[CellResult], question: Question, name: str) -> View:
    """Return the view of one question on the cells of one image set. `name` is its name."""
    asked = [each for each in measured(answering(cells, question)) if each.read_images]
    by_store = {each.store: each for each in asked if each.store != FLOOR}
    found = effects(cells, question)
    said = settings_claim(found, spread_of_fast(found), question)
    if said is None:
        why = "Not shown: no two formats were measured with default settings and tuned for speed."
        return View(name, question.asked.title, why)
    claim, explained = (text.replace("`", "") for text in said)
    caption = f"{explained} Each format in its best layout."
    formats = formats_in(by_store)
    best = [
        store
        for format_ in formats
        for store in by_tuning(each for each in by_store if each.format == format_)
        if store.layout == best_layout(by_store, format_)
    ]
    return View(
        name,
        claim.rstrip("."),
        caption,
        (_panel(formats, [by_store[store] for store in best]),),
        HEADS,
        tuple((readable(store), str(store), seconds(_ms(by_store[store]) / 1e3)) for store in best),
        AXES,
    )


def _panel(formats: Sequence[str], cells: Sequence[CellResult]) -> FormatPanel:
    panel = RowPanel(log_scale([_ms(cell) for cell in cells]))
    for format_ in formats:
        mine = [cell for cell in cells if cell.format == format_]
        if mine:
            panel.row(
                format_title(format_),
                "",
                [_spot(cell) for cell in mine],
                colour_of(format_),
            )
    says = "; ".join(f"{readable(cell.store)}: {seconds(_ms(cell) / 1e3)}" for cell in cells)
    return FormatPanel("", "", panel.svg(f"{says} per image"))


def _spot(cell: CellResult) -> RowSpot:
    store: StoreName = cell.store
    says = f"{readable(store)}: {seconds(_ms(cell) / 1e3)} per image"
    return RowSpot(_ms(cell), mark_of(store.format), says, "own", _ends(cell), store.tuning)


def _ms(cell: CellResult) -> float:
    return 1e3 * (cell.median_s or 0.0) / (cell.read_images or 1)


def _ends(cell: CellResult) -> tuple[float, float] | None:
    repeat, count = typical(cell.wall.blocks), cell.read_images or 1
    if repeat.low is None or repeat.high is None:
        return None
    return 1e3 * repeat.low / count, 1e3 * repeat.high / count
