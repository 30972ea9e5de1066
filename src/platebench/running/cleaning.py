"""List what a work folder holds, with size and age, and remove it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platebench.images.decoded_cache import KIND
from platebench.ownership import FolderKind, is_ours, remove
from platebench.running.arms import CHECKOUT, ENVIRONMENT
from platebench.timing.workspace import MARK, STORED, Workspace

BEFORE_MARKS = ("arms", "checkouts", "environments", "images", "scratch", "stores")
"""Folders in `.platebench` from versions without marks. They are never removed."""

_DAY_S = 86400


@dataclass(frozen=True)
class Kept:
    """One thing in a work folder: its path, bytes on the disk, and days since it changed.

    `kind` is its mark, `what` its description for the user.
    """

    what: str
    name: str
    path: Path
    kind: FolderKind
    bytes: int
    days: float


def kept(workspace: Workspace) -> list[Kept]:
    """Return what a work folder holds, largest first. Things without a mark are left out."""
    root = workspace.root
    if not is_ours(root, MARK):
        return []
    return sorted(_found(root), key=lambda each: -each.bytes)


def free(workspace: Workspace, things: Sequence[Kept]) -> None:
    """Remove these. Raises UserError while a command measures in the work folder."""
    with workspace.measuring():
        for each in things:
            remove(each.path, each.kind)
            with suppress(OSError):  # the folder of an image set whose last store has gone
                if each.kind == STORED:
                    each.path.parent.rmdir()


def unmarked(platebench: Path) -> list[Path]:
    """Return folders of older versions in `.platebench`, for the user to remove."""
    return [platebench / name for name in BEFORE_MARKS if (platebench / name).is_dir()]


def disk_bytes(path: Path) -> int:
    """Return the bytes of all files at or below `path`; a file with two names counts once."""
    found = {}
    for file in path.rglob("*"):
        stat = file.lstat()
        if not file.is_dir() or file.is_symlink():
            found[stat.st_dev, stat.st_ino] = stat.st_size
    return sum(found.values())


def _found(root: Path) -> Iterator[Kept]:
    kinds = {
        "image set": ("images/*", KIND),
        "stored files": ("stores/*/*", STORED),
        "environment": ("environments/*", ENVIRONMENT),
        "checkout": ("checkouts/*", CHECKOUT),
        "arm": ("arms/*", MARK),
    }
    now = time.time()
    for what, (pattern, kind) in kinds.items():
        for path in root.glob(pattern):
            if is_ours(path, kind):
                name = str(path.relative_to(root / pattern.partition("/")[0]))
                days = (now - _changed(path)) / _DAY_S
                yield Kept(what, name, path, kind, disk_bytes(path), max(days, 0.0))


def _changed(path: Path) -> float:
    """Return when a folder or its direct content changed last, in seconds since 1970."""
    return max(each.lstat().st_mtime for each in (path, *path.iterdir()))
