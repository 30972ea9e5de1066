"""Benchmark of storage formats for microscopy images and their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from platebench.viewing.look import Look

__version__ = "0.1.0"


def look(frame: pd.DataFrame, rows: int = 100) -> Look:
    """Show `frame` with thumbnails of its images, in a notebook or as an HTML page.

    Only the first `rows` are shown, at most 100. The data are neither changed nor copied.
    """
    from platebench.viewing.look import Look

    return Look(frame, rows)
