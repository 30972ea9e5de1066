"""The main chart: time per image from the disk against size, a panel per format."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from platebench.results.questions import (
    TIE_IN_SIZE,
    Question,
    Times,
    answering,
    measured,
    times_of,
)
from platebench.results.ranking import Ranking, rank
from platebench.results.ratios import typical
from platebench.results.report import figure, seconds
from platebench.results.store_words import readable, short_name
from platebench.results.tidy import COMPRESSED, CellResult
from platebench.site.drawing.panel import Panel, Scale, Spot
from platebench.site.drawing.scales import log_scale
from platebench.site.drawing.views import (
    FormatPanel,
    View,
    best_layout,
    by_tuning,
    formats_in,
    listed,
    mark_of,
    panel_for,
    spot_label,
)
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, TIFF_FOLDER

HEADS = ("store", "code", "of raw size", "time per image", "repeat run", "rank")
AXES = "Across: bytes per byte of pixels. Up: milliseconds per image."


@dataclass(frozen=True)
class Place:
    """Where a store lies: its size relative to the pixels, and milliseconds per image.

    `low` and `high` are the 95% interval of the time for a repeat run, None from one round.
    """

    cell: CellResult
    size: float
    ms: float
    low: float | None
    high: float | None

    @property
    def store(self) -> StoreName:
        """The store."""
        return self.cell.store

    def __str__(self) -> str:
        return f"{readable(self.store)}: {figure(self.size)} of raw size, {seconds(self.ms / 1e3)}"


def size_and_speed(
    cells: Sequence[CellResult], question: Question, name: str, only: str = ""
) -> View:
    """Return the view of one question on the cells of one image set. `name` is its name.

    With `only` it has the panel of this format alone, if the format was measured.
    """
    asked = answering(cells, question)
    places = places_of(asked)
    if not places:
        return View(name, question.asked.title, "Not shown: no store was measured.")
    ranking = rank(asked)
    front = pareto_front(places)
    scales = _scales(places)
    shared = f"front-{question.operation}"
    caption = (
        f"{question.asked.timed[:1].upper()}{question.asked.timed[1:]}, divided by the images read."
        " Small stores are on the left, fast ones at the bottom. A panel's line joins the tunings"
        " of its format. Small dots are the other stores. The stepped line is the Pareto front: no"
        " store is both smaller and faster than those on it."
    )
    others = [each for each in cells if each.operation == question.operation]
    return View(
        name,
        finding(asked, ranking),
        caption + _missing(others, places),
        tuple(
            _panel(format_, places, front, scales, shared)
            for format_ in _formats(places)
            if only in ("", format_)
        ),
        HEADS,
        tuple(_row(each, ranking) for each in places),
        AXES,
        _shared(places, front, scales, shared),
    )


def places_of(asked: Sequence[CellResult]) -> list[Place]:
    """Return the stores with a known size and time, without the floor, the smallest first."""
    found = [_place(cell) for cell in measured(asked) if cell.store != FLOOR]
    known = [each for each in found if each is not None]
    return sorted(known, key=lambda each: (each.size, each.ms))


def pareto_front(places: Sequence[Place]) -> list[Place]:
    """Return the stores to which no other is as small and faster, or smaller and as fast.

    By estimates. Which of them are certain is said by the finding and the ranks.
    """
    front: list[Place] = []
    for each in sorted(places, key=lambda each: (each.size, each.ms)):
        if not front or each.ms < front[-1].ms:
            front.append(each)
    return front


def finding(asked: Sequence[CellResult], ranking: Ranking) -> str:
    """Return what size costs in time, as one sentence; ties are named as ties."""
    sized = [each for each in ranking.order if each.bytes_per_pixel_byte]
    if len(sized) < 2:
        return "One store was measured, so nothing can be compared"
    leading = [each for each in sized if each in (ranking.best, *ranking.tied)] or sized[:1]
    lightest = min(leading, key=_size)
    smallest = min(sized, key=_size)
    tied = [each for each in sized if _size(each) <= _size(smallest) * (1 + TIE_IN_SIZE)]
    name = short_name(tied[0].store)
    share = figure(_size(smallest))
    if ranking.one_round:
        return f"{name} is smallest, {share} of raw size; one round leaves the order in time open"
    if lightest in tied:
        return (
            f"{short_name(lightest.store)} is smallest, {share} of raw size, {_no_faster(leading)}"
        )
    begin = (
        f"{short_name(lightest.store)} keeps images in {figure(_size(lightest))} of raw size,"
        f" {_no_faster(leading)}"
        if _size(lightest) < COMPRESSED
        else f"{listed([short_name(each.store) for each in leading])}"
        f" {'tie as' if len(leading) > 1 else 'is'} fastest, at full size"
    )
    takes = times_of(tied[0], ranking.best) if ranking.best is not None else None
    tie = " (tie in size)" if len(tied) > 1 else ""
    return f"{begin}; {name}, the smallest{tie} at {share}, {_costs(takes)}"


def _no_faster(leading: Sequence[CellResult]) -> str:
    return "and none is faster" + (f" ({len(leading)} tie)" if len(leading) > 1 else "")


def _costs(takes: Times | None) -> str:
    if takes is None:
        return "shares no round with it"
    return "is as fast" if takes.open else f"takes {takes} times as long"


def _size(cell: CellResult) -> float:
    return cell.bytes_per_pixel_byte or math.inf


def _place(cell: CellResult) -> Place | None:
    if not cell.bytes_per_pixel_byte or not cell.median_s or not cell.read_images:
        return None
    repeat, each = typical(cell.wall.blocks), 1e3 / cell.read_images
    low, high = (None if end is None else end * each for end in (repeat.low, repeat.high))
    return Place(cell, cell.bytes_per_pixel_byte, cell.median_s * each, low, high)


def _formats(places: Sequence[Place]) -> list[str]:
    return formats_in(each.store for each in places)


def _scales(places: Sequence[Place]) -> tuple[Scale, Scale]:
    return log_scale([each.size for each in places]), log_scale([each.ms for each in places])


def _shared(
    places: Sequence[Place], front: Sequence[Place], scales: tuple[Scale, Scale], name: str
) -> Markup:
    """Return the dots of all stores and the stepped Pareto front, for every panel."""
    panel = Panel(*scales)
    steps = [(front[0].size, scales[1].high)]
    for each in front:
        steps += [(each.size, steps[-1][1]), (each.size, each.ms)]
    panel.line([*steps, (scales[0].high, front[-1].ms)], "front")
    for each in places:
        panel.dot(each.size, each.ms)
    return panel.shared(name)


def _panel(
    format_: str,
    places: Sequence[Place],
    front: Sequence[Place],
    scales: tuple[Scale, Scale],
    shared: str,
) -> FormatPanel:
    """Return a format's panel: its best layout joined by a line, and its other layouts."""
    mine = {each.store: each for each in places if each.store.format == format_}
    layout = best_layout(mine, format_)
    panel = Panel(*scales)
    panel.use(shared)
    lab = next((each for each in places if each.store == TIFF_FOLDER), None)
    if lab is not None and format_ != TIFF_FOLDER.format:
        panel.spots([_spot(lab, "TIFF folder", "reference")])
    for name in dict.fromkeys(store.layout for store in mine):
        joined = [mine[store] for store in by_tuning(mine) if store.layout == name]
        kind = "join" if name == layout else "join thin"
        panel.line([(each.size, each.ms) for each in joined], kind)
    spots = []
    for store in sorted(by_tuning(mine), key=lambda each: each.layout != layout):
        own = store.layout == layout
        label = spot_label(store, layout) if own or mine[store] in front or len(mine) < 7 else ""
        spots.append(_spot(mine[store], label, "own" if own else "own hollow"))
    panel.spots(spots)
    says = "; ".join(str(mine[store]) for store in by_tuning(mine))
    return panel_for(format_, panel.svg(f"{says} per image"))


def _spot(place: Place, label: str, kind: str) -> Spot:
    says = f"{place} per image"
    if place.low is not None and place.high is not None:
        says += f" ({seconds(place.low / 1e3)} to {seconds(place.high / 1e3)})"
    return Spot(place.size, place.ms, mark_of(place.store.format), says, label, kind)


def _row(place: Place, ranking: Ranking) -> tuple[str, ...]:
    ends = ""
    if place.low is not None and place.high is not None:
        ends = f"{seconds(place.low / 1e3)} to {seconds(place.high / 1e3)}"
    return (
        readable(place.store),
        str(place.store),
        figure(place.size),
        seconds(place.ms / 1e3),
        ends,
        ranking.ranks().get(place.store, ""),
    )


def _missing(others: Sequence[CellResult], places: Sequence[Place]) -> str:
    """Return which formats of the same operation have no place in this view."""
    shown = {each.store.format for each in places}
    missing = [name for name in formats_in(each.store for each in others) if name not in shown]
    return f" Not measured so: {', '.join(missing)}." if missing else ""
