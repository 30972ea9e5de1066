"""Growth: bytes on the disk as versions are added to a store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import altair as alt

from platebench.results.measurement import CellName
from platebench.results.operations import GROW
from platebench.results.questions import in_order
from platebench.results.records import Record
from platebench.results.report import figure
from platebench.site.drawing.style import (
    LINES_SAY,
    Drawing,
    Row,
    framed,
    in_best_layouts,
    lines,
    log_axis,
    number,
    points,
    texts,
    told,
)

ANCHOR, TITLE = "growth", "Growth over twenty versions"
HEADS = ("store", "versions added", "bytes stored", "bytes, of raw size")
NOTED = "version_bytes"
MARKED = range(0, 100, 5)
"""The numbers of versions with a point in the chart and a row in the table."""


def growth(records: Iterable[Record], images: str | None) -> Drawing:
    """Return the chart of growing stores on this image set, or on another if it has none."""
    by_set = _grown(records)
    if not by_set:
        return Drawing(ANCHOR, TITLE, "Not shown: no store was measured while it grew.", None)
    name = images if images in by_set else max(by_set, key=lambda each: len(by_set[each]))
    rows = [row for record in by_set[name] for row in _rows(record)]
    caption = (
        f"Image set {name}. Each version adds a tenth more images. Bytes of all versions, relative "
        "to the pixels of the newest version; counted, so without an interval. Each format in its "
        f"best layout; the table has the others. {LINES_SAY}"
    )
    chart = framed(drawn(in_best_layouts(rows)))
    table = [row for row in rows if row["versions"] in MARKED]
    return Drawing(ANCHOR, TITLE, caption, chart, HEADS, texts(table, HEADS))


def drawn(rows: Sequence[Row]) -> alt.LayerChart:
    """Return the chart: a line per store, with a point at every fifth version."""
    x = alt.X("versions:Q", title="versions added", axis=alt.Axis(tickMinStep=1))
    scale, axis = log_axis([number(row, "times") for row in rows])
    y = alt.Y("times:Q", title="bytes, of raw size", scale=scale, axis=axis)
    marked = [row for row in rows if row["versions"] in MARKED]
    return alt.LayerChart(
        layer=[
            lines(rows).encode(x=x, y=y),
            points(marked).encode(x=x, y=y, tooltip=told(*HEADS)),
        ]
    )


def _grown(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Return a record of each store that grew without failure, by image set."""
    by_cell: dict[CellName, list[Record]] = defaultdict(list)
    for record in records:
        if record.run.cell.kind == GROW:
            by_cell[record.run.cell].append(record)
    by_set: dict[str, list[Record]] = defaultdict(list)
    for cell, rounds in by_cell.items():
        if all(record.run.status == "ok" and _is_noted(record) for record in rounds):
            by_set[cell.images].append(rounds[0])
    return {name: _in_order(each) for name, each in by_set.items()}


def _is_noted(record: Record) -> bool:
    noted = record.run.record
    sizes = noted.get(NOTED) or []
    return len(sizes) > 1 and all(noted.get(key) for key in ("pixel_bytes", "set_pixel_bytes"))


def _in_order(records: Sequence[Record]) -> list[Record]:
    by_store = {record.run.cell.store: record for record in records}
    return [by_store[store] for store in in_order(list(by_store))]


def _rows(record: Record) -> list[Row]:
    noted, store = record.run.record, record.run.cell.store
    sizes: Sequence[int] = noted[NOTED]
    added = noted["pixel_bytes"] / (len(sizes) - 1)
    return [
        {
            "store": str(store),
            "format": store.format,
            "layout": store.layout,
            "tuning": store.tuning,
            "versions": version,
            "times": times,
            "versions added": str(version),
            "bytes stored": f"{size:,}",
            HEADS[-1]: figure(times),
        }
        for version, size in enumerate(sizes)
        for times in [size / (noted["set_pixel_bytes"] + version * added)]
    ]
