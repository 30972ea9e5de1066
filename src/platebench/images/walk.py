"""What is below a folder: the regular files, and what was left out and why.

Images and tables are looked for in one walk, so both leave out the same. Nothing is opened.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from platebench.errors import UserError
from platebench.ownership import is_marked

LINKED_FOLDER = "linked folder"


@dataclass
class Counted:
    """What an image set was made of: files and images, and what was left out, each with why."""

    files: int = 0
    images: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def said(self) -> str:
        """Return it in one line: 12 files, 60 images; left out: 1 linked folder (plate2)."""
        line = f"{_many(self.files, 'file')}, {_many(self.images, 'image')}"
        reasons = Counter(why for _, why in self.left_out)
        if not reasons:
            return line
        parts = [
            f"{_many(count, why)} ({self._names(why, count)})" for why, count in reasons.items()
        ]
        return f"{line}; left out: {', '.join(parts)}"

    def _names(self, why: str, count: int) -> str:
        first = next(name for name, other in self.left_out if other == why)
        return first if count == 1 else f"{first}, ..."


@dataclass
class Walked:
    """The regular files below `folder`, in order, and what was left out, by path and why."""

    folder: Path
    files: list[Path] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def leave_out(self, path: Path, why: str) -> None:
        """Note what is not looked at."""
        self.left_out.append((shown(path.relative_to(self.folder)), why))


def walk(folder: Path, endings: Collection[str]) -> Walked:
    """Return the files below `folder` whose names end in one of `endings`, searched to its depths.

    Links to files are followed, links to folders are not. Left out are folders that platebench
    made, linked and unreadable folders, AppleDouble files (`._x.tif`), and what is no regular
    file.

    Raises UserError for a broken link, for a name that is not UTF-8, and where `folder` itself
    cannot be read.
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
            _sort(walked, entry, endings, waiting)
    walked.files.sort()
    return walked


def _sort(walked: Walked, entry: Path, endings: Collection[str], waiting: list[Path]) -> None:
    """Put an entry of a folder where it belongs: files, folders to look into, or left out."""
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
    """Raise UserError if a file's name is not UTF-8, which a table of images cannot hold."""
    try:
        str(name).encode()
    except UnicodeEncodeError:
        raise UserError(f"{shown(path)}: its name is not UTF-8; rename it") from None


def require_regular(path: Path) -> os.stat_result:
    """Return what is known of a file or folder that was named; UserError for anything else."""
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
    """Return a path that can be printed on one line."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _many(count: int, what: str) -> str:
    if count == 1:
        return f"1 {what}"
    first, space, rest = what.partition(" made")
    return f"{count:,} {first}s{space}{rest}"
