"""Create folders."""

from __future__ import annotations

import errno
from pathlib import Path

from platebench.errors import UserError


def make_parents(folder: Path) -> None:
    """Create a folder and its parents. Raises UserError on failure, except for a full disk."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        reason = f"cannot be created ({error.strerror}); name another folder"
        raise UserError(f"{folder}: {reason}") from error
