"""The talk's timings, its join and its search as asv measures them, one library call a sample."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any, ClassVar

from platebench.errors import Mismatch
from platebench.talk.dataset import Material, generated_material
from platebench.talk.lancedb_table import frames_differ
from platebench.talk.package import JOINS, comparable, package_of
from platebench.talk.search import NEAREST, SEARCHES, queries, recall, searched
from platebench.talk.three_reads import check_reads, three_reads, write_talk_files
from platebench.timing.cell import leave_record
from platebench.timing.clock import Clock
from platebench.timing.workspace import Workspace


class TalkCell:
    """One call on the talk's material, which is made once, and checked before it is timed."""

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
        """Make the files and check what the call gives; the second time, nothing."""
        if not self._is_set_up:
            lent = self.workspace.lend()
            self._removal = weakref.finalize(self, lent.close)
            folder = lent.path
            self._is_set_up = True
            self.first(generated_material(folder / "images"), folder, *params)

    def teardown(self, *params: str) -> None:
        """Leave the times, wall and CPU, where asv's own result has no room for them."""
        leave_record(self.timer, {})

    def first(self, material: Material, folder: Path, *params: str) -> None:
        """Prepare the call, and raise Mismatch unless it gives what it should."""
        raise NotImplementedError


class ReadCell(TalkCell):
    """One of the three reads of the two images."""

    def first(self, material: Material, folder: Path, *params: str) -> None:
        """Write the files; compare every pixel."""
        (read,) = params
        reads = three_reads(*write_talk_files(material, folder))
        self.operation = reads[read]
        if not check_reads({read: self.operation}, material)[read]:
            raise Mismatch(f"{read} gave other images than were put in")


class SearchCell(TalkCell):
    """The ten nearest of 4,096 images by one engine; each sample asks for another image's."""

    def first(self, material: Material, folder: Path, *params: str) -> None:
        """Put the embeddings in, build the index, and see that an exact search is exact."""
        (engine,) = params
        embeddings, self._queries = searched(material), queries(material)
        self._engine = SEARCHES[engine](embeddings, folder)
        self._asked = 0
        found = self._engine.nearest(self._queries[0], NEAREST)
        part = recall(embeddings, self._queries[0], found, NEAREST)
        if self._engine.exact and part < 1:
            raise Mismatch(f"{engine} found {part:.0%} of the nearest images")

    def operation(self) -> None:
        """Search for the next query's neighbours."""
        query = self._queries[self._asked % len(self._queries)]
        self._asked += 1
        self._engine.nearest(query, NEAREST)


class JoinCell(TalkCell):
    """Images, objects and features joined by one engine."""

    def first(self, material: Material, folder: Path, *params: str) -> None:
        """Put the tables in, and compare the join with pandas'."""
        (engine,) = params
        package = package_of(material.cells)
        joined = JOINS[engine](package, folder / "package")
        truth = JOINS["pandas"](package, folder / "pandas").join()
        difference = frames_differ(comparable(joined.join()), comparable(truth))
        if difference is not None:
            raise Mismatch(f"{engine} joins otherwise than pandas: {difference}")
        self.operation = joined.join
