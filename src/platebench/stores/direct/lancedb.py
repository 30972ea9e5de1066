"""LanceDB, through lancedb and pylance alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.arrow_values import images_in
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing
from platebench.stores.direct.lance_calls import (
    AHEAD,
    blob_files,
    blob_reader,
    blobs,
    opened,
    scanned,
    table,
    taken,
    value_reader,
)
from platebench.stores.direct.tiff_values import values_of

_FIELD: dict[str, dict[str, str]] = {
    "default": {},
    "fast": {"lance-encoding:compression": "none"},
    "balanced": {"lance-encoding:compression": "zstd", "lance-encoding:compression-level": "1"},
}


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    layout = values_of(layout, tuning)
    tables = [
        TableReading("lance.dataset.to_table(columns=)", table),
        TableReading("open_table.search.select.to_arrow", _lancedb_table),
    ]
    if tuning == "fast" or (layout.startswith("tiff") and tuning != "default"):
        readings = [
            Reading(
                "lance.dataset.read_blobs; scanner(all_binary)",
                opened,
                partial(blobs, layout),
                partial(scanned, layout, {**AHEAD, "blob_handling": "all_binary"}),
            ),
            Reading(
                "lance.dataset.take_blobs",
                opened,
                partial(blob_files, layout),
            ),
        ]
        writing = Writing("create_table of lancedb.blob", partial(_write_blobs, layout))
        return Calls([writing], readings, tables)
    offsets = Reading("open_table.take_offsets", _table, partial(_offsets, layout))
    if tuning == "default":
        scan = Reading("to_lance().to_batches", _to_lance, scan=partial(scanned, layout, {}))
        readings = [scan, offsets]
    else:
        take, ahead = partial(taken, layout), partial(scanned, layout, AHEAD)
        readings = [Reading("lance.dataset.take; to_batches", opened, take, ahead), offsets]
    writing = Writing("create_table of a RecordBatchReader", partial(_write, layout, tuning))
    return Calls([writing], readings, tables)


def _table(path: Path) -> AbstractContextManager[Any]:
    return nullcontext(lancedb.connect(str(path)).open_table("images"))


def _to_lance(path: Path) -> AbstractContextManager[Any]:
    return nullcontext(lancedb.connect(str(path)).open_table("images").to_lance())


def _offsets(
    layout: str, table: Any, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    column = table.take_offsets(list(rows)).select(["image"]).to_arrow()["image"]
    ranks = np.argsort(np.argsort(rows))  # take_offsets sorts
    for rank in ranks.tolist():
        yield from images_in(column.slice(rank, 1).chunk(0), layout, about, memory)


def _lancedb_table(path: Path) -> pa.Table:
    table = lancedb.connect(str(path)).open_table("images")
    return table.search().select(IMAGE_SCHEMA.names).to_arrow()


def _write(layout: str, tuning: str, images: ImageSet, path: Path) -> None:
    database = lancedb.connect(str(path))
    database.create_table("images", value_reader(layout, images, _FIELD[tuning]))


def _write_blobs(layout: str, images: ImageSet, path: Path) -> None:
    blob = lancedb.blob("image", nullable=False).with_metadata(_FIELD["fast"])
    database = lancedb.connect(str(path))
    database.create_table("images", blob_reader(layout, images, blob))
