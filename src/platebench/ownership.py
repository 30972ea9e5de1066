"""Who owns a path. platebench removes and replaces only what it made itself.

Every folder that platebench makes carries a mark, the file `.platebench-KIND`. A folder without
its mark belongs to somebody else and is refused, unless it is empty. While a folder is being made
it has a name of its own beside its place, `.NAME.platebench-XXXXXXXX`, and its mark is locked. The
lock dies with the process, so a marked folder of such a name without a lock was left by a process
that is gone, and may be removed.

Locks are flock(2): the kernel gives them back when a process ends, however it ends.
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
"""Bytes of a name that leave room for what is added to it: a file system takes 255."""


def mark_of(folder: Path, kind: str) -> Path:
    """Return the file that marks `folder` as made by platebench."""
    return folder / f"{_PREFIX}{kind}"


def is_marked(folder: Path) -> bool:
    """Say whether `folder` carries a mark of any kind. A link to a marked folder does not."""
    if folder.is_symlink():
        return False
    try:
        return any(file.name.startswith(_PREFIX) for file in folder.iterdir())
    except OSError:
        return False


def is_ours(folder: Path, kind: str) -> bool:
    """Say whether `folder` is a folder that platebench marked as of this kind."""
    mark = mark_of(folder, kind)
    return not folder.is_symlink() and mark.is_file() and not mark.is_symlink()


def refuse_others(folder: Path, kind: str, what: str) -> None:
    """Raise UserError unless `folder` is absent, empty, or platebench's own and unchanged.

    `what` names what would be made there, as in "a site". A folder whose mark lists its files is
    refused when another file has been put into it.
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
    """Make `folder` platebench's own, if it is absent or empty, and return it.

    Raises UserError when it is somebody else's.
    """
    if not is_ours(folder, kind):
        refuse_others(folder, kind, what)
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), _new_mark(folder, kind):
            pass
    return folder


def remove(folder: Path, kind: str) -> None:
    """Remove a folder that carries the mark of this kind; nothing where there is no folder.

    The mark goes last, so that an interrupted removal can be finished. Raises UserError for a
    folder without the mark, and for one into which somebody has put a file since.
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
    """Remove a file or folder inside `within`, a folder that carries the mark of this kind."""
    if not is_ours(within, kind) or within not in path.parents:
        raise UserError(f"{path}: was not made by platebench, so it is not removed")
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def made_anew(folder: Path, kind: str, what: str, list_files: bool = False) -> Iterator[Path]:
    """Lend an empty folder that takes the place of `folder` at the end, or leaves no trace.

    What `folder` held before is replaced in one step (renameat2 with RENAME_EXCHANGE), so another
    process sees the old folder or the new one. With `list_files` the mark lists every file, and
    a file that somebody adds later keeps the folder from being replaced. Raises UserError when
    `folder` is somebody else's.
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
    """A folder that belongs to this process until `close`, and to nobody once it has ended."""

    def __init__(self, path: Path, mark: int) -> None:
        self.path = path
        self._mark = mark

    @classmethod
    def below(cls, parent: Path, name: str = "scratch") -> Lent:
        """Make a new folder in `parent`."""
        _make_parents(parent)
        path = Path(tempfile.mkdtemp(prefix=f".{name[:_LONGEST_NAME]}{_DRAFT}", dir=parent))
        return cls(path, _locked_mark(path, "scratch"))

    def close(self) -> None:
        """Remove the folder, if it is still there."""
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
    """Remove what processes that are gone left half-made or lent in `parent`.

    With a `name` only what was made for that name. Folders without a mark, and those whose maker
    is alive, stay.
    """
    try:
        entries = [path.name for path in parent.iterdir() if not path.is_symlink()]
    except OSError:
        return
    begins = None if name is None else f".{name[:_LONGEST_NAME]}{_DRAFT}"
    for entry in entries:
        mine = _DRAFT in entry and entry.startswith(begins or ".")
        # Nobody else can then change what is in it between looking at it and removing it.
        if mine and (parent / entry).is_dir() and _is_of_this_user(parent / entry):
            _sweep_one(parent / entry)


def write_whole(file: Path, content: str | bytes) -> Path:
    """Write a file that is either whole or as it was before, and return it.

    Raises UserError when its folder is missing, or when something else than a regular file is
    there: a device, a pipe or a folder is never replaced. A link is followed.
    """
    target = _regular(file)
    data = content.encode() if isinstance(content, str) else content
    draft = target.with_name(f".{target.name[:_LONGEST_NAME]}{_DRAFT_FILE}")
    try:
        descriptor = _locked_draft(draft, file)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{file}: its folder does not exist") from None
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
    """Raise UserError now for a file that `write_whole` would refuse later."""
    if not _regular(file).parent.is_dir():
        raise UserError(f"{file}: its folder does not exist")


