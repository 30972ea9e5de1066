"""The base class of all benchmark classes: sets up one cell, verifies, checks and records it.

A benchmark class in benchmarks/ shows what is timed. It has one `time_` method, which asv times,
and its own `prepare_cell`, `prepare_sample`, `warm_up`, `verify` and `check_sample`, as far as it
needs them. asv calls `setup` before every sample and `teardown` after it, which call these:

    setup, first sample    prepare the store's files, prepare_cell, prepare_sample, warm_up,
                           the operation once for its peak memory, check_sample, verify
                           one untimed sample in turn, to know how many there is time for
    setup, every sample    wait for the turn, prepare_sample, write older data to the disk
    asv                    the timed method, between two readings of `timer`
    teardown               check_sample, write the record, remove the scratch folder

A cell that returns wrong values raises Mismatch in `setup` and so has no figure.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from platebench.drafts import Lent
from platebench.errors import Mismatch, Unsupported
from platebench.images.decoded_cache import DecodedImages
from platebench.optional import installed_version
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.stores.part_list import with_versions
from platebench.timing import page_cache
from platebench.timing.clock import Clock
from platebench.timing.copying import copy_by_links, copy_whole
from platebench.timing.drain import Drain, check
from platebench.timing.memory import PeakMemory
from platebench.timing.parent import end_with_parent
from platebench.timing.prepare import prepare
from platebench.timing.protocol import IMAGES, RECORD, SLOWER
from platebench.timing.turn_client import TurnClient
from platebench.timing.workspace import Kind, Workspace

DEFAULT_IMAGES = "raw-32"
SAMPLES = (3, 20, 0.5)
"""asv's repeat: at least 3 samples and at most 20, until half a second has passed.

