"""A store's name in words, for readers who do not know the names of layouts and tunings."""

from __future__ import annotations

from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.registry import TIFF_FOLDER

LAYOUTS = {
    "tiff": "TIFF bytes",
    "pixels": "raw bytes",
    "tensor": "tensors",
    "nested": "nested lists",
}
TUNINGS = {
    "default": "default settings",
    "fast": "tuned for speed",
    "balanced": "balanced",
    "small": "tuned for size",
}


def in_words(store: StoreName) -> str:
    """Return `Arrow IPC, tensors, tuned for speed` for `arrow-ipc:tensor:fast`."""
    layout = LAYOUTS.get(store.layout, store.layout)
    return f"{format_title(store.format)}, {layout}, {TUNINGS.get(store.tuning, store.tuning)}"


def readable(store: StoreName) -> str:
    """Return `Arrow IPC, raw bytes, tuned for speed`, and `TIFF folder` for what most labs have."""
    title = format_title(store.format)
    if store == TIFF_FOLDER:
        return title
    layouts = {each.layout for each in _stores_of(store.format)}
    layout = [LAYOUTS.get(store.layout, store.layout)] if len(layouts) != 1 else []
    return ", ".join([title, *layout, TUNINGS.get(store.tuning, store.tuning)])


def _stores_of(format_: str) -> list[StoreName]:
    return [store for each in registry.FORMATS if each.name == format_ for store in each.stores]


def short_name(store: StoreName) -> str:
    """Return `Arrow IPC fast`: the format and the tuning, whatever the layout."""
    title = format_title(store.format)
    return title if store == TIFF_FOLDER else f"{title} {store.tuning}"


def format_title(name: str) -> str:
    """Return a format's name as its makers write it; a format without an entry as it is."""
    return next((each.title or name for each in registry.FORMATS if each.name == name), name)
