"""Folders for temporary files, outside the work folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platebench.ownership import Lent, sweep

_NAME = "platebench"


_LONGEST = 80
"""Characters of a path below which a socket can have its name: sockaddr_un takes 108 bytes."""


def lent_temporary(short: bool = False) -> Lent:
    """Lend a folder among the system's temporary files, until it is closed.

    Those of processes that were killed are removed first. With `short` its path leaves room for
    the name of a socket, wherever TMPDIR points.
    """
    parent = Path(tempfile.gettempdir())
    if short and len(os.fsencode(parent)) > _LONGEST:
        parent = Path("/tmp")
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
