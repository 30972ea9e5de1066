"""Print messages on standard error, one line each, and each line once per process."""

from __future__ import annotations

import sys
from collections.abc import Callable

Say = Callable[[str], None]

_told: set[str] = set()


def say_once(line: str) -> None:
    """Print a line on standard error, unless this process has printed it before."""
    if line not in _told:
        _told.add(line)
        sys.stderr.write(f"platebench: {one_line(line)}\n")


def one_line(text: str) -> str:
    """Return text with control characters, line ends included, as escapes."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