In `platebench run` the turn server decides: all stores of a group take the same number.
"""


def image_sets() -> list[str]:
    """Return the names of the image sets to measure."""
    return os.environ.get(IMAGES, DEFAULT_IMAGES).split(",")


class Cell:
    """One operation on one store and one image set.

    Attributes for the timed method:

    - `store`, `images` and `path`: the store, the image set, and the stored file or folder.
    - `rows`: the rows that a sample reads.
    - `memory`: the suite's own memory, into which a store reads.
    - `drain`: receives the images that arrive in `memory` and returns their number of bytes.
    """

    param_names: ClassVar[list[str]] = ["store", "images"]
    params: ClassVar[list[list[str]]] = [list(map(str, registry.names())), image_sets()]
    number = 1
    rounds = 1
    warmup_time = 0
    repeat: Any = SAMPLES
    timeout = 900.0

    workspace: Workspace
    versioned: ClassVar[bool] = False
    """The operation needs versions: the format's own, or platebench's part list."""
    kind: ClassVar[Kind] = "data"
    """What `path` holds: the images, also as a first version, or with a second one."""

    store: Any
    images: DecodedImages
    path: Path
    rows: Sequence[int]
    memory: np.ndarray
    drain: Callable[[Iterable[np.ndarray]], int]
    copied: int

    def __init__(self) -> None:
        self.timer = Clock(slowdown=float(os.environ.get(SLOWER, "0")))
        self.record: dict[str, Any] = {}
        self._is_set_up = False
        self._turn = TurnClient()
        self._scratch: Lent | None = None

    # What a benchmark class defines

    def kind_for(self, *details: Any) -> Kind:
        """Return which stored files `path` is, for these parameters after store and images."""
        return self.kind

    def prepare_cell(self, *details: Any) -> None:
        """Prepare what all samples share. `details` are the parameters after store and images."""

    def prepare_sample(self) -> None:
        """Prepare one sample."""

    def warm_up(self) -> None:
        """Read one image, so that the library's late imports are in no figure."""
        with self.store.open(self.path) as opened:
            self.drain(opened.take_into([0], self.memory))

    def verify(self) -> None:
        """Compare more than `check_sample` does, once, before the first sample."""

    def spoil(self) -> None:
        """Change the suite's memory, so that what an earlier sample left is not taken for read."""
        self._drain.spoil()

    def check_sample(self) -> None:
        """Raise Mismatch if the sample did not do all that it should."""
        raise AssertionError(f"{type(self).__name__} does not check its samples")

    # What asv calls

    def setup(self, store: str, images: str, *details: Any) -> None:
        """Prepare a sample, and before the first one the cell."""
        try:
            if not self._is_set_up:
                if RECORD in os.environ:  # started by a run, not by asv on its own
                    end_with_parent()
                self._turn.connect()
                self._set_up(store, images, *details)
                self._is_set_up = True
                if self.repeat is SAMPLES and self._turn.decides:
                    # asv reads `repeat` again after setup.
                    self.repeat = self._turn.samples(self._practise())
            self._turn.acquire()
            self.prepare_sample()
            if self._scratch is not None:  # a sample that writes must not wait for older data
                page_cache.sync_tree(self._scratch.path)
            self.spoil()
        except Unsupported as reason:
            self._remove_scratch()
            raise NotImplementedError(str(reason)) from reason  # asv's skip
        except BaseException:
            self._remove_scratch()
            raise

    def teardown(self, *params: Any) -> None:
        """Check the sample, write the record, and remove what the sample wrote."""
        try:
            if self._is_set_up and self.timer.wall_s:
                self.check_sample()
            write_record(self.timer, self.record)
        finally:
            self._remove_scratch()

    # What benchmark classes use

    def operation(self) -> None:
        """Call the class's `time_` method once, untimed."""
        (timed,) = (name for name in dir(self) if name.startswith("time_"))
        getattr(self, timed)(*self._params)

    def expect(self, rows: Sequence[int]) -> None:
        """Set the rows that a sample reads, and so its number of images and bytes."""
        self.rows = rows
        self.expected_bytes = sum(self.images.image_bytes(row) for row in rows)
        self.record |= {"images": len(rows), "pixel_bytes": self.expected_bytes}

    def check_copied(self) -> None:
        """Raise Mismatch unless every byte was copied and the last image is right."""
        if self.copied != self.expected_bytes:
            raise Mismatch(f"{self.copied} of {self.expected_bytes} bytes were copied out")
        last = self._drain.last
        check([] if last is None else [last], self.images, self.rows[-1:])

    def new_target(self) -> Path:
        """Return a path in a new scratch folder, and remove the one before."""
        self._remove_scratch()
        self._scratch = self.workspace.lend()
        return self._scratch.path / "store"

    def copy_of_stored(self, whole: bool = False) -> Path:
        """Return a new copy of the stored files. The next call removes it.

        A copy shares its bytes with the stored files by hard links, unless it is `whole`: then it
        has its own. Before the timer starts, `setup` waits until they are on the disk.
        """
        target = self.new_target()
        if whole:
            copy_whole(self.path, target)
        else:
            copy_by_links(self.path, target)
        return target

    @contextmanager
    def watched_by(self, peak: PeakMemory) -> Iterator[None]:
        """Have memory sampled whenever an image arrives."""
        drain = self.drain
        self.drain = lambda images: drain(peak.watching(images))
        yield
        self.drain = drain

    def recorded(self, name: str) -> float:
        """Return a figure of the record, for asv's `track_` benchmarks.

        Raises NotImplementedError, asv's skip, if this machine cannot measure it.
        """
        value = self.record[name]
        if value is None:
            raise NotImplementedError(f"{name} cannot be measured on this machine")
        return float(value)

    def _set_up(self, store: str, images: str, *details: Any) -> None:
        self._params = (store, images, *details)
        self.images = self.workspace.images(images)
        self.record |= {
            "set_images": len(self.images),
            "set_pixel_bytes": self.images.pixel_bytes,
        }
        self.store = registry.find(StoreName.parse(store))
        self.images.touch()
        self._drain = Drain(self.images)
        self.memory, self.drain = self._drain.memory, self._drain
        kind = self.kind_for(*details)
        self.path = prepare(self.workspace, self.store, self.images, kind)
        page_cache.renew(self.path)
        if self.versioned:
            self.store = with_versions(self.store)
        stored_bytes, stored_files = page_cache.stored_size(self.path)
        self.record |= {
            "kind": kind,
            "stored_bytes": stored_bytes,
            "stored_files": stored_files,
        }
        self.expect(range(len(self.images)))
        self.prepare_cell(*details)
        self.prepare_sample()
        self.warm_up()
        # Peak memory before `verify`: memory that a whole pass leaves allocated would hide it.
        try:
            self.record["peak_bytes"] = self._peak_of_operation()
            self.check_sample()
        finally:
            self.verify()  # names the fault better than a sample that failed

    def _practise(self) -> float:
        """Do all of a sample in a turn of its own, and return its seconds.

        During set-up it takes up to five times as long: other processes are set up too.
        """
        self._turn.acquire()
        began = time.perf_counter()
        self.prepare_sample()
        self.spoil()
        self.operation()
        self.check_sample()
        return time.perf_counter() - began

    def _peak_of_operation(self) -> int | None:
        """Run the operation once, and return its peak memory in bytes."""
        peak = PeakMemory()
        with self.watched_by(peak):
            self.operation()
        return peak.bytes

    def _remove_scratch(self) -> None:
        if self._scratch is not None:
            self._scratch.close()


def write_record(timer: Clock, record: Mapping[str, object]) -> None:
    """Write the times and the record to the file that the environment names, if it names one."""
    if RECORD in os.environ:
        times = {"wall_s": timer.wall_s, "cpu_s": timer.cpu_s}
        Path(os.environ[RECORD]).write_text(json.dumps({**record, **times}))


def library_versions() -> dict[str, str]:
    """Return the version of every installed library that a format needs."""
    needed = sorted({name for format_ in registry.FORMATS for name in format_.all_needs})
    return {name: version for name in needed if (version := installed_version(name))}
