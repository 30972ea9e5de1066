"""Locks between processes. The kernel releases the lock of a process that ends (flock(2))."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from platebench.errors import UserError
from platebench.folders import make_parents


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
        return not try_lock(descriptor)
    finally:
        os.close(descriptor)


def who_holds(lock: Path) -> str:
    """Describe the holder of `lock`: "process 123 (platebench run), since 20:03 UTC"."""
    try:
        noted = json.loads(lock.read_text())
        return f"process {noted['process']} ({noted['command']}), since {noted['since']} UTC"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def try_lock(descriptor: int) -> bool:
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


def is_at(descriptor: int, path: Path) -> bool:
    """True if `path` is still the file with this descriptor."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _refuse(lock: Path, what: str) -> None:
    raise UserError(f"{what} already: {who_holds(lock)}; wait for it, or stop it")


@contextmanager
def _held(lock: Path, busy: Callable[[], None]) -> Iterator[None]:
    """Hold `lock`; if another process has it, call `busy`, then wait."""
    make_parents(lock.parent)
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if not try_lock(descriptor):
                busy()
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Another process may have removed the file between opening and locking it.
            if is_at(descriptor, lock):
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
