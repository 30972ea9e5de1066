"""Benchmarks of the talk's reads, search and join for asv, one library call per sample."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any, ClassVar

from platebench.errors import Mismatch
from platebench.talk.dataset import Dataset, generated_dataset
from platebench.talk.lancedb_table import frames_differ
from platebench.talk.package import JOINS, comparable, package_of
from platebench.talk.search import NEAREST, SEARCHES, queries, recall, searched
from platebench.talk.three_reads import check_reads, three_reads, write_talk_files
from platebench.timing.cell import leave_record
from platebench.timing.clock import Clock
from platebench.timing.workspace import Workspace


class TalkCell:
    """A benchmark of one call on the talk's dataset. Its result is checked before timing."""

    number = 1
    rounds = 1
    warmup_time = 0
    repeat: ClassVar[Any] = (5, 30, 1.0)
    timeout = 300.0

    workspace: Workspace

    def __init__(self) -> None:
        self.timer = Clock()
        self._is_set_up = False

    def setup(self, *params: str) -> None:
        """Write the files and check the result of the call; later calls do nothing."""
        if not self._is_set_up:
            lent = self.workspace.lend()
            self._removal = weakref.finalize(self, lent.close)
            folder = lent.path
            self._is_set_up = True
            self.first(generated_dataset(folder / "images"), folder, *params)

    def teardown(self, *params: str) -> None:
        """Record wall and CPU times, which asv's result format cannot store."""
        leave_record(self.timer, {})

    def first(self, dataset: Dataset, folder: Path, *params: str) -> None:
        """Prepare the call. Raises Mismatch if its result is wrong."""
        raise NotImplementedError


class ReadCell(TalkCell):
    """One of the three reads of the two images."""

    def first(self, dataset: Dataset, folder: Path, *params: str) -> None:
        """Write the files, and compare every pixel of the read."""
        (read,) = params
        reads = three_reads(*write_talk_files(dataset, folder))
        self.operation = reads[read]
        if not check_reads({read: self.operation}, dataset)[read]:
            raise Mismatch(f"{read} returned other images than were written")


class SearchCell(TalkCell):
    """Search for the ten nearest of 4,096 images with one engine; queries change per sample."""

    def first(self, dataset: Dataset, folder: Path, *params: str) -> None:
        """Write the embeddings, build the index, and check that an exact search is exact."""
        (engine,) = params
        embeddings, self._queries = searched(dataset), queries(dataset)
        self._engine = SEARCHES[engine](embeddings, folder)
        self._asked = 0
        found = self._engine.nearest(self._queries[0], NEAREST)
        part = recall(embeddings, self._queries[0], found, NEAREST)
        if self._engine.exact and part < 1:
            raise Mismatch(f"{engine} found {part:.0%} of the nearest images")

    def operation(self) -> None:
        """Search for the neighbours of the next query."""
        query = self._queries[self._asked % len(self._queries)]
        self._asked += 1
        self._engine.nearest(query, NEAREST)


class JoinCell(TalkCell):
    """Join images, objects and features with one engine."""

    def first(self, dataset: Dataset, folder: Path, *params: str) -> None:
        """Write the tables, and compare the join with that of pandas."""
        (engine,) = params
        package = package_of(dataset.cells)
        joined = JOINS[engine](package, folder / "package")
        truth = JOINS["pandas"](package, folder / "pandas").join()
        difference = frames_differ(comparable(joined.join()), comparable(truth))
        if difference is not None:
            raise Mismatch(f"{engine} and pandas return different joins: {difference}")
        self.operation = joined.join
