"""What all charts of the page share: views, panels by format, and how a format looks.

A chart has one or more views that a reader chooses from, such as random rows and rows in order. A
view has a finding as its title, a panel per format, and the same figures as a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from platebench.results.store_words import LAYOUTS, format_title
from platebench.stores import appearance
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, FORMATS, TIFF_FOLDER


@dataclass(frozen=True)
class FormatPanel:
    """A panel: its title, the colour of its format, and the drawing."""

    title: str
    colour: str
    svg: Markup


@dataclass(frozen=True)
class View:
    """One view of a chart. `name` is what a reader chooses, `finding` its title.

    `heads` and `rows` are the same figures as a table. Without `panels` the caption says why.
    `shared` is drawn once and used by all panels.
    """

    name: str
    finding: str
    caption: str
    panels: tuple[FormatPanel, ...] = ()
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    axes: str = ""
    shared: Markup | None = None


@dataclass(frozen=True)
class Chart:
    """A chart of the page: its id, what it is about in a few words, and its views."""

    anchor: str
    about: str
    views: tuple[View, ...]


def colour_of(format_: str) -> str:
    """Return the colour of a format; grey if the registry no longer has it."""
    found = next((each.colour for each in FORMATS if each.name == format_), None)
    return str(found or appearance.UNKNOWN_COLOUR)


def mark_of(format_: str) -> str:
    """Return the mark of a format; that of unknown formats if the registry no longer has it."""
    found = next((each.mark for each in FORMATS if each.name == format_), None)
    return str(found or appearance.UNKNOWN_MARK)


def formats_in(stores: Iterable[StoreName]) -> list[str]:
    """Return the formats of these stores without the floor's, in the order of the registry."""
    named = {store.format for store in stores if store.format != FLOOR.format}
    known = [each.name for each in FORMATS if each.name in named]
    return [*known, *sorted(named.difference(known))]


def best_layout(stores: Iterable[StoreName], format_: str) -> str:
    """Return the layout that suits a format best, of those of these stores."""
    drawn = {store.layout for store in stores if store.format == format_}
    variants = next((each.variants for each in FORMATS if each.name == format_), {})
    return next((layout for layout in variants if layout in drawn), min(drawn))


def panel_for(format_: str, svg: Markup) -> FormatPanel:
    """Return the panel of a format with its title and colour."""
    return FormatPanel(format_title(format_), colour_of(format_), svg)


TUNINGS = ("default", "fast", "balanced", "small")


def by_tuning(stores: Iterable[StoreName]) -> list[StoreName]:
    """Return stores in the order in which their tunings are joined, other tunings last."""
    places = {tuning: place for place, tuning in enumerate(TUNINGS)}
    return sorted(stores, key=lambda each: (places.get(each.tuning, len(places)), each))


def spot_label(store: StoreName, layout: str) -> str:
    """Return what is drawn beside a store in its format's panel, which is about one layout."""
    if store == TIFF_FOLDER:
        return "default (most labs)"
    if store.layout == layout:
        return store.tuning
    return f"{LAYOUTS.get(store.layout, store.layout)}, {store.tuning}"


def listed(parts: Sequence[str], most: int = 3) -> str:
    """Return the first parts as a sentence lists them, and the number of others."""
    named = list(dict.fromkeys(parts))
    if len(named) > most + 1:
        named = [*named[:most], f"{len(named) - most} more"]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
