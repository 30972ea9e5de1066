"""Folders under construction and scratch folders, and removal of those of dead processes.

A draft is a folder beside its destination, `.NAME.platebench-XXXXXXXX`, and its mark is locked. The
kernel releases the lock when the process ends, however it ends. A draft with an unlocked mark was
therefore left by a dead process and may be removed.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from platebench.folders import make_parents
from platebench.locks import try_lock
from platebench.ownership import (
    FolderKind,
    list_files,
    locked_mark,
    marks,
    new_mark,
    refuse_others,
    remove_marked,
)

_DRAFT = ".platebench-"
_LONGEST_NAME = 200
"""Bytes of a name that leave room for prefix and suffix: file systems allow 255."""
_SECONDS_UNMARKED = 60
"""After that time an empty draft has no owner: a living process marks it within milliseconds."""
_SCRATCH = FolderKind("scratch", "a scratch folder")


@contextmanager
def made_anew(folder: Path, kind: FolderKind, with_list: bool = False) -> Iterator[Path]:
    """Yield an empty draft that replaces `folder` at the end, or is removed on an error.

    An existing folder is replaced atomically (renameat2 with RENAME_EXCHANGE), so other processes
    see either the old folder or the new one. With `with_list`, the mark lists every file; a file
    that somebody adds later prevents the folder from being replaced. Raises UserError if `folder`
    belongs to somebody else.
    """
    folder = folder.absolute()
    refuse_others(folder, kind)
    make_parents(folder.parent)
    sweep(folder.parent, folder.name)
    with _draft(folder.parent, folder.name, kind) as draft:
        yield draft
        if with_list:
            list_files(draft, kind)
        refuse_others(folder, kind)
        swap(draft, folder)


class Lent:
    """A scratch folder that exists until `close`. After a crash, `sweep` removes it."""

    def __init__(self, path: Path, mark: int) -> None:
        self.path = path
        self._mark = mark

    @classmethod
    def below(cls, parent: Path, name: str = "scratch") -> Lent:
        """Create a new folder in `parent`."""
        make_parents(parent)
        path = Path(tempfile.mkdtemp(prefix=f".{name[:_LONGEST_NAME]}{_DRAFT}", dir=parent))
        return cls(path, locked_mark(path, _SCRATCH))

    @classmethod
    def resumed(cls, parent: Path, name: str, suits: Callable[[Path], bool]) -> Lent | None:
        """Take over a folder that a dead process left in `parent` for this name.

        `suits` says of a folder whether it can be used. Returns None if there is none.
        """
        begins = f".{name[:_LONGEST_NAME]}{_DRAFT}"
        for path in sorted(parent.iterdir()) if parent.is_dir() else []:
            mark = _SCRATCH.mark_in(path)
            mine = path.name.startswith(begins) and not path.is_symlink() and path.is_dir()
            if not mine or not _is_of_this_user(path) or mark.is_symlink() or not mark.is_file():
                continue
            descriptor = os.open(mark, os.O_RDWR | os.O_CLOEXEC)
            if try_lock(descriptor) and suits(path):
                return cls(path, descriptor)
            os.close(descriptor)
        return None

    def leave(self) -> None:
        """Keep the folder for a later process, to take over (`resumed`) or to sweep away."""
        if self._mark >= 0:
            os.close(self._mark)
            self._mark = -1

    def close(self) -> None:
        """Remove the folder if it still exists."""
        if self._mark >= 0:
            try:
                remove_marked(self.path, _SCRATCH.mark_in(self.path))
            finally:
                os.close(self._mark)
                self._mark = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()


def sweep(parent: Path, name: str | None = None) -> None:
    """Remove drafts and lent folders that dead processes left in `parent`.

    With `name`, only those for that name. Folders without a mark and those of living processes
    stay.
    """
    try:
        entries = [path.name for path in parent.iterdir() if not path.is_symlink()]
    except OSError:
        return
    begins = None if name is None else f".{name[:_LONGEST_NAME]}{_DRAFT}"
    for entry in entries:
        mine = _DRAFT in entry and entry.startswith(begins or ".")
        # Only the user's own folders: others could change their contents before the removal.
        if mine and (parent / entry).is_dir() and _is_of_this_user(parent / entry):
            _sweep_one(parent / entry)


@contextmanager
def _draft(parent: Path, name: str, kind: FolderKind) -> Iterator[Path]:
    """Create a marked draft folder, and remove it at the end unless it was renamed."""
    draft = Path(tempfile.mkdtemp(prefix=f".{name[:_LONGEST_NAME]}{_DRAFT}", dir=parent))
    # mkdtemp creates a folder with mode 0700; the final folder gets the default mode.
    draft.chmod(0o777 & ~_umask())
    try:
        with new_mark(draft, kind):
            yield draft
    finally:
        if draft.exists():
            remove_marked(draft, kind.mark_in(draft))


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _is_of_this_user(path: Path) -> bool:
    return path.lstat().st_uid == os.geteuid()


def _sweep_one(draft: Path) -> None:
    for mark in marks(draft):
        if mark.is_symlink() or not mark.is_file():
            continue
        with suppress(OSError), mark.open("r+b") as opened:
            if try_lock(opened.fileno()):
                remove_marked(draft, mark)
    # A process that was killed before it made the mark, or after it had removed it.
    with suppress(OSError):
        if time.time() - draft.stat().st_mtime > _SECONDS_UNMARKED:
            draft.rmdir()  # fails unless it is empty


_EXCHANGE = 2
_AT_CWD = -100


def swap(draft: Path, folder: Path) -> None:
    """Move `draft` to `folder`. An existing folder is then at `draft`."""
    if not folder.exists():
        draft.rename(folder)
    elif not _exchange(draft, folder):
        # No atomic exchange on this file system. For a moment, other processes see no folder.
        aside = draft.with_name(f"{draft.name}.old")
        folder.rename(aside)
        draft.rename(folder)
        aside.rename(draft)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths by renameat2(2); return False if the system does not support it."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    done = rename(_AT_CWD, os.fsencode(one), _AT_CWD, os.fsencode(other), _EXCHANGE)
    return bool(done == 0)
