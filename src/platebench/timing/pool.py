"""Worker processes that work for one cell, beside the process that measures.

A worker is a fresh interpreter, as with multiprocessing's start method "spawn": it has no threads,
locks or open stores of the process that started it. `multiprocessing` itself would import asv's
main module again in each of them. A worker makes one object and calls its methods on request:

    pool = Pool(2, Reader, store, path)       # each worker calls Reader(store, path)
    pool.all("open")                          # calls Reader.open() in all workers; their results
    pool.each("take", [(rows,), (others,)])   # with arguments of its own for each worker
    pool.send(0, "take", rows)                # ask one worker, and go on
    worker, result = pool.receive()           # the next result of any worker
    pool.close()

The object's class, its arguments and all results are sent as pickles, so the class stands at the
top level of a module that workers can import: in `platebench.timing`, not in `benchmarks`.
`SharedMemory` among the arguments is the same memory in all processes.

A worker that raises or ends makes the call that waits for it raise at once, with the reason, and
the pool is closed: nothing waits for a worker that is gone. Workers end when their pool is closed
or collected, and with the process that started them, even if that is killed.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import IO, Any

import numpy as np

from platebench.errors import Mismatch, Unsupported
from platebench.timing.failure import why_failed
from platebench.timing.parent import end_with_parent, variables_for_a_child

_SECONDS_TO_END = 5
_DONE, _RAISED = "done", "raised"
_PASSED_ON = {kind.__name__: kind for kind in (Mismatch, Unsupported)}
"""Errors of a worker that stay what they are: a cell fails, or is skipped."""


class WorkerFailed(Exception):
    """A worker process ended, or raised another error than Mismatch and Unsupported."""


class SharedMemory:
    """Memory of the suite's own that workers fill: `array`, uint8 of one dimension.

    It begins at a page and has no name in the file system. It is gone with the last process that
    has it.
    """

    def __init__(self, size: int) -> None:
        if hasattr(os, "memfd_create"):
            self.file = os.memfd_create("platebench")
        else:  # not Linux
            with tempfile.TemporaryFile() as file:
                self.file = os.dup(file.fileno())
        os.ftruncate(self.file, max(size, 1))
        weakref.finalize(self, os.close, self.file)
        self.array = _mapped(self.file, size)
        self.array.fill(1)  # page faults now, not while a cell is timed

    def __reduce__(self) -> tuple[Any, ...]:
        return _Mapped, (self.file, len(self.array))


class _Mapped:
    """The same memory in a worker, which has inherited the file."""

    def __init__(self, file: int, size: int) -> None:
        self.array = _mapped(file, size)


def _mapped(file: int, size: int) -> np.ndarray:
    return np.frombuffer(mmap.mmap(file, max(size, 1)), np.uint8)[:size]


class Pool:
    """So many worker processes, each with an object that `make(*arguments)` returns there.

    Call it from the thread that lives longest: workers end with the thread that started them.
    """

    def __init__(self, workers: int, make: Callable[..., Any], *arguments: Any) -> None:
        self._workers: list[_Worker] = []
        self._end = weakref.finalize(self, _end_all, self._workers)
        shared = [each.file for each in arguments if isinstance(each, SharedMemory)]
        try:
            for number in range(workers):
                self._workers.append(_Worker(number, shared))
            for worker in self._workers:  # all interpreters start at the same time
                worker.send(sys.path)
                worker.send((make, arguments))
            self._gathered()
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._workers)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers: those that wait by themselves, those that work by a signal."""
        self._end()

    def all(self, method: str, *arguments: Any) -> list[Any]:
        """Call a method in all workers at the same time; return the results by worker."""
        return self.each(method, [arguments] * len(self))

    def each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a method in all workers at the same time, with arguments for each of them."""
        if any(worker.waiting for worker in self._workers):
            raise RuntimeError("a worker has results that nobody has received")
        for number, given in enumerate(arguments):
            self.send(number, method, *given)
        return self._gathered()

    def send(self, worker: int, method: str, *arguments: Any) -> None:
        """Ask one worker to call a method. It does so after what it was asked before."""
        try:
            self._workers[worker].send((method, arguments))
        except BaseException:
            self.close()
            raise

    def receive(self) -> tuple[int, Any]:
        """Wait for the next result that was asked for; return its worker and the result."""
        busy = {worker.connection: worker for worker in self._workers if worker.waiting}
        if not busy:
            raise RuntimeError("no worker was asked for anything")
        try:
            (ready, *_) = wait(list(busy))
            worker = busy[ready]  # type: ignore[index]
            return worker.number, worker.receive()
        except BaseException:
            self.close()
            raise

    def pids(self) -> list[int]:
        """Return the process ids of the workers."""
        return [worker.process.pid for worker in self._workers]

    def cpu_s(self) -> float:
        """Return the CPU seconds of all workers so far, of all their threads."""
        return sum(map(_cpu_seconds, self.pids()))

    def _gathered(self) -> list[Any]:
        results: list[Any] = [None] * len(self)
        for _ in self._workers:
            worker, result = self.receive()
            results[worker] = result
        return results


class _Worker:
    """One worker, as the process that measures sees it."""

    def __init__(self, number: int, shared: Sequence[int]) -> None:
        self.number = number
        self.waiting = -1
        """Results that were asked for and have not come. `sys.path` gives none."""
        self.connection, other = Pipe()
        self._said: IO[str] = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        program = f"from platebench.timing.pool import work; work({other.fileno()})"
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program],
                env=os.environ | variables_for_a_child(),
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                pass_fds=[other.fileno(), *shared],
            )
        except BaseException:
            self.connection.close()
            self._said.close()
            raise
        finally:
            other.close()  # so that the worker's end is an end of file here

    def send(self, message: object) -> None:
        try:
            self.connection.send(message)
        except OSError as error:
            raise self._ended() from error
        self.waiting += 1

    def receive(self) -> Any:
        try:
            kind, result = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        self.waiting -= 1
        if kind == _DONE:
            return result
        name, text = result
        if name in _PASSED_ON:
            raise _PASSED_ON[name](text)
        raise WorkerFailed(f"worker {self.number}: {name}: {text}")

    def _ended(self) -> WorkerFailed:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_SECONDS_TO_END)
        self._said.seek(0)
        why = why_failed(self._said.read(), self.process.returncode or 0)
        return WorkerFailed(f"worker {self.number}: {why}")

    def dismiss(self) -> None:
        """End a worker that waits for a request, kill one that works."""
        if self.waiting > 0:
            self.process.kill()
        self.connection.close()

    def join(self) -> None:
        """Wait until the worker has ended."""
        try:
            self.process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._said.close()


def _end_all(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.dismiss()
    while workers:
        workers.pop().join()


def _cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of another process. The kernel counts them in nanoseconds."""
    clock = ctypes.c_int()
    status = ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock))
    if status != 0:
        raise OSError(status, os.strerror(status))
    return time.clock_gettime(clock.value)


# What runs in a worker.


def work(file: int) -> None:
    """Make the object, then call its methods on request until the connection is closed."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that measures
    connection = Connection(file)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        sys.path[:] = connection.recv()
        held: Any = None
        while True:
            first, arguments = connection.recv()
            try:
                if held is None:
                    held, result = first(*arguments), None
                else:
                    result = getattr(held, first)(*arguments)
                answer = (_DONE, result)
            except Exception as error:
                answer = (_RAISED, (type(error).__name__, str(error)))
            connection.send(answer)
