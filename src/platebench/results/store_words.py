"""A store's name in words, for readers who do not know the names of layouts and tunings."""

from __future__ import annotations

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


def in_words(store: str) -> str:
    """Return `arrow-ipc, tensors, tuned for speed` for `arrow-ipc:tensor:fast`."""
    format_, layout, tuning = store.split(":")
    return f"{format_}, {LAYOUTS.get(layout, layout)}, {TUNINGS.get(tuning, tuning)}"
