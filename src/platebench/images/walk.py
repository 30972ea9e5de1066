"""List the regular files below a folder, and what was left out and why.

One walk finds both images and tables, so both leave out the same entries. No file is opened.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from platebench.errors import UserError
from platebench.ownership import is_marked

LINKED_FOLDER = "linked folder"


@dataclass
class Counted:
    """Files, images and tables of an image set, and what was left out, by name and reason.

    `uneven` says which sites lack a channel or plane, None if none does. `unmatched` are the names
    of TIFF files that a given pattern does not fit; their places are unknown.
    """

    files: int = 0
    images: int = 0
    tables: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    uneven: str | None = None
    unmatched: list[str] = field(default_factory=list)

    def said(self) -> str:
        """Summarize in one line: 12 files, 60 images, 1 table (wells); left out: 1 link (a)."""
        line = f"{_many(self.files, 'file')}, {_many(self.images, 'image')}"
        if self.tables:
            more = "" if len(self.tables) == 1 else ", ..."
            line += f", {_many(len(self.tables), 'table')} ({self.tables[0]}{more})"
        for note in self.notes():
            line += f"; {note}"
        reasons = Counter(why for _, why in self.left_out)
        if not reasons:
            return line
        parts = [
            f"{_many(count, why)} ({self._names(why, count)})" for why, count in reasons.items()
        ]
        return f"{line}; left out: {', '.join(parts)}"

    def notes(self) -> list[str]:
        """Say which files the pattern does not fit, and which sites lack images."""
        notes = []
        if self.unmatched:
            more = ", ..." if len(self.unmatched) > 1 else ""
            many = _many(len(self.unmatched), "file")
            notes.append(f"the pattern does not fit {many} ({self.unmatched[0]}{more})")
        if self.uneven is not None:
            notes.append(self.uneven)
        return notes

    def _names(self, why: str, count: int) -> str:
        first = next(name for name, other in self.left_out if other == why)
        return first if count == 1 else f"{first}, ..."


@dataclass
class Walked:
    """Regular files below `folder`, sorted, and what was left out, by path and reason."""

    folder: Path
    files: list[Path] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def leave_out(self, path: Path, why: str) -> None:
        """Record a path that is left out, and why."""
        self.left_out.append((shown(path.relative_to(self.folder)), why))


def refuse(path: Path, error: UserError) -> None:
    """Raise the error of a file."""
    raise error


def walk(
    folder: Path,
    endings: Collection[str],
    on_error: Callable[[Path, UserError], None] = refuse,
    is_unit: Callable[[Path], bool] = lambda folder: False,
) -> Walked:
    """Return the files in `folder` and its subfolders whose names end in one of `endings`.

    Links to files are followed; links to folders are not. The walk leaves out folders that
    platebench made, linked and unreadable folders, AppleDouble files (`._x.tif`), and everything
    that is not a regular file.

    A folder that `is_unit` is taken as one file; what is below it is not listed.

    Raises UserError if `folder` itself cannot be read. For a broken link and a name that is not
    UTF-8, `on_error` is called with the path and a UserError; by default it raises the error.
    """
    walked = Walked(folder)
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            entries = sorted(place.iterdir())
        except OSError as error:
            if place == folder:
                raise UserError(f"{shown(folder)}: cannot be read ({error.strerror})") from error
            walked.leave_out(place, "unreadable folder")
            continue
        for entry in entries:
            try:
                _sort(walked, entry, endings, waiting, is_unit)
            except UserError as error:
                on_error(entry, error)
    walked.files.sort()
    return walked


def _sort(
    walked: Walked,
    entry: Path,
    endings: Collection[str],
    waiting: list[Path],
    is_unit: Callable[[Path], bool],
) -> None:
    """Sort an entry of a folder into files, folders to walk, or what is left out."""
    wanted = entry.name.lower().endswith(tuple(endings))
    try:
        is_link = entry.is_symlink()
        mode = entry.stat().st_mode
    except OSError as error:
        if wanted:
            raise UserError(f"{shown(entry)}: cannot be read ({error.strerror})") from error
        return
    if stat.S_ISDIR(mode):
        if is_link:
            walked.leave_out(entry, LINKED_FOLDER)
        elif is_marked(entry):
            walked.leave_out(entry, "folder made by platebench")
        elif is_unit(entry):
            require_text(entry.relative_to(walked.folder), entry)
            walked.files.append(entry)
        else:
            waiting.append(entry)
    elif not wanted:
        return
    elif not stat.S_ISREG(mode):
        walked.leave_out(entry, "special file")
    elif entry.name.startswith("._"):
        walked.leave_out(entry, "AppleDouble file")
    else:
        require_text(entry.relative_to(walked.folder), entry)
        walked.files.append(entry)


def require_text(name: Path, path: Path) -> None:
    """Raise UserError if a file's name is not UTF-8, which the image table cannot store."""
    try:
        str(name).encode()
    except UnicodeEncodeError:
        raise UserError(f"{shown(path)}: its name is not UTF-8; rename it") from None


def require_regular(path: Path) -> os.stat_result:
    """Return the status of a file or folder. Raises UserError for anything else."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise UserError(f"{shown(path)}: no such file or folder") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{shown(path)}: cannot be read ({reason})") from error
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise UserError(f"{shown(path)}: neither a regular file nor a folder")
    return found


def shown(path: Path) -> str:
    """Return a path as printable text on one line."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _many(count: int, what: str) -> str:
    if count == 1:
        return f"1 {what}"
    first, space, rest = what.partition(" made")
    return f"{count:,} {first}s{space}{rest}"
