"""Check sizes against the memory and the disk space of this machine before they are used."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from platebench.errors import UserError

_SHARE_OF_MEMORY = 4
"""An image may take a quarter of memory: several copies are needed to decode and compare it."""


def memory_bytes() -> int:
    """Return the physical memory of this machine in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def refuse_larger_than_memory(what: str, size: int) -> None:
    """Raise UserError if an image of `size` bytes is larger than a quarter of memory."""
    most = memory_bytes() // _SHARE_OF_MEMORY
    if size > most:
        raise UserError(
            f"{what}: claims an image of {gigabytes(size)}; the limit on this machine is"
            f" {gigabytes(most)}"
        )


def require_room(folder: Path, size: int, what: str) -> None:
    """Raise UserError if the disk of `folder` has less than `size` bytes free.

    `folder` need not exist.
    """
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if size > free:
        raise UserError(
            f"{what} need {gigabytes(size)} of disk; {folder} has {gigabytes(free)} free;"
            " make room or name another folder"
        )


def gigabytes(size: int) -> str:
    """Format a size in bytes: 1.4 MB, 88 GB, 413 TB."""
    value, unit = size / 1e6, "MB"
    for larger in ("GB", "TB", "PB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:,.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
