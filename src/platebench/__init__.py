"""platebench measures in which storage format microscopy images should be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from platebench.viewing.look import Look

__version__ = "0.1.0"


def look(frame: pd.DataFrame, rows: int = 100) -> Look:
    """Return `frame` as a table that shows its images, in a notebook or saved as a page.

    Only the first `rows` are shown, 100 at most; the data are neither changed nor copied.
    """
    from platebench.viewing.look import Look

    return Look(frame, rows)
