"""Temporary folders outside the work folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platebench.drafts import Lent, sweep

_NAME = "platebench"

_LONGEST = 64
"""Maximum length of a parent's path that leaves room for a socket.

sockaddr_un has 108 bytes with the final zero. The folder's name takes 32 of them.
"""


def lent_temporary(short: bool = False) -> Lent:
    """Create a folder in the system's temporary folder; `close` removes it.

    Folders of killed processes are removed first. With `short`, the path leaves room for the name
    of a socket, even if TMPDIR is long.
    """
    parent = Path(tempfile.gettempdir())
    if short and len(os.fsencode(parent)) > _LONGEST:
        parent = Path("/tmp")
    sweep(parent, _NAME)
    return Lent.below(parent, _NAME)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Create an empty folder in the system's temporary folder, and remove it at the end."""
    with lent_temporary() as lent:
        # A subfolder, because the lent folder contains the ownership mark.
        folder = lent.path / "files"
        folder.mkdir()
        yield folder
