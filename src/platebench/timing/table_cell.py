"""The base class of benchmark classes about tables: the images have a generated table of objects.

What `platebench.images.objects` generates stands beside the images in stored files of their own
(`timing.workspace.Kind`): of 10,000 objects and of 1,000,000.
What is expected of a store is worked out here, from the table that was written, with none of the
code that stores use for conditions and links.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from platebench.errors import Mismatch
from platebench.images.imageset import ImageSet
from platebench.images.objects import KEYS, LARGE, MITOTIC, OBJECTS, PHENOTYPE
from platebench.stores.table_difference import tables_differ
from platebench.stores.where import Condition, Where
from platebench.timing.cell import Cell
from platebench.timing.memory import PeakMemory
from platebench.timing.table_drain import TableDrain
from platebench.timing.workspace import KIND_WITH_OBJECTS, Kind

SCALES = {f"{rows:,} objects": rows for rows in KIND_WITH_OBJECTS}
"""The parameter `objects` of a benchmark class, and the rows of the table."""

LARGE_MITOTIC: Where = (Condition(PHENOTYPE, "==", MITOTIC), Condition("area", ">", LARGE))
"""About 2% of the objects, in about one image of six."""


class TableCell(Cell):
    """One operation on the table of objects of one image set in one store.

    Attributes for the timed method, beside those of `Cell`:

    - `objects`: the table, as it was written.
    - `receive`: takes the table that a store returns, and copies it into the suite's memory.
    """

    param_names: ClassVar[list[str]] = [*Cell.param_names, "objects"]
    params: ClassVar[list[list[str]]] = [*Cell.params, list(SCALES)]

    whole: ImageSet
    objects: pa.Table
    receive: TableDrain
    _expected: pa.Table

    def kind_for(self, *details: Any) -> Kind:
        """Return the kind of stored files with this table."""
        return KIND_WITH_OBJECTS[SCALES[details[0]]]

    def prepare_cell(self, *details: Any) -> None:
        """Find the table. Subclasses then say what they expect."""
        self.whole = self.workspace.with_objects(self.images, SCALES[details[0]])
        self.objects = self.whole.tables[OBJECTS]
        self.receive = TableDrain(self.objects.slice(0, 0))
        self.record["set_table_bytes"] = self.objects.nbytes

    def warm_up(self) -> None:
        """Read an image and a part of the table."""
        super().warm_up()
        with self.store.open(self.path) as opened:
            opened.read_table(OBJECTS, ["area"], LARGE_MITOTIC)

    def expect_table(self, expected: pa.Table, rows: Sequence[int] = ()) -> None:
        """Set the table that a sample reads, and the rows of the images that it reads."""
        self._expected = expected
        self.receive = TableDrain(expected, len(self.images) + expected.num_rows // 256)
        self.record |= {"table_rows": expected.num_rows, "table_bytes": expected.nbytes}
        self.expect(rows)

    def spoil(self) -> None:
        """Change the memory for images and for the table."""
        super().spoil()
        self.receive.spoil()

    @contextmanager
    def watched_by(self, peak: PeakMemory) -> Iterator[None]:
        """Have memory sampled whenever an image or a table arrives."""
        before = self.receive.on_arrival
        self.receive.on_arrival = peak.sample
        with super().watched_by(peak):
            yield
        self.receive.on_arrival = before

    def check_received(self) -> None:
        """Raise Mismatch unless the table in the suite's memory is the expected one."""
        check_equal(self._expected, self.receive.received())

    def large_mitotic(self) -> pa.Table:
        """Return the objects that `LARGE_MITOTIC` selects."""
        is_mitotic = pc.equal(self.objects[PHENOTYPE], MITOTIC)
        return self.objects.filter(pc.and_(is_mitotic, pc.greater(self.objects["area"], LARGE)))

    def objects_per_image(self, objects: pa.Table) -> list[int]:
        """Return how many of these objects each image has, in row order."""
        keys = self.images.table.select(list(KEYS)).to_pylist()
        rows = {tuple(key.values()): row for row, key in enumerate(keys)}
        counted = objects.group_by(list(KEYS)).aggregate([([], "count_all")]).to_pylist()
        counts = [0] * len(self.images)
        for each in counted:
            counts[rows[tuple(each[name] for name in KEYS)]] = each["count_all"]
        return counts


def check_equal(expected: pa.Table, found: pa.Table) -> None:
    """Raise Mismatch unless a table of objects is as expected: columns, types, order and values."""
    difference = tables_differ(expected, found)
    if difference is not None:
        raise Mismatch(f"table {OBJECTS}: {difference}")
