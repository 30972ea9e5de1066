"""What every benchmark class shares: one cell, set up, checked, timed and recorded.

asv calls `setup` before every sample. The first time, the store is found, its files are made
fresh, a little of the operation is done to import what the library puts off, and then the whole of
it twice untimed: once for its peak memory, and once comparing all it gives with the image set's
digests. A cell that differs raises Mismatch there and so fails. What every timed sample left is
checked again after its timer.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from platebench.errors import Mismatch, Unsupported
from platebench.images.decoded_cache import DecodedImages
from platebench.optional import installed_version
from platebench.stores import registry
from platebench.stores.contract import VersionedStore
from platebench.timing import page_cache
from platebench.timing.clock import Clock
from platebench.timing.drain import Drain, check
from platebench.timing.memory import PeakMemory
from platebench.timing.parent import end_with_parent
from platebench.timing.prepare import prepare
from platebench.timing.protocol import IMAGES, RECORD, SLOWER
from platebench.timing.turn_client import TurnClient
from platebench.timing.workspace import Kind, Workspace

DEFAULT_IMAGES = "raw-32"
SAMPLES = (3, 20, 0.5)
"""asv's repeat: at least 3 samples, at most 20, until half a second is over."""


def image_sets() -> list[str]:
    """Return the names of the image sets to measure."""
    return os.environ.get(IMAGES, DEFAULT_IMAGES).split(",")


class Cell:
    """One operation on one store and one image set. A benchmark class adds the timed line.

    It defines `operation`, which its timed line calls; `first`, what the operation needs, done
    once; `warm_up`, a little of it; `before` and `after`, what each sample needs and how it is
    checked; and `verify`, which compares everything it gives with what was put in.
    """

    param_names: ClassVar[list[str]] = ["store", "images"]
    params: ClassVar[list[list[str]]] = [registry.names(), image_sets()]
    number = 1
    rounds = 1
    warmup_time = 0
    repeat: ClassVar[Any] = SAMPLES
    timeout = 900.0

    workspace: Workspace
    versioned: ClassVar[bool] = False
    kind: ClassVar[Kind] = "data"

    store: Any
    images: DecodedImages
    path: Path
    memory: Drain
    drain: Callable[[Iterable[np.ndarray]], int]
    copied: int

    def __init__(self) -> None:
        self.timer = Clock()
        self._is_set_up = False
        self._turn = TurnClient()
        self._record: dict[str, object] = {}

    def setup(self, store: str, images: str, *details: Any) -> None:
        """Set the cell up: all of it before the first sample, `before` for the others."""
        try:
            if not self._is_set_up:
                if RECORD in os.environ:  # started by a run, not by asv on its own
                    end_with_parent()
                self._turn.connect()
                self._first(store, images, *details)
                self._is_set_up = True
            self._turn.acquire()
            self.before()
        except Unsupported as reason:
            raise NotImplementedError(str(reason)) from reason

    def teardown(self, *params: Any) -> None:
        """Check what the sample did, and leave the record."""
        if self._is_set_up and self.timer.wall_s:
            self.after()
        leave_record(self.timer, self._record)

    def first(self, *details: Any) -> None:
        """Prepare what the operation needs."""

    def operation(self) -> None:
        """Do what is timed."""
        raise NotImplementedError

    def warm_up(self) -> None:
        """Do a little of it, so that what a library imports late is in no figure."""
        with self.store.open(self.path) as opened:
            self.drain(opened.take([0]))

    def verify(self) -> None:
        """Compare all that the operation gives with what was put in."""
        raise NotImplementedError

    def before(self) -> None:
        """Prepare one sample."""

    def after(self) -> None:
        """Check one sample: that it copied every byte, and the last image right."""
        if self.copied != self.expected_bytes:
            raise Mismatch(f"{self.copied} of {self.expected_bytes} bytes were copied out")
        last = self.memory.last_image(self.images, self.rows[-1])
        check([last], self.images, self.rows[-1:])

    def expects(self, rows: Sequence[int]) -> None:
        """Say which images a sample reads."""
        self.rows = rows
        self.expected_bytes = sum(self.images.image_bytes(row) for row in rows)
        self._record |= {"images": len(rows), "pixel_bytes": self.expected_bytes}

    def recorded(self, what: str) -> float:
        """Return a figure that the set-up noted, for asv's `track_` benchmarks.

        Raises NotImplementedError, which asv shows as n/a, where it could not be told.
        """
        noted = self._record[what]
        if noted is None:
            raise NotImplementedError(f"{what} cannot be told here")
        return float(str(noted))

    def _first(self, store: str, images: str, *details: Any) -> None:
        self.images = self.workspace.images(images)
        self._record |= {
            "set_images": len(self.images),
            "set_pixel_bytes": self.images.pixel_bytes,
        }
        self.store = registry.find(store)
        if self.versioned and not isinstance(self.store, VersionedStore):
            raise Unsupported(f"{self.store.format} has no versions")
        self.images.touch()
        self.memory = Drain(self.images)
        self.drain = self.memory
        self.path = prepare(self.workspace, self.store, self.images, self.kind)
        stored_bytes, stored_files = page_cache.stored_size(self.path)
        self._record |= {
            "kind": self.kind,
            "stored_bytes": stored_bytes,
            "stored_files": stored_files,
        }
        self.expects(range(len(self.images)))
        self.first(*details)
        self.before()
        self.warm_up()
        # Memory next: what a whole pass left allocated would hide in what was there before.
        try:
            self._record["peak_bytes"] = self._peak_of_operation()
        finally:
            self.verify()  # which knows best what is wrong, if the operation did not get through
        self.after()
        if SLOWER in os.environ:
            share = float(os.environ[SLOWER])
            self.operation = _slowed(self.operation, share)  # type: ignore[method-assign]

    def _peak_of_operation(self) -> int | None:
        """Do the operation once, looking at memory whenever an image arrives."""
        drain, peak = self.drain, PeakMemory()
        self.drain = lambda images: drain(peak.watching(images))
        self.operation()
        self.drain = drain
        return peak.bytes


def leave_record(timer: Clock, noted: Mapping[str, object]) -> None:
    """Leave the times, and what was noted beside them, for whoever asked for a record."""
    if RECORD in os.environ:
        times = {"wall_s": timer.wall_s, "cpu_s": timer.cpu_s}
        Path(os.environ[RECORD]).write_text(json.dumps({**noted, **times}))


def _slowed(operation: Callable[[], None], share: float) -> Callable[[], None]:
    """Return the operation, kept busy at its end until it has taken `share` longer."""

    def slow() -> None:
        start = time.perf_counter()
        operation()
        end = start + (time.perf_counter() - start) * (1 + share)
        while time.perf_counter() < end:
            pass

    return slow


def library_versions() -> dict[str, str]:
    """Return the version of every library that a format needs and that is installed here."""
    needed = sorted({name for format_ in registry.FORMATS for name in format_.all_needs})
    return {name: version for name in needed if (version := installed_version(name))}
