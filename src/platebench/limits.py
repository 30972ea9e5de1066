"""What a machine has room for. A size that a file or a user claims is checked before it is used."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from platebench.errors import UserError

_SHARE_OF_MEMORY = 4
"""One image may take a quarter of the memory: it is held decoded, read back and compared."""


def memory_bytes() -> int:
    """Return the physical memory of this machine, in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def refuse_larger_than_memory(what: str, size: int) -> None:
    """Raise UserError when an image of `size` bytes cannot be held in memory several times."""
    most = memory_bytes() // _SHARE_OF_MEMORY
    if size > most:
        raise UserError(
            f"{what}: claims an image of {gigabytes(size)}; on this machine an image may have"
            f" {gigabytes(most)}"
        )


def require_room(folder: Path, size: int, what: str) -> None:
    """Raise UserError when the disk of `folder`, which may not exist yet, has less than `size`."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if size > free:
        raise UserError(
            f"{what} need {gigabytes(size)} of disk; {folder} has {gigabytes(free)} free"
        )


def gigabytes(size: int) -> str:
    """Return a size in bytes as a person says it: 1.4 MB, 88 GB, 413 TB."""
    value, unit = size / 1e6, "MB"
    for larger in ("GB", "TB", "PB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:,.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
