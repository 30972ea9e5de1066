"""Read several stored image sets as one: the parts of a part list, the files of a table."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from platebench.stores.contract import OpenStore, check_rows


class Joined(OpenStore):
    """Several open image sets as one; their rows come one after another."""

    def __init__(self, parts: list[OpenStore]) -> None:
        self._parts = parts
        self._starts = [0, *itertools.accumulate(len(part) for part in parts)]

    def close(self) -> None:
        """Close every part."""
        for part in self._parts:
            part.close()

    def __len__(self) -> int:
        return self._starts[-1]

    def scan(self) -> Iterator[np.ndarray]:
        """Read one part after another."""
        return itertools.chain.from_iterable(part.scan() for part in self._parts)

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read one part after another into `memory`."""
        return itertools.chain.from_iterable(part.scan_into(memory) for part in self._parts)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Take the rows of each part in one call, then yield them in the requested order."""
        check_rows(rows, len(self))
        owners = [bisect_right(self._starts, row) - 1 for row in rows]
        taken = {
            owner: self._parts[owner].take(
                [
                    row - self._starts[owner]
                    for row, other in zip(rows, owners, strict=True)
                    if other == owner
                ]
            )
            for owner in set(owners)
        }
        # islice: a part that yields too few images is found by whoever counts them
        return itertools.chain.from_iterable(itertools.islice(taken[each], 1) for each in owners)

    def table(self) -> pa.Table:
        """Join the parts' tables."""
        return pa.concat_tables([part.table() for part in self._parts])
