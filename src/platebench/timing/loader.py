"""Read batches by worker processes ahead of whoever needs them, in order, as a training does.

It is what PyTorch's DataLoader does with `num_workers`, `persistent_workers=True` and
`prefetch_factor=2`, in NumPy: batch n is read by worker n % workers, and each worker is at most two
batches ahead. PyTorch too hands a batch over in shared memory.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores.contract import PAGE
from platebench.timing.pool import Pool, SharedMemory

BATCH = 32
"""Images of a batch. The last one of an epoch may have fewer."""

AHEAD = 2
"""Batches that a worker reads before they are needed."""

MOST_BYTES = 2 * 2**30
"""The most memory of all batches: those that are read ahead, for all workers."""

Batches = Sequence[Sequence[int]]
"""The rows of each batch."""


@dataclass(frozen=True)
class Arrived:
    """A batch in shared memory: its number, the slot it is in, and what its worker returned."""

    number: int
    slot: int
    returned: Any


class Slots:
    """Shared memory with room for the batches of all workers."""

    def __init__(self, images: ImageSet, workers: int) -> None:
        self._images = images
        sizes = [_pages(images.image_bytes(row)) for row in range(len(images))]
        self.slot_bytes = sum(sorted(sizes)[-BATCH:])
        self.count = AHEAD * workers
        size = self.count * self.slot_bytes
        if size > MOST_BYTES:
            raise Unsupported(
                f"{self.count} batches of {BATCH} images take {size / 1e9:.1f} GB of memory, more"
                f" than {MOST_BYTES / 1e9:.1f} GB"
            )
        self.memory = SharedMemory(size)

    def images_in(self, slot: int, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield the images of a batch as they must lie in a slot."""
        place = slot * self.slot_bytes
        for row in rows:
            size = self._images.image_bytes(row)
            pixels = self.memory.array[place : place + size]
            yield pixels.view(self._images.dtypes[row]).reshape(self._images.shapes[row])
            place += _pages(size)

    def spoil(self) -> None:
        """Change one byte of each page, so that an earlier epoch is not taken for read."""
        pages = self.memory.array[::PAGE]
        np.invert(pages, out=pages)


class Loader:
    """Epochs by the workers of a pool, `BatchWorker` each, with AHEAD slots for each of them.

    `first_batch_s` are the seconds of the newest epoch until its first batch had arrived.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.first_batch_s = 0.0

    def epoch(self, batches: Batches, method: str = "batch") -> Iterator[Arrived]:
        """Yield each batch when it has arrived, in order. A slot is valid until the next is asked.

        Raises WorkerFailed, Mismatch or Unsupported as soon as a worker fails.
        """
        began = time.perf_counter()
        workers = len(self._pool)
        slots = AHEAD * workers
        asked: list[deque[int]] = [deque() for _ in range(workers)]
        arrived: dict[int, Any] = {}

        def ask(number: int) -> None:
            if number < len(batches):
                asked[number % workers].append(number)
                self._pool.send(number % workers, method, batches[number], number % slots)

        for number in range(slots):
            ask(number)
        for number in range(len(batches)):
            while number not in arrived:
                worker, returned = self._pool.receive()
                arrived[asked[worker].popleft()] = returned
            if number == 0:
                self.first_batch_s = time.perf_counter() - began
            yield Arrived(number, number % slots, arrived.pop(number))
            ask(number + slots)


def shuffled(images: int, seed: int) -> Batches:
    """Return every row once, in a random order that depends on the seed alone, in batches."""
    rows = np.random.default_rng([images, seed]).permutation(images).tolist()
    return [rows[first : first + BATCH] for first in range(0, images, BATCH)]


def _pages(size: int) -> int:
    """Return the bytes of the whole pages that hold so many bytes."""
    return -(-size // PAGE) * PAGE
