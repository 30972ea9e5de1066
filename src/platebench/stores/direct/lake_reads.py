"""Read the Parquet files of Delta and Iceberg tables, with pyarrow alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from platebench.images.imageset import ImageSet
from platebench.stores.direct.arrow_values import batches, images_in, schema_of
from platebench.stores.direct.calls import About, Images

Groups = list[tuple[pq.ParquetFile, int]]
"""The file and row group of each row."""

CODECS = {"fast": ("none", None), "balanced": ("lz4", None), "small": ("brotli", 6)}


def reader(images: ImageSet, rows: int = 1) -> pa.RecordBatchReader:
    """Return the images and their table as a stream of batches."""
    schema = schema_of(images, "pixels")
    return pa.RecordBatchReader.from_batches(schema, batches(images, "pixels", rows))


@contextmanager
def row_groups(files: Sequence[str]) -> Iterator[Groups]:
    """Open files with one image per row group, and find each row by the statistics of `row`."""
    with ExitStack() as stack:
        places = {}
        for name in files:
            file = stack.enter_context(pq.ParquetFile(name, pre_buffer=False, memory_map=True))
            column = file.schema_arrow.get_field_index("row")
            for group in range(file.metadata.num_row_groups):
                row = file.metadata.row_group(group).column(column).statistics.min
                places[row] = (file, group)
        yield [places[row] for row in sorted(places)]


def taken(groups: Groups, rows: Sequence[int], about: About, memory: np.ndarray) -> Images:
    """Read one row group for each row."""
    for row in rows:
        file, group = groups[row]
        found = file.read_row_group(group, columns=["image"], use_threads=False)
        yield from images_in(found["image"].chunk(0), "pixels", about, memory)


def in_order(
    found: pa.Table, rows: Sequence[int] | None, about: About, memory: np.ndarray
) -> Images:
    """Yield the images of a table with the columns `row` and `image` in the requested order."""
    places = {row: place for place, row in enumerate(found["row"].to_pylist())}
    for row in sorted(places) if rows is None else rows:
        value = found["image"].slice(places[row], 1).chunk(0)
        yield from images_in(value, "pixels", about, memory)
