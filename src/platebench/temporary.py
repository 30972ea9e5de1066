"""Folders for temporary files, outside the work folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platebench.ownership import Lent, sweep

_NAME = "platebench"


def lent_temporary() -> Lent:
    """Lend a folder among the system's temporary files, until it is closed.

    Those of processes that were killed are removed first.
    """
    parent = Path(tempfile.gettempdir())
    sweep(parent, _NAME)
    return Lent.below(parent, _NAME)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Lend an empty folder among the system's temporary files, and remove it afterwards."""
    with lent_temporary() as lent:
        # Beside the mark that says whose the folder is, so that this one is empty.
        folder = lent.path / "files"
        folder.mkdir()
        yield folder
