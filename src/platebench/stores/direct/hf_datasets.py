"""Parquet files of Hugging Face's `datasets`, written by it and read with pyarrow alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.direct.arrow_values import binary_values
from platebench.stores.direct.calls import About, Calls, Images, Reading, TableReading, Writing
from platebench.stores.direct.tiff_values import decode_tiff, files_of, values_of


def calls(layout: str, tuning: str) -> Calls:
    """Return the calls of one tuning."""
    values = values_of(layout, tuning)
    how = {"memory_map": True, "pre_buffer": False}
    readings = [
        Reading("read_row_group, memory_map", partial(_opened, how), partial(_rows, values)),
        Reading("read_row_group", partial(_opened, {}), partial(_rows, values)),
    ]
    writing = Writing("Dataset.to_parquet", partial(_write, values, tuning))
    return Calls([writing], readings, [TableReading("pq.read_table(columns=)", _table)])


_Groups = list[tuple[pq.ParquetFile, int]]
"""The row groups of all files: a file, and a group's number there."""


@contextmanager
def _opened(how: dict[str, Any], path: Path) -> Iterator[_Groups]:
    with ExitStack() as stack:
        files = [
            stack.enter_context(pq.ParquetFile(file, **how))
            for file in sorted((path / "data").iterdir())
        ]
        yield [(file, group) for file in files for group in range(file.num_row_groups)]


def _rows(
    values: str, groups: _Groups, rows: Sequence[int], about: About, memory: np.ndarray
) -> Images:
    out = about.image(memory)
    counts = (file.metadata.row_group(group).num_rows for file, group in groups)
    starts = [0, *accumulate(counts)]
    last, files = -1, list[memoryview]()
    for row in rows:
        group = bisect_right(starts, row) - 1
        if group != last:
            file, number = groups[group]
            table = file.read_row_group(number, columns=["image.bytes"], use_threads=False)
            column = table["image"]
            parts = (binary_values(chunk.field("bytes")) for chunk in column.chunks)
            files, last = [value for part in parts for value in part], group
        decode_tiff(files[row - starts[group]], values, out)
        yield out


def _table(path: Path) -> pa.Table:
    files = sorted((path / "data").iterdir())
    return pa.concat_tables([pq.read_table(file, columns=IMAGE_SCHEMA.names) for file in files])


def _write(values: str, tuning: str, images: ImageSet, path: Path) -> None:
    (path / "data").mkdir(parents=True)
    file = files_of(images, values)
    feature = datasets.Image(decode=False)
    column = [{"bytes": file(row), "path": f"{row:06d}.tif"} for row in range(len(images))]
    table = images.table.append_column("image", pa.array(column, feature.pa_type))
    features = datasets.Features.from_arrow_schema(table.schema)
    features["image"] = feature
    datasets.disable_progress_bars()
    with (path / "data" / "train-00000-of-00001.parquet").open("wb") as sink:
        datasets.Dataset(table.cast(features.arrow_schema), fingerprint="direct").to_parquet(
            sink,
            batch_size=None if tuning == "default" else 1,
            use_content_defined_chunking=True,
        )
