"""Several rows by one request, for libraries that decompress many rows together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

_Read = TypeVar("_Read")

MOST = 16
"""Images of a request: as many as a benchmark's random read asks for, and 22 MB of 1.4 MB each."""


def by_request(
    rows: Sequence[int], read: Callable[[list[int]], Sequence[_Read]], most: int = MOST
) -> Iterator[_Read]:
    """Yield what is read of `rows`, in this order, which may have duplicates.

    `read` is called with up to `most` different rows, the smallest first, and returns one value for
    each.
    """
    for first in range(0, len(rows), most):
        some = rows[first : first + most]
        different = sorted(set(some))
        found = read(different)
        yield from (found[different.index(row)] for row in some)
