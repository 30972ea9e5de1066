"""Ownership of folders: platebench removes and replaces only what it made.

Every folder that platebench makes contains a mark, the file `.platebench-KIND`. A non-empty folder
without the mark belongs to somebody else and is refused.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from platebench.errors import UserError

_PREFIX = ".platebench-"
PACKAGE_MANIFEST = "platebench-package.json"
"""The file that marks a package. It is not hidden: whoever gets a package should see it."""


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder that platebench makes.

    `name` is part of the name of its mark. `what` describes the folder in messages: "a site".
    """

    name: str
    what: str

    def mark_in(self, folder: Path) -> Path:
        """Return the path of the mark in `folder`."""
        return folder / f"{_PREFIX}{self.name}"


def is_marked(folder: Path) -> bool:
    """True if `folder` has a mark of any kind, or is a package. A link to one does not count."""
    if folder.is_symlink():
        return False
    try:
        return any(
            file.name.startswith(_PREFIX) or file.name == PACKAGE_MANIFEST
            for file in folder.iterdir()
        )
    except OSError:
        return False


def marks(folder: Path) -> Sequence[Path]:
    """Return the marks in `folder`, whatever their kind."""
    return sorted(folder.glob(f"{_PREFIX}*"))


def is_ours(folder: Path, kind: FolderKind) -> bool:
    """True if `folder` has a mark of this kind. A link to a marked folder does not count."""
    mark = kind.mark_in(folder)
    return not folder.is_symlink() and mark.is_file() and not mark.is_symlink()


def refuse_others(folder: Path, kind: FolderKind) -> None:
    """Raise UserError unless `folder` is missing, empty, or marked and without foreign files.

    A folder whose mark lists its files is refused if it contains another file.
    """
    if folder.is_symlink():
        raise UserError(f"{folder}: is a link; name the folder itself for {kind.what}")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder}: is a file; name a folder for {kind.what}")
    if is_ours(folder, kind):
        added = _added_by_others(folder, kind)
        if added is not None:
            raise UserError(
                f"{added}: was not made by platebench; move it, then make {kind.what} again"
            )
        return
    if any(folder.iterdir()):
        raise UserError(f"{folder}: holds files that platebench did not make; name an empty folder")


def claim(folder: Path, kind: FolderKind) -> Path:
    """Create or mark `folder` if it is missing or empty, and return it.

    Raises UserError if it belongs to somebody else.
    """
    if not is_ours(folder, kind):
        refuse_others(folder, kind)
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), new_mark(folder, kind):
            pass
    return folder


def remove(folder: Path, kind: FolderKind) -> None:
    """Remove a folder that has a mark of this kind. A missing folder is no error.

    The mark is removed last, so that an interrupted removal can be completed. Raises UserError for
    a folder without the mark, and for one with a file that its mark does not list.
    """
    if not folder.is_symlink() and not folder.exists():
        return
    if not is_ours(folder, kind):
        raise UserError(f"{folder}: was not made by platebench, so it is not removed")
    added = _added_by_others(folder, kind)
    if added is not None:
        raise UserError(f"{added}: was not made by platebench, so {folder} is not removed")
    remove_marked(folder, kind.mark_in(folder))


def discard(path: Path, within: Path, kind: FolderKind) -> None:
    """Remove a file or folder below `within`, which must have a mark of this kind."""
    if not is_ours(within, kind) or within not in path.parents:
        raise UserError(f"{path}: was not made by platebench, so it is not removed")
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def new_mark(folder: Path, kind: FolderKind) -> Iterator[int]:
    """Create a mark that is locked during the block."""
    descriptor = locked_mark(folder, kind)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def locked_mark(folder: Path, kind: FolderKind) -> int:
    """Create a mark in `folder`; return its locked descriptor. Raises FileExistsError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(kind.mark_in(folder), flags, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.pwrite(descriptor, json.dumps({"made by": "platebench", "kind": kind.name}).encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def remove_marked(folder: Path, mark: Path) -> None:
    """Remove a folder; its mark is removed last."""
    for entry in list(folder.iterdir()):
        if entry == mark:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    mark.unlink(missing_ok=True)
    # rmdir fails if somebody added a file in the meantime, which then stays.
    with suppress(OSError):
        folder.rmdir()


def list_files(folder: Path, kind: FolderKind) -> None:
    """List all files below `folder` in its mark."""
    files = [str(file.relative_to(folder)) for file in _files_below(folder)]
    mark = kind.mark_in(folder)
    content = {"made by": "platebench", "kind": kind.name, "files": files}
    mark.write_text(json.dumps(content) + "\n")


def _added_by_others(folder: Path, kind: FolderKind) -> Path | None:
    """Return a file that the mark of `folder` does not list; None without a list or such a file."""
    try:
        content = json.loads(kind.mark_in(folder).read_text())
        listed = set(content["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    listed.add(kind.mark_in(folder).name)
    return next(
        (file for file in _files_below(folder) if str(file.relative_to(folder)) not in listed), None
    )


def _files_below(folder: Path) -> Sequence[Path]:
    """Return all files and links below `folder`, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
