"""Let processes of several arms take turns, one sample at a time.

On a shared machine the speed can change by 25% within a second, which is most of the difference
between two processes. The medians of eight processes of the same operation varied by 0.01 to 0.05
(log) when they took turns over 60 samples, and by 0.03 to 0.15 when they ran one after another. So
all arms of a comparison are set up first. Then one process at a time takes one sample, with its
checks, while the others sleep.

The server listens at the socket that TURNS names. A client connects once, sends its process id,
requests a turn before every sample, and waits for the answer. Its next request, or its end,
releases the turn.
"""

from __future__ import annotations

import os
import random
import selectors
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from platebench.temporary import lent_temporary
from platebench.timing.protocol import TURNS

_Result = TypeVar("_Result")


class TurnServer:
    """Gives turns to the processes of one cell after another."""

    def __init__(self, place: str, listener: socket.socket) -> None:
        self._listener = listener
        self._chance = random.Random(0)
        self.variables = {TURNS: place}
        """Environment variables with which a process takes turns."""

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[TurnServer]:
        """Listen at a socket in a temporary folder until the block ends."""
        with (
            lent_temporary(short=True) as lent,
            socket.socket(socket.AF_UNIX) as listener,
        ):
            place = str(lent.path / "turns")
            listener.bind(place)
            listener.listen()
            yield cls(place, listener)

    def together(self, jobs: Sequence[Callable[[], _Result]]) -> list[_Result]:
        """Run the jobs in parallel, one process each, and return their results.

        No process takes a sample before all are set up, and never two at the same time. The order
        is shuffled after each has had a turn. A job whose process never requests a turn is waited
        for. If a job raises, or on Ctrl-C, all processes are ended and no more turns are given.
        """
        wakeup, wake = socket.socketpair()
        with wakeup, wake, ThreadPoolExecutor(len(jobs)) as threads:
            round_ = _Round(self._listener, wakeup, self._chance)
            try:
                running = [threads.submit(job) for job in jobs]
                for each in running:
                    each.add_done_callback(lambda _: wake.send(b"."))
                round_.until_done(running)
                return [each.result() for each in running]
            except BaseException:
                self._listener.close()  # for processes that have not connected yet
                round_.kill()
                raise
            finally:
                round_.close()


class _Round:
    """The processes that measure one cell."""

    def __init__(
        self, listener: socket.socket, wakeup: socket.socket, chance: random.Random
    ) -> None:
        self._listener, self._wakeup, self._chance = listener, wakeup, chance
        self._selector = selectors.DefaultSelector()
        for each in (listener, wakeup):
            self._selector.register(each, selectors.EVENT_READ)
        self._processes: dict[socket.socket, int] = {}
        self._asking: set[socket.socket] = set()
        self._still_to_come: list[socket.socket] = []
        self._measuring: socket.socket | None = None

    def until_done(self, running: Sequence[Future[_Result]]) -> None:
        """Give turns until every job has ended."""
        while left := [each for each in running if not _ended(each)]:
            # Wait until all others request a turn: one that is still being set up, or is ending,
            # would disturb a sample.
            if self._measuring is None and len(self._asking) == len(left):
                self._next()
            for key, _ in self._selector.select():
                self._hear(key.fileobj)

    def _hear(self, who: object) -> None:
        assert isinstance(who, socket.socket)
        if who is self._wakeup:
            who.recv(1)
        elif who is self._listener:
            line, _ = who.accept()
            self._processes[line] = 0
            self._selector.register(line, selectors.EVENT_READ)
        else:
            self._listen_to(who)

    def _listen_to(self, line: socket.socket) -> None:
        try:
            said = line.recv(64)
        except OSError:  # it ended with unread data
            said = b""
        if not said:
            self._forget(line)
        for word in said.splitlines():
            if word:
                self._processes[line] = int(word)
                continue
            self._asking.add(line)
            if self._measuring is line:
                self._measuring = None

    def _forget(self, line: socket.socket) -> None:
        self._selector.unregister(line)
        line.close()
        del self._processes[line]
        self._asking.discard(line)
        if self._measuring is line:
            self._measuring = None

    def _next(self) -> None:
        self._still_to_come = [line for line in self._still_to_come if line in self._asking]
        if not self._still_to_come:
            self._still_to_come = list(self._asking)
            self._chance.shuffle(self._still_to_come)
        line = self._measuring = self._still_to_come.pop()
        self._asking.remove(line)
        with suppress(OSError):  # it has ended; the selector will report that
            line.send(b".")

    def kill(self) -> None:
        """End the connected processes and their children; asv gives each its own process group."""
        for process in filter(None, self._processes.values()):
            with suppress(OSError):
                os.killpg(process, signal.SIGTERM)

    def close(self) -> None:
        """Close all connections."""
        self._selector.close()
        for line in self._processes:
            line.close()


def _ended(job: Future[_Result]) -> bool:
    """True if a job has ended. Raises its exception."""
    if job.done():
        job.result()
        return True
    return False
