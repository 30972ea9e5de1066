"""A store's name in words, for readers who do not know the names of layouts and tunings."""

from __future__ import annotations

from platebench.stores.name import StoreName

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
    """Return `arrow-ipc, tensors, tuned for speed` for `arrow-ipc:tensor:fast`."""
    layout = LAYOUTS.get(store.layout, store.layout)
    return f"{store.format}, {layout}, {TUNINGS.get(store.tuning, store.tuning)}"
