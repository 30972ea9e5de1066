"""Write files atomically: other processes see the old content or the new, never a part."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from platebench.errors import UserError
from platebench.locks import is_at, is_held, try_lock

_DRAFT = ".platebench-part"
_LONGEST_NAME = 200
"""Bytes of a name that leave room for prefix and suffix: file systems allow 255."""


def write_whole(file: Path, content: str | bytes | memoryview) -> Path:
    """Write a file atomically and return its path.

    Raises UserError if its folder is missing, or if the path is a device, a pipe or a folder, which
    is never replaced. A link is followed.
    """
    target = _regular(file)
    data = content.encode() if isinstance(content, str) else content
    draft = target.with_name(f".{target.name[:_LONGEST_NAME]}{_DRAFT}")
    try:
        descriptor = _locked_draft(draft, file)
    except (FileNotFoundError, NotADirectoryError):
        raise _no_folder(file) from None
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as opened:
            opened.write(data)
            opened.flush()
            os.fsync(descriptor)
        if target.exists():
            os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode))
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return file


def sync(path: Path) -> None:
    """Return when a file's content, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_output(file: Path) -> None:
    """Raise UserError for a file that `write_whole` would refuse."""
    if not _regular(file).parent.is_dir():
        raise _no_folder(file)


def _no_folder(file: Path) -> UserError:
    return UserError(f"{file}: its folder does not exist; create it, or name another file")


def _regular(file: Path) -> Path:
    """Resolve a link. Raises UserError if the result exists and is not a regular file."""
    try:
        target = file.resolve() if file.is_symlink() else file
        target.exists()
    except (OSError, ValueError) as error:  # for example an overlong name, or one with a NUL
        raise UserError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    if target.is_dir():
        raise UserError(f"{file}: is a folder; name a file")
    if target.exists() and not target.is_file():
        raise UserError(f"{file}: is not a regular file and is not replaced; name another file")
    return target


def _locked_draft(draft: Path, file: Path) -> int:
    """Create and lock a draft of a file. The draft of a dead process is replaced."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    for _ in range(100):
        try:
            descriptor = os.open(draft, flags, 0o666)
        except FileExistsError:
            if is_held(draft):
                raise UserError(f"{file}: another process is writing it; wait for it") from None
            draft.unlink(missing_ok=True)
            continue
        if try_lock(descriptor) and is_at(descriptor, draft):
            return descriptor
        os.close(descriptor)
    raise UserError(f"{file}: other processes keep writing it; wait for them")
