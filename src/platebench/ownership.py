"""Ownership of files and folders: platebench removes and replaces only what it made.

Every folder that platebench makes contains a mark, the file `.platebench-KIND`. A non-empty folder
without the mark belongs to somebody else and is refused. A folder under construction is a draft
beside its destination, `.NAME.platebench-XXXXXXXX`, and its mark is locked. The kernel releases
the lock (flock(2)) when the process ends, however it ends. A draft with an unlocked mark was
therefore left by a dead process and may be removed.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from platebench.errors import UserError

_PREFIX = ".platebench-"
_DRAFT = ".platebench-"
_DRAFT_FILE = ".platebench-part"
_LONGEST_NAME = 200
"""Bytes of a name that leave room for prefix and suffix: file systems allow 255."""


def mark_of(folder: Path, kind: str) -> Path:
    """Return the path of the mark in `folder`."""
    return folder / f"{_PREFIX}{kind}"


def is_marked(folder: Path) -> bool:
    """True if `folder` has a mark of any kind. A link to a marked folder does not count."""
    if folder.is_symlink():
        return False
    try:
        return any(file.name.startswith(_PREFIX) for file in folder.iterdir())
    except OSError:
        return False


def is_ours(folder: Path, kind: str) -> bool:
    """True if `folder` has a mark of this kind. A link to a marked folder does not count."""
    mark = mark_of(folder, kind)
    return not folder.is_symlink() and mark.is_file() and not mark.is_symlink()


def refuse_others(folder: Path, kind: str, what: str) -> None:
    """Raise UserError unless `folder` is missing, empty, or marked and without foreign files.

    `what` describes the new contents in messages, such as "a site". A folder whose mark lists its
    files is refused if it contains another file.
    """
    if folder.is_symlink():
        raise UserError(f"{folder}: is a link; name the folder itself for {what}")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder}: is a file; name a folder for {what}")
    if is_ours(folder, kind):
        added = _added_by_others(folder, kind)
        if added is not None:
            raise UserError(f"{added}: was not made by platebench; move it, then make {what} again")
        return
    if any(folder.iterdir()):
        raise UserError(f"{folder}: holds files that platebench did not make; name an empty folder")


def claim(folder: Path, kind: str, what: str) -> Path:
    """Create or mark `folder` if it is missing or empty, and return it.

    Raises UserError if it belongs to somebody else.
    """
    if not is_ours(folder, kind):
        refuse_others(folder, kind, what)
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), _new_mark(folder, kind):
            pass
    return folder


def remove(folder: Path, kind: str) -> None:
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
    _remove_marked(folder, kind)


def discard(path: Path, within: Path, kind: str) -> None:
    """Remove a file or folder below `within`, which must have a mark of this kind."""
    if not is_ours(within, kind) or within not in path.parents:
        raise UserError(f"{path}: was not made by platebench, so it is not removed")
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def made_anew(folder: Path, kind: str, what: str, list_files: bool = False) -> Iterator[Path]:
    """Yield an empty draft that replaces `folder` at the end, or is removed on an error.

    An existing folder is replaced atomically (renameat2 with RENAME_EXCHANGE), so other processes
    see either the old folder or the new one. With `list_files`, the mark lists every file; a file
    that somebody adds later prevents the folder from being replaced. Raises UserError if `folder`
    belongs to somebody else.
    """
    folder = folder.absolute()
    refuse_others(folder, kind, what)
    _make_parents(folder.parent)
    sweep(folder.parent, folder.name)
    with _draft(folder.parent, folder.name, kind) as draft:
        yield draft
        if list_files:
            _list_files(draft, kind)
        refuse_others(folder, kind, what)
        _swap(draft, folder)


class Lent:
    """A scratch folder that exists until `close`. After a crash, `sweep` removes it."""

    def __init__(self, path: Path, mark: int) -> None:
        self.path = path
        self._mark = mark

    @classmethod
    def below(cls, parent: Path, name: str = "scratch") -> Lent:
        """Create a new folder in `parent`."""
        _make_parents(parent)
        path = Path(tempfile.mkdtemp(prefix=f".{name[:_LONGEST_NAME]}{_DRAFT}", dir=parent))
        return cls(path, _locked_mark(path, "scratch"))

    def close(self) -> None:
        """Remove the folder if it still exists."""
        if self._mark >= 0:
            try:
                _remove_marked(self.path, "scratch")
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


def write_whole(file: Path, content: str | bytes) -> Path:
    """Write a file atomically and return its path.

    Raises UserError if its folder is missing, or if the path is a device, a pipe or a folder, which
    is never replaced. A link is followed.
    """
    target = _regular(file)
    data = content.encode() if isinstance(content, str) else content
    draft = target.with_name(f".{target.name[:_LONGEST_NAME]}{_DRAFT_FILE}")
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


def check_output(file: Path) -> None:
    """Raise UserError for a file that `write_whole` would refuse."""
    if not _regular(file).parent.is_dir():
        raise _no_folder(file)


def _no_folder(file: Path) -> UserError:
    return UserError(f"{file}: its folder does not exist; make it, or name another")


@contextmanager
def sole(lock: Path, what: str) -> Iterator[None]:
    """Hold `lock` for the block, or raise UserError if another process holds it.

    The error names `what`, which the lock protects, and the other process. `lock` is a file used
    for nothing else. The kernel releases the lock of a killed process.
    """
    with _held(lock, lambda: _refuse(lock, what)):
        yield


@contextmanager
def in_turn(lock: Path, waiting: Callable[[str], None] = lambda who: None) -> Iterator[None]:
    """Wait for `lock` and hold it for the block.

    `waiting` is called once with the current holder, if there is one.
    """
    with _held(lock, lambda: waiting(who_holds(lock))):
        yield


def is_held(lock: Path) -> bool:
    """True if a living process holds `lock`."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def who_holds(lock: Path) -> str:
    """Describe the holder of `lock`: "process 123 (platebench run), since 20:03 UTC"."""
    try:
        noted = json.loads(lock.read_text())
        return f"process {noted['process']} ({noted['command']}), since {noted['since']} UTC"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