@contextmanager
def sole(lock: Path, what: str) -> Iterator[None]:
    """Be the only process that does `what`, as long as the block lasts.

    `lock` is a file for that alone. Raises UserError, naming the process at work, when another
    holds it. A lock of a process that was killed holds nobody up.
    """
    with _held(lock, lambda: _refuse(lock, what)):
        yield


@contextmanager
def in_turn(lock: Path, waiting: Callable[[str], None] = lambda who: None) -> Iterator[None]:
    """Be the only process in the block, after waiting for others.

    `waiting` is told once who is waited for.
    """
    with _held(lock, lambda: waiting(who_holds(lock))):
        yield


def is_held(lock: Path) -> bool:
    """Say whether a living process holds `lock`."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def who_holds(lock: Path) -> str:
    """Return who wrote into `lock`, as in "process 123 (platebench run), since 20:03"."""
    try:
        noted = json.loads(lock.read_text())
        return f"process {noted['process']} ({noted['command']}), since {noted['since']} UTC"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


# Locks


def _refuse(lock: Path, what: str) -> None:
    raise UserError(f"{what} already: {who_holds(lock)}; wait for it or stop it")


@contextmanager
def _held(lock: Path, busy: Callable[[], None]) -> Iterator[None]:
    """Hold `lock`; call `busy` when another process has it, then wait."""
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
    """Lock an open file, if no other process has; say whether it is ours now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        raise UserError(
            "this file system has no locks (flock); set PLATEBENCH_WORK to a folder on another"
        ) from error
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Say whether `path` is still the open file."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


# Marks and drafts


@contextmanager
def _new_mark(folder: Path, kind: str) -> Iterator[int]:
    """Make a mark, locked as long as the block lasts."""
    descriptor = _locked_mark(folder, kind)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _locked_mark(folder: Path, kind: str) -> int:
    """Make a mark in `folder`, and return it open and locked. FileExistsError where one is."""
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
    """Open a new draft of a file, locked; one that a dead process left is replaced."""
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
    """Lend a marked folder with the draft's name; what is there at the end is removed."""
    draft = Path(tempfile.mkdtemp(prefix=f".{name[:_LONGEST_NAME]}{_DRAFT}", dir=parent))
    # mkdtemp makes a folder for its owner alone; this one becomes a folder like any other.
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
    """Remove a folder, its mark last."""
    mark = mark_of(folder, kind)
    for entry in list(folder.iterdir()):
        if entry == mark:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    mark.unlink(missing_ok=True)
    # Somebody may have put a file there meanwhile: it stays.
    with suppress(OSError):
        folder.rmdir()


def _list_files(folder: Path, kind: str) -> None:
    files = [str(file.relative_to(folder)) for file in _files_below(folder)]
    mark = mark_of(folder, kind)
    content = {"made by": "platebench", "kind": kind, "files": files}
    mark.write_text(json.dumps(content) + "\n")


def _added_by_others(folder: Path, kind: str) -> Path | None:
    """Return a file in `folder` that its mark does not list, None for a mark without a list."""
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
    """Return everything below `folder` that is not itself a real folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


# Places


def _regular(file: Path) -> Path:
    """Return the file that would be written. Raises UserError for what must not be replaced."""
    try:
        target = file.resolve() if file.is_symlink() else file
        target.exists()
    except (OSError, ValueError) as error:  # a name too long, for instance, or with a NUL
        raise UserError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    if target.is_dir():
        raise UserError(f"{file}: is a folder; name a file")
    if target.exists() and not target.is_file():
        raise UserError(f"{file}: is not a regular file, so it is not replaced; name another")
    return target


def _make_parents(folder: Path) -> None:
    """Make a folder and those above it. Raises UserError where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(f"{folder}: cannot be made ({error.strerror}); name another") from error


_EXCHANGE = 2
_AT_CWD = -100


def _swap(draft: Path, folder: Path) -> None:
    """Put `draft` where `folder` is or is not; what was there is at `draft` then, or gone."""
    if not folder.exists():
        draft.rename(folder)
    elif not _exchange(draft, folder):
        # Not in one step on this file system: an empty name is all that another process may see.
        aside = draft.with_name(f"{draft.name}.old")
        folder.rename(aside)
        draft.rename(folder)
        aside.rename(draft)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths by renameat2(2); say whether this system and file system can."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    done = rename(_AT_CWD, os.fsencode(one), _AT_CWD, os.fsencode(other), _EXCHANGE)
    return bool(done == 0)
