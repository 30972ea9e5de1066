"""Let processes of several arms take turns, one sample at a time.

On a shared machine the speed can change by 25% within a second, which is most of the difference
between two processes. The medians of eight processes of the same operation varied by 0.01 to 0.05
(log) when they took turns over 60 samples, and by 0.03 to 0.15 when they ran one after another. So
all arms of a comparison are set up first. Then one process at a time takes one sample, with its
checks, while the others sleep.

The server listens at the socket that TURNS names. A client connects once, sends its process id,
requests a turn before every sample, and waits for the answer. Its next request, or its end,
releases the turn. With SAMPLES, a client uses its first turn to find out how long a sample takes,
says so, and waits for the number of samples. All clients get the same number, so sample i of each
comes from the same cycle.
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
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from platebench.temporary import lent_temporary
from platebench.timing.protocol import SAMPLES, TURNS

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Sampling:
    """How many samples the processes of a group take.

    `seconds` are for all samples of the group together, with their checks. A group gets `least`
    samples if they take longer. If those would take more than `LONGEST_S`, because one store is far
    slower than the others, it gets as many as fit into that, and one at least.
    """

    least: int
    most: int
    seconds: float

    def number(self, cycle_s: float) -> int:
        """Return the number of cycles, each with a sample of every process."""
        if self.least * cycle_s > LONGEST_S:
            return max(1, int(LONGEST_S / cycle_s))
        return max(self.least, min(self.most, int(self.seconds / max(cycle_s, 1e-9))))


LONGEST_S = 60.0
"""A group with a very slow store takes no longer than this, or one sample of each process."""


class TurnServer:
    """Gives turns to the processes of one group after another."""

    def __init__(
        self, place: str, listener: socket.socket, sampling: Sampling | None = None
    ) -> None:
        self._listener = listener
        self._chance = random.Random(0)
        self._sampling = sampling
        self.variables = {TURNS: place} | ({} if sampling is None else {SAMPLES: "1"})
        """Environment variables with which a process takes turns."""

    @classmethod
    @contextmanager
    def open(cls, sampling: Sampling | None = None) -> Iterator[TurnServer]:
        """Listen at a socket in a temporary folder until the block ends.

        Without `sampling` every process decides itself how many samples it takes.
        """
        with (
            lent_temporary(short=True) as lent,
            socket.socket(socket.AF_UNIX) as listener,
        ):
            place = str(lent.path / "turns")
            listener.bind(place)
            listener.listen()
            yield cls(place, listener, sampling)

    def together(
        self, jobs: Sequence[Callable[[], _Result]], at_once: int | None = None
    ) -> list[_Result]:
        """Run the jobs in parallel, one process each, and return their results.

        At most `at_once` processes are set up at the same time; None means all.

        No process takes a sample before all are set up, and never two at the same time. The order
        is shuffled after each has had a turn. A job whose process never requests a turn is waited
        for. If a job raises, or on Ctrl-C, all processes are ended and no more turns are given.
        """
        wakeup, wake = socket.socketpair()
        with wakeup, wake, ThreadPoolExecutor(len(jobs)) as threads:
            round_ = _Round(self._listener, wakeup, self._chance, self._sampling)

            def start(job: Callable[[], _Result]) -> Future[_Result]:
                started = threads.submit(job)
                started.add_done_callback(lambda _: wake.send(b"."))
                return started

            try:
                starts = [partial(start, job) for job in jobs]
                return round_.until_done(starts, at_once or len(jobs))
            except BaseException:
                self._listener.close()  # for processes that have not connected yet
                round_.kill()
                raise
            finally:
                round_.close()


class _Round:
    """The processes that measure one group."""

    def __init__(
        self,
        listener: socket.socket,
        wakeup: socket.socket,
        chance: random.Random,
        sampling: Sampling | None,
    ) -> None:
        self._listener, self._wakeup, self._chance = listener, wakeup, chance
        self._sampling = sampling
        self._selector = selectors.DefaultSelector()
        for each in (listener, wakeup):
            self._selector.register(each, selectors.EVENT_READ)
        self._processes: dict[socket.socket, int] = {}
        self._set_up: set[socket.socket] = set()
        self._takes: dict[socket.socket, float] = {}
        self._asking: set[socket.socket] = set()
        self._still_to_come: list[socket.socket] = []
        self._measuring: socket.socket | None = None

    def until_done(
        self, starts: Sequence[Callable[[], Future[_Result]]], at_once: int
    ) -> list[_Result]:
        """Start every job, give turns until all have ended, and return their results."""
        waiting, running = list(reversed(starts)), list[Future[_Result]]()
        while True:
            left = [each for each in running if not _ended(each)]
            while waiting and len(left) - len(self._set_up) < at_once:
                running.append(waiting.pop()())
                left.append(running[-1])
            if not left:
                return [each.result() for each in running]
            # Wait until all others wait: one that is being set up, or is ending, would disturb.
            all_wait = len(self._asking) + len(self._takes) == len(left)
            if not waiting and self._measuring is None and all_wait:
                if self._asking:
                    self._next()
                else:
                    self._answer()
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
            if word.startswith(b"takes "):
                self._takes[line] = float(word.removeprefix(b"takes "))
                if self._measuring is line:
                    self._measuring = None
                continue
            if word:
                self._processes[line] = int(word)
                continue
            self._set_up.add(line)
            self._asking.add(line)
            if self._measuring is line:
                self._measuring = None

    def _forget(self, line: socket.socket) -> None:
        self._selector.unregister(line)
        line.close()
        del self._processes[line]
        self._asking.discard(line)
        self._set_up.discard(line)
        self._takes.pop(line, None)
        if self._measuring is line:
            self._measuring = None

    def _answer(self) -> None:
        """Tell every process how many samples to take."""
        assert self._sampling is not None, "no process asks without it"
        number = self._sampling.number(sum(self._takes.values()))
        for line in self._takes:
            with suppress(OSError):
                line.send(b"%d\n" % number)
        self._takes.clear()

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