# Locks


def _refuse(lock: Path, what: str) -> None:
    raise UserError(f"{what} already: {who_holds(lock)}; wait for it, or stop it")


@contextmanager
def _held(lock: Path, busy: Callable[[], None]) -> Iterator[None]:
    """Hold `lock`; if another process has it, call `busy`, then wait."""
    _make_parents(lock.parent)
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if not _try_lock(descriptor):
                busy()
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Another process may have removed the file between opening and locking it.
            if _is_at(descriptor, lock):
                _note_who(descriptor)
                try:
                    yield
                finally:
                    lock.unlink(missing_ok=True)
                return
        finally:
            os.close(descriptor)


def _note_who(descriptor: int) -> None:
    noted = {
        "process": os.getpid(),
        "command": " ".join(["platebench", *sys.argv[1:3]]),
        "since": f"{datetime.now(UTC):%H:%M}",
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(noted).encode(), 0)


def _try_lock(descriptor: int) -> bool:
    """Try to lock an open file without waiting; return True on success."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        raise UserError(
            "this file system has no flock; set PLATEBENCH_WORK to a folder on another one"
        ) from error
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """True if `path` is still the file with this descriptor."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


# Marks and drafts


@contextmanager
def _new_mark(folder: Path, kind: str) -> Iterator[int]:
    """Create a mark that is locked during the block."""
    descriptor = _locked_mark(folder, kind)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _locked_mark(folder: Path, kind: str) -> int:
    """Create a mark in `folder`; return its locked descriptor. Raises FileExistsError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(mark_of(folder, kind), flags, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.pwrite(descriptor, json.dumps({"made by": "platebench", "kind": kind}).encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


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
        if _try_lock(descriptor) and _is_at(descriptor, draft):
            return descriptor
        os.close(descriptor)
    raise UserError(f"{file}: other processes keep writing it; wait for them")


@contextmanager
def _draft(parent: Path, name: str, kind: str) -> Iterator[Path]:
    """Create a marked draft folder, and remove it at the end unless it was renamed."""
    draft = Path(tempfile.mkdtemp(prefix=f".{name[:_LONGEST_NAME]}{_DRAFT}", dir=parent))
    # mkdtemp creates a folder with mode 0700; the final folder gets the default mode.
    draft.chmod(0o777 & ~_umask())
    try:
        with _new_mark(draft, kind):
            yield draft
    finally:
        if draft.exists():
            _remove_marked(draft, kind)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _is_of_this_user(path: Path) -> bool:
    return path.lstat().st_uid == os.geteuid()


def _sweep_one(draft: Path) -> None:
    for mark in draft.glob(f"{_PREFIX}*"):
        if mark.is_symlink() or not mark.is_file():
            continue
        with suppress(OSError), mark.open("r+b") as opened:
            if _try_lock(opened.fileno()):
                _remove_marked(draft, mark.name.removeprefix(_PREFIX))


def _remove_marked(folder: Path, kind: str) -> None:
    """Remove a folder; the mark is removed last."""
    mark = mark_of(folder, kind)
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


def _list_files(folder: Path, kind: str) -> None:
    files = [str(file.relative_to(folder)) for file in _files_below(folder)]
    mark = mark_of(folder, kind)
    content = {"made by": "platebench", "kind": kind, "files": files}
    mark.write_text(json.dumps(content) + "\n")


def _added_by_others(folder: Path, kind: str) -> Path | None:
    """Return a file that the mark of `folder` does not list; None without a list or such a file."""
    try:
        content = json.loads(mark_of(folder, kind).read_text())
        listed = set(content["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    listed.add(mark_of(folder, kind).name)
    return next(
        (file for file in _files_below(folder) if str(file.relative_to(folder)) not in listed), None
    )


def _files_below(folder: Path) -> Sequence[Path]:
    """Return all files and links below `folder`, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


# Places


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
        raise UserError(f"{file}: not a regular file, so it is not replaced; name another")
    return target


def _make_parents(folder: Path) -> None:
    """Create a folder and its parents. Raises UserError on failure, except for a full disk."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        reason = f"cannot be created ({error.strerror}); name another folder"
        raise UserError(f"{folder}: {reason}") from error


_EXCHANGE = 2
_AT_CWD = -100


def _swap(draft: Path, folder: Path) -> None:
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
