"""Lance, through pylance alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import lance

from platebench.images.imageset import ImageSet
from platebench.stores.direct.calls import Calls, Reading, Reason, TableReading, Writing
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

_ZSTD = {"lance-encoding:compression": "zstd", "lance-encoding:compression-level": "1"}


REASONS = (
    Reason(
        "lance:*:fast",
        "cold scan",
        "A scan reads blobs as binary columns: 128 images take 0.7 of the time of take_blobs "
        "from the page cache, and 1.3 times as long from the disk.",
    ),
)


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one layout and tuning."""
    layout = values_of(layout, tuning)
    tables = [TableReading("lance.dataset.to_table(columns=)", table)]
    if tuning == "fast" or (layout.startswith("tiff") and tuning != "default"):
        scan = partial(scanned, layout, {**AHEAD, "blob_handling": "all_binary"})
        readings = [
            Reading("read_blobs; scanner(all_binary)", opened, partial(blobs, layout), scan),
            Reading("take_blobs", opened, partial(blob_files, layout)),
        ]
        writing = Writing("write_dataset of lance.blob_field", partial(_write_blobs, layout))
        return Calls([writing], readings, tables)
    options = {} if tuning == "default" else AHEAD
    scan = partial(scanned, layout, options)
    readings = [Reading("take; scanner", opened, partial(taken, layout), scan)]
    field = {} if tuning == "default" else _ZSTD
    writing = Writing("write_dataset of a RecordBatchReader", partial(_write, layout, field))
    return Calls([writing], readings, tables)


def _write(layout: str, metadata: dict[str, str], images: ImageSet, path: Path) -> None:
    reader = value_reader(layout, images, metadata)
    lance.write_dataset(reader, str(path / "images.lance"))


def _write_blobs(layout: str, images: ImageSet, path: Path) -> None:
    blob = lance.blob_field("image", nullable=False)
    reader = blob_reader(layout, images, blob)
    lance.write_dataset(reader, str(path / "images.lance"), data_storage_version="2.2")
