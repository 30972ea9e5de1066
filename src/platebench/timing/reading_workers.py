"""What worker processes hold that read one store: `BatchWorker` for epochs, `RowWorker` for rows.

Workers import this module, so it imports no more than they need.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from platebench.images.imageset import digest
from platebench.stores.contract import OpenStore, Store
from platebench.timing.drain import Drain
from platebench.timing.memory import PeakMemory
from platebench.timing.pool import SharedMemory

PIXELS_KEPT = 64
"""Pixels that are kept of every single image, spread over it, to compare them after the timer."""


class Worker:
    """Opens its store at the first read, and keeps it open until `close` is called."""

    def __init__(self, store: Store, path: Path) -> None:
        self._store, self._path = store, path
        self._opened: OpenStore | None = None
        self._peak: PeakMemory | None = None

    @property
    def opened(self) -> OpenStore:
        """The open store."""
        if self._opened is None:
            self._opened = self._store.open(self._path)
        return self._opened

    def close(self) -> None:
        """Close the store, so that its files can be removed from the page cache."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
            gc.collect()  # a map that waits to be collected keeps its pages

    def move(self, path: Path) -> None:
        """Read the store at another path from now on."""
        self.close()
        self._path = path

    def watch(self) -> None:
        """Begin to watch this process's memory."""
        self._peak = PeakMemory()

    def peak(self) -> int | None:
        """Return the bytes of memory that were added at the most since `watch`."""
        return None if self._peak is None else self._peak.bytes


class BatchWorker(Worker):
    """Reads batches of images, each into a slot of the memory that all processes share."""

    def __init__(self, store: Store, path: Path, memory: SharedMemory, slot_bytes: int) -> None:
        super().__init__(store, path)
        self._memory, self._slot_bytes = memory.array, slot_bytes

    def batch(self, rows: Sequence[int], slot: int) -> int:
        """Read images into a slot, and return their number of bytes."""
        return sum(image.nbytes for image in self._batch(rows, slot))

    def kinds(self, rows: Sequence[int], slot: int) -> list[tuple[str, tuple[int, ...]]]:
        """Read images into a slot, and return the dtype and shape of each."""
        return [(image.dtype.str, image.shape) for image in self._batch(rows, slot)]

    def _batch(self, rows: Sequence[int], slot: int) -> list[np.ndarray]:
        start = slot * self._slot_bytes
        found = self.opened.batch_into(rows, self._memory[start : start + self._slot_bytes])
        if self._peak is not None:
            self._peak.sample()
        return found


class RowWorker(Worker):
    """Takes single rows, one after another, into memory of its own."""

    def __init__(self, store: Store, path: Path, slots: int, slot_bytes: int) -> None:
        super().__init__(store, path)
        self._drain = Drain.of_bytes(slots * slot_bytes)
        memory = self._drain.memory
        self._slots = [memory[place * slot_bytes :][:slot_bytes] for place in range(slots)]
        self._last: dict[int, np.ndarray] = {}
        self.seconds: list[float] = []
        self._pixels: list[np.ndarray] = []

    def take(self, rows: Sequence[int]) -> int:
        """Take each of these rows by a call of its own; return the number of bytes of all."""
        read, self.seconds, self._pixels = 0, [], []
        self._last.clear()
        self._drain.spoil()
        for number, row in enumerate(rows):
            memory = self._slots[number % len(self._slots)]
            self._drain.forget()
            began = time.perf_counter()
            read += self._drain(self.opened.take_into([row], memory))
            self.seconds.append(time.perf_counter() - began)
            if (image := self._last_image()) is not None:
                self._last[number % len(self._slots)] = image
                self._pixels.append(some_pixels(image))
            if self._peak is not None:
                self._peak.sample()
        return read

    def _last_image(self) -> np.ndarray | None:
        return self._drain.last

    def results(self) -> tuple[list[float], list[np.ndarray], list[str]]:
        """Return the seconds and the kept pixels of each take, and the digests of the last images.

        The digests are those of the images that are in memory still, in the order of their takes.
        """
        takes = len(self.seconds)
        last = [place % len(self._slots) for place in range(takes - len(self._last), takes)]
        digests = [digest(self._last[place]) for place in last]
        return self.seconds, self._pixels, digests


def some_pixels(image: np.ndarray) -> np.ndarray:
    """Return a copy of pixels that are spread evenly over an image."""
    return image.reshape(-1)[:: max(1, image.size // PIXELS_KEPT)].copy()
