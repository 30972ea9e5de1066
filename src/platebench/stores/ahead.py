"""Compress in threads ahead of the thread that writes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def done_ahead(work: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """Yield `work(item)` of each item in order, a few ahead: one per processor.

    The items are taken in the caller's thread, and at most one more than there are processors are
    in memory.
    """
    most = os.cpu_count() or 1
    coming: deque[Future[U]] = deque()
    with ThreadPoolExecutor(most) as threads:
        for item in items:
            coming.append(threads.submit(work, item))
            if len(coming) > most:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
