"""Processes of this machine that draw images: they ignore Ctrl-C, and end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from platebench.pool_workers import belong_to_parent

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2
"""Results per process that may wait to be taken. All of them would fill the memory."""


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def new_pool(processes: int, function: Callable[[Any], Any] | None = None) -> ProcessPoolExecutor:
    """Return a pool whose processes ignore Ctrl-C and end with this one.

    `function` is what `_call` calls there. It is sent once, not with every item.
    """
    # Forked processes start in milliseconds. Fork is safe on Linux only.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    return ProcessPoolExecutor(processes, context, _start_worker, (function,))


def in_order(function: Callable[[T], R], items: Iterable[T], processes: int) -> Generator[R]:
    """Yield `function` of each item, in their order, computed in so many processes ahead of time.

    `items` may be endless. Close the generator to end the processes before the last item.
    """
    if processes == 1:
        for item in items:
            yield function(item)
        return
    pool = new_pool(processes, function)
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            with interrupts_held():  # the first calls start processes
                waiting.append(pool.submit(_call, item))
            if len(waiting) > _AHEAD * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Deliver Ctrl-C at the end of the block only. Processes that start in it inherit this."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_function: Callable[[Any], Any] | None = None
"""What a process of a pool calls."""


def _call(item: Any) -> Any:
    assert _function is not None
    return _function(item)


def _start_worker(function: Callable[[Any], Any] | None) -> None:
    global _function  # noqa: PLW0603 - one per process of a pool
    _function = function
    belong_to_parent()
