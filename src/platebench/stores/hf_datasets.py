"""Parquet files as Hugging Face `datasets` writes them, with its Image feature.

- On disk, an image is its TIFF file in a struct of `bytes` and `path`, in
  `data/train-00000-of-00001.parquet` and so on. The image columns are not compressed. Pages end
  where the content says so (content-defined chunking), so that an upload of a changed file sends
  only what changed; and there is an index of pages.
- One image is `pyarrow.parquet.ParquetFile(file).read_row_group(i, columns=["image.bytes"])`.
- A random row costs its row group: 100 MB by default, which is 70 images of 1.4 MB.
- It cannot compress pixels, keep versions without the Hub, or return a TIFF file of 16 bits by its
  own decoder (Pillow), as microscopes write them; read the bytes with `Image(decode=False)`.
- The Hub's viewer, `datasets`, pandas, Polars, DuckDB and R open it. The format's own document:
  https://huggingface.co/docs/hub/datasets-libraries#optimized-parquet-files

The files are read with pyarrow: `datasets` first copies a Parquet file to an Arrow file in its
cache, in full, and reads rows from that copy.

The tunings:

- `default`: `Dataset.to_parquet`, in files of 500 MB, as `push_to_hub` makes them.
- `fast`: the same with `batch_size=1`, which makes one row group per image, in files of 32 MB.
- `balanced`: as `fast`, of TIFF files compressed by Zstandard level 1 in several threads
  (`tiff_codec`).
- `small`: as `fast`, of lossless JPEG XL.

Tables that belong to the images are Parquet files of their own (see `parquet_tables`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.by_request import by_request
from platebench.stores.contract import OpenDecoded, OpenStore
from platebench.stores.parquet_tables import ParquetTables
from platebench.stores.plain_tiff import read_tiff
from platebench.stores.table_files import TABLES
from platebench.stores.tables import StoredTables
from platebench.stores.tiff_codec import CODECS, TiffCodec
from platebench.stores.tiff_store import TiffStore
from platebench.stores.values import FILE, IMAGE, binary_views, table_of
from platebench.stores.variants import Variants

DATA = "data"

LARGE_FILE, SMALL_FILE = 500_000_000, 32 * 2**20
"""The most bytes of TIFF files per Parquet file: those of `push_to_hub`, and fewer, since the
images of a file are in memory while it is written."""

BYTES = f"{IMAGE}.bytes"


@dataclass(frozen=True)
class Settings:
    """Rows per row group (None: as `datasets` chooses), bytes per file, and another codec."""

    rows: int | None = 1
    file: int = SMALL_FILE
    tiff: TiffCodec | None = None


CANDIDATES: Mapping[str, Variants[Settings]] = {
    "tiff": Variants(
        {
            "default": Settings(None, LARGE_FILE),
            "one-per-group": Settings(),
            **{f"tiff-{name}": Settings(tiff=codec) for name, codec in CODECS.items()},
        },
        {
            "default": "default",
            "fast": "one-per-group",
            "balanced": "tiff-zstd-1",
            "small": "tiff-jpeg-xl-2",
        },
    )
}


class HfDatasets(TiffStore):
    """A folder with a dataset of one split."""

    format = "hf-datasets"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tiff": {
            "Python": """
import io, pathlib, pyarrow.parquet as pq, tifffile
file = min(pathlib.Path(place, "data").iterdir())
image = pq.ParquetFile(file).read_row_group(0, columns=["image.bytes"])["image"][0].as_py()
print(tifffile.imread(io.BytesIO(image["bytes"])))
""",
            "R": """
