"""The site as a whole: its sections in their order, written as one folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from platebench.site.published import Published
from platebench.site.section import Section

SectionOf = Callable[[Published], Section | None]
"""Makes a section of what is published; None when there is nothing to show, which it says not."""

SECTIONS: tuple[SectionOf, ...] = ()
"""In the order of the page."""


def build(results: Path, out: Path) -> Path:
    """Write the site made from `results` into the folder `out`, and return its first page."""
    raise NotImplementedError
