"""Growth: time per image against the number of images, a panel per format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from platebench.results.growth import FEWEST_SIZES, exponent_of
from platebench.results.questions import (
    COLD_SCAN,
    COLD_TAKE,
    SCAN,
    TAKE,
    Question,
    Times,
    answering,
    measured,
    of_floor,
)
from platebench.results.ratios import typical
from platebench.results.report import figure, seconds
from platebench.results.store_words import readable, short_name
from platebench.results.tidy import CellResult
from platebench.site.drawing.panel import Panel, Scale, Spot
from platebench.site.drawing.scales import log_domain, log_scale, tick_words
from platebench.site.drawing.views import (
    FormatPanel,
    View,
    best_layout,
    by_tuning,
    formats_in,
    listed,
    mark_of,
    panel_for,
)
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR

ASKED = (COLD_TAKE, COLD_SCAN, TAKE, SCAN)
"""The first of these with a trend is shown."""

HEADS = ("store", "code", "images", "time per image", "times a bare file", "exponent of images")

ValueOf = Callable[[CellResult], Times | None]
"""Returns what is drawn of a cell."""

Grown = dict[StoreName, list[CellResult]]
"""The cells of each store, the fewest images first."""


def growth(cells: Sequence[CellResult], profile: str) -> tuple[View, ...]:
    """Return the views of all image sets of one profile: relative to the floor, and times."""
    question, grown = _first(cells, profile)
    if question is None:
        why = f"Not shown: no store was measured on {FEWEST_SIZES} or more sizes of image set."
        return (View("Growth", "Growth with the number of images", why),)
    drawn = _best(grown)
    where = "from the disk" if question.cache == "cold" else "from memory"
    caption = (
        f"{question.asked.title}, {where}: image sets of {profile} images of several sizes. Each"
        " format in its best layout; the table has the others, and the exponent of the time per"
        " image over the number of images, with its 95% interval."
    )
    rows = tuple(_row(cell, _exponent(mine)) for mine in grown.values() for cell in mine)
    return tuple(
        View(
            name,
            finding(drawn, of, begin),
            caption,
            panels,
            HEADS,
            rows,
            f"Across: images in the set. Up: {up}.",
        )
        for name, of, begin, up in _WAYS
        if (panels := _panels(drawn, of, up))
    )


def grown_of(cells: Iterable[CellResult], question: Question, profile: str) -> Grown:
    """Return the stores that were measured on enough sizes of image set."""
    by_store: Grown = defaultdict(list)
    for cell in measured(answering(cells, question)):
        if cell.profile == profile and cell.images and cell.read_images:
            by_store[cell.store].append(cell)
    return {
        store: sorted(mine, key=lambda cell: cell.images or 0)
        for store, mine in by_store.items()
        if len({cell.images for cell in mine}) >= FEWEST_SIZES
    }


def finding(grown: Grown, value: ValueOf, begin: str) -> str:
    """Return which stores become slower with the number of images, as one sentence.

    A store counts if it does beyond doubt: the intervals of its smallest and its largest set do
    not overlap.
    """
    slower: list[tuple[float, StoreName]] = []
    for store, mine in grown.items():
        first, last = value(mine[0]), value(mine[-1])
        if first is not None and last is not None and last.estimate > STEEP * first.estimate:
            apart = last.low is None or first.high is None or last.low > first.high
            slower += [(last.estimate / first.estimate, store)] if apart else []
    sizes = {cell.images or 0 for mine in grown.values() for cell in mine}
    span = f"from {min(sizes):,} to {max(sizes):,} images"
    if not slower:
        return f"{begin}, no store of {len(grown)} becomes over {STEEP:g} times slower {span}"
    slower.sort(reverse=True)
    names = listed([short_name(store) for _, store in slower], 2)
    most = f"{'up to ' if len(slower) > 1 else ''}{figure(slower[0][0])} times"
    return (
        f"{begin}, {len(slower)} of {len(grown)} stores become over {STEEP:g} times slower {span}:"
        f" {names}, {most}"
    )


STEEP = 1.5
"""A store whose time per image grows by more than this factor does not scale."""


def _ms(cell: CellResult) -> Times | None:
    repeat, each = typical(cell.wall.blocks), 1e3 / (cell.read_images or 1)
    low, high = (None if end is None else end * each for end in (repeat.low, repeat.high))
    return Times((cell.median_s or 0.0) * each, low, high)


_WAYS: tuple[tuple[str, ValueOf, str, str], ...] = (
    (
        "Times a bare file",
        of_floor,
        "Relative to a bare file",
        "time relative to one bare file with the same bytes",
    ),
    ("Milliseconds per image", _ms, "Per image", "milliseconds per image"),
)


def _best(grown: Grown) -> Grown:
    """Return the stores in the best layout of their format, without the floor."""
    stores = [store for store in grown if store != FLOOR]
    return {
        store: grown[store]
        for store in by_tuning(stores)
        if store.layout == best_layout(stores, store.format)
    }


def _first(cells: Sequence[CellResult], profile: str) -> tuple[Question | None, Grown]:
    for question in ASKED:
        grown = grown_of(cells, question, profile)
        if set(grown) - {FLOOR}:
            return question, grown
    return None, {}


def _panels(grown: Grown, value: ValueOf, unit: str) -> tuple[FormatPanel, ...]:
    every = [cell for mine in grown.values() for cell in mine]
    figures = [found.estimate for cell in every if (found := value(cell))]
    if not figures:
        return ()
    sizes = sorted({cell.images or 1 for cell in every})
    low, high = log_domain(sizes)
    across = Scale(low, high, tuple((size, tick_words(size)) for size in _apart(sizes)))
    return tuple(
        _panel(
            format_,
            {store: mine for store, mine in grown.items() if store.format == format_},
            value,
            unit,
            (across, log_scale(figures)),
        )
        for format_ in formats_in(grown)
    )


def _apart(sizes: Sequence[int]) -> list[int]:
    """Return sizes whose labels do not run into each other: each at least double the one before."""
    found: list[int] = []
    for size in sizes:
        if not found or size >= 2 * found[-1]:
            found.append(size)
    return found if len(found) <= MOST_SIZES else [found[0], *found[2:-1:2], found[-1]]


MOST_SIZES = 6
"""Labels of the horizontal axis."""


def _panel(
    format_: str, grown: Grown, value: ValueOf, unit: str, scales: tuple[Scale, Scale]
) -> FormatPanel:
    panel = Panel(*scales)
    spots = []
    for store, mine in grown.items():
        found = [(cell, ratio) for cell in mine if (ratio := value(cell))]
        panel.line(
            [(cell.images or 1, each.estimate) for cell, each in found], f"join {store.tuning}"
        )
        for cell, each in found:
            says = f"{readable(store)}, {cell.images:,} images: {each} {unit}"
            if cell is found[-1][0]:
                says += f"; exponent of the time per image {_exponent(mine)}"
            label = store.tuning if cell is found[-1][0] else ""
            spots.append(Spot(cell.images or 1, each.estimate, mark_of(format_), says, label))
    panel.spots(spots)
    return panel_for(format_, panel.svg("; ".join(spot.says for spot in spots)))


def _exponent(mine: Sequence[CellResult]) -> str:
    """Return the exponent of a store's time per image, as text."""
    return str(exponent_of([(cell.images or 1, _seconds(cell)) for cell in mine]) or "")


def _seconds(cell: CellResult) -> float:
    return (cell.median_s or 0.0) / (cell.read_images or 1)


def _row(cell: CellResult, exponent: str) -> tuple[str, ...]:
    times = of_floor(cell)
    return (
        readable(cell.store),
        str(cell.store),
        f"{cell.images:,}",
        seconds(_seconds(cell)),
        "" if times is None else str(times),
        exponent,
    )
