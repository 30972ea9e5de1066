"""Processes that measure one cell in several arms at once, and take turns a sample at a time.

A shared machine is a quarter faster in one second than in the next, and that is most of what makes
two processes differ. Eight processes of the same operation, which took turns over 60 samples, had
medians that spread by 0.01 to 0.05 (log), where eight that were measured one after another spread
by 0.03 to 0.15. So the arms of a comparison do not follow each other: all of them are set up,
then one at a time does one sample with its checks while the others sleep.

Whoever gives the turns listens at a socket that TURNS names. A process comes once and says its
number, asks before every sample and is answered when it is its turn. Asking, or ending, gives the
turn back.
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
    """The side that gives turns, to the processes of one cell after another."""

    def __init__(self, place: str, listener: socket.socket) -> None:
        self._listener = listener
        self._chance = random.Random(0)
        self.variables = {TURNS: place}
        """What the environment of a process needs, for it to take turns."""

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[TurnServer]:
        """Listen at a socket in a folder of its own, as long as it lasts."""
        with (
            lent_temporary(short=True) as lent,
            socket.socket(socket.AF_UNIX) as listener,
        ):
            place = str(lent.path / "turns")
            listener.bind(place)
            listener.listen()
            yield cls(place, listener)

    def together(self, jobs: Sequence[Callable[[], _Result]]) -> list[_Result]:
        """Do the jobs at once, each of which runs one process, and return what each returns.

        No process does a sample before all are set up, and never two at a time. The order is
        another each time all have had a turn. A job whose process never asks is waited for.
        What a job raises, and Ctrl-C, ends the processes of all; no turns are given after that.
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
                self._listener.close()  # for those that have yet to come
                round_.kill()
                raise
            finally:
                round_.close()


class _Round:
    """The processes that are measuring one cell."""

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
            # All that are left must ask: one that is being set up or ends would be heard in a
            # sample.
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
        except OSError:  # it ended with something unheard
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
        with suppress(OSError):  # it has ended, and the selector will say so
            line.send(b".")

    def kill(self) -> None:
        """End the processes that came, each with its children: asv gives each a group."""
        for process in filter(None, self._processes.values()):
            with suppress(OSError):
                os.killpg(process, signal.SIGTERM)

    def close(self) -> None:
        """Hang up."""
        self._selector.close()
        for line in self._processes:
            line.close()


def _ended(job: Future[_Result]) -> bool:
    """Say whether a job has ended, and raise what it raised."""
    if job.done():
        job.result()
        return True
    return False
