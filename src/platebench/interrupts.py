"""Ctrl-C that is not lost.

Python drops a KeyboardInterrupt that is raised in some of its own callbacks, those around a fork
among them, prints it and goes on. So Ctrl-C is also noted, and whoever starts something long asks.
"""

from __future__ import annotations

import signal
import sys

_noted = False


def watch() -> None:
    """Note Ctrl-C from now on, beside raising KeyboardInterrupt as Python does."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _note)
        sys.unraisablehook = _say_nothing_of_interrupts


def check() -> None:
    """Raise KeyboardInterrupt if there was one, even if Python dropped it."""
    if _noted:
        raise KeyboardInterrupt


def _note(*_: object) -> None:
    global _noted  # noqa: PLW0603 - a signal has nowhere else to leave its word
    _noted = True
    raise KeyboardInterrupt


def _say_nothing_of_interrupts(dropped: sys.UnraisableHookArgs) -> None:
    if not isinstance(dropped.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)