table <- arrow::read_parquet(list.files(paste0(place, "/data"), full.names = TRUE)[1])
tiff::readTIFF(as.raw(table$image$bytes[[1]]), as.is = TRUE)
""",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one file after another."""
        settings = CANDIDATES[self.layout].of(self.tuning)
        images = self._encoded(images)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        (path / DATA).mkdir(parents=True)
        files = _files_of(images, settings.file)
        for number, rows in enumerate(files):
            place = path / DATA / f"train-{number:05d}-of-{len(files):05d}.parquet"
            _write_file(images, rows, place, settings.rows)
        tables.write(images.tables)

    @property
    def _codec(self) -> TiffCodec | None:
        return CANDIDATES[self.layout].of(self.tuning).tiff

    def _opened(self, path: Path, layout: str) -> OpenStore:
        """Open the files; their footers are read when the first image is."""
        many = CANDIDATES[self.layout].of(self.tuning).rows is None
        kind = _OpenLargeGroups if many else _OpenFiles
        return kind(path, as_files=layout == FILE).with_tables(self.tables_at(path))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep one Parquet file for each table."""
        return ParquetTables(path / TABLES, {})


def _files_of(images: ImageSet, most: int) -> list[range]:
    """Return the rows of each file: as many as have this many bytes, but one at least."""
    starts, held = [0], 0
    for row, size in enumerate(images.table["filesize_bytes"].to_pylist()):
        if held and held + size > most:
            starts.append(row)
            held = 0
        held += size
    return [range(*pair) for pair in zip(starts, [*starts[1:], len(images)], strict=True)]


def _write_file(images: ImageSet, rows: range, place: Path, group: int | None) -> None:
    import datasets  # takes a second to import, and reading does not need it

    table = images.table.slice(rows.start, len(rows))
    feature = datasets.Image(decode=False)
    # One array per image, so that no more than one is in memory twice.
    arrays = [
        pa.array([{"bytes": images.file(row), "path": f"{row:06d}.tif"}], feature.pa_type)
        for row in rows
    ]
    table = table.append_column(IMAGE, pa.chunked_array(arrays, feature.pa_type))
    features = datasets.Features.from_arrow_schema(table.schema)
    features[IMAGE] = feature
    bars = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        whole = datasets.Dataset(table.cast(features.arrow_schema), fingerprint="platebench")
        with place.open("wb") as sink:  # a path would be taken for a URL
            whole.to_parquet(sink, batch_size=group, use_content_defined_chunking=True)
    finally:
        if not bars:
            datasets.enable_progress_bars()


class _Group(NamedTuple):
    """A row group: the number of its file, and its number there."""

    file: int
    group: int


class _OpenFiles(OpenDecoded):
    """Files whose row groups are read whole."""

    def __init__(self, path: Path, as_files: bool) -> None:
        self._path = path
        self._as_files = as_files

    @cached_property
    def _files(self) -> list[pq.ParquetFile]:
        places = sorted((self._path / DATA).glob("*.parquet"))
        return [pq.ParquetFile(place, pre_buffer=False, memory_map=True) for place in places]

    @cached_property
    def _groups(self) -> list[_Group]:
        return [
            _Group(number, group)
            for number, file in enumerate(self._files)
            for group in range(file.num_row_groups)
        ]

    @cached_property
    def _starts(self) -> list[int]:
        counts = (
            self._files[each.file].metadata.row_group(each.group).num_rows for each in self._groups
        )
        return [0, *accumulate(counts)]

    def close(self) -> None:
        if "_files" in vars(self):
            for file in self._files:
                file.close()

    def __len__(self) -> int:
        return self._starts[-1]

    def table(self) -> pa.Table:
        tables = [file.read(columns=IMAGE_SCHEMA.names) for file in self._files]
        return table_of(pa.concat_tables(tables))

    def decoded(
        self, rows: Sequence[int], memory: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Read the row group of each row, but that of the row before only once."""
        return (self._image(value, memory) for value in self._values_of(rows))

    def _image(self, value: bytes | memoryview, memory: np.ndarray | None) -> np.ndarray:
        if self._as_files:
            return np.frombuffer(value, np.uint8)
        return read_tiff(value, None, memory)

    def _values_of(self, rows: Sequence[int]) -> Iterator[memoryview]:
        last, values = -1, list[memoryview]()
        for row in rows:
            group = bisect_right(self._starts, row) - 1
            if group != last:
                values = list(_values(self._read(group)))
                last = group
            yield values[row - self._starts[group]]

    def _read(self, group: int) -> pa.ChunkedArray:
        file, number = self._groups[group]
        return self._files[file].read_row_group(number, columns=[BYTES], use_threads=False)[IMAGE]


class _OpenLargeGroups(_OpenFiles):
    """Files whose row groups hold many images: a request for several rows reads each group once."""

    def decoded(
        self, rows: Sequence[int], memory: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Copy the files of random rows, so that their row groups need not stay in memory.

        Rows of one row group are decoded from it without a copy.
        """
        groups = {bisect_right(self._starts, row) for row in rows}
        if isinstance(rows, range) or len(groups) == 1:
            return super().decoded(rows, memory)
        copies = by_request(rows, lambda some: [bytes(value) for value in self._values_of(some)])
        return (self._image(value, memory) for value in copies)


def _values(column: Any) -> Iterator[memoryview]:
    for chunk in column.chunks:
        yield from binary_views(chunk.field("bytes"))
