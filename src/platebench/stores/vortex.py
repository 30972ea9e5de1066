"""Vortex files, through vortex-data.

- On disk, all pixels are one column of numbers (`tensor`), or an image is one binary value
  (`pixels`). Columns are cut into blocks of about 1 MB, and each block has its own encoding.
- One image is `scan.execute(row_range=(i * n, (i + 1) * n))`, where n is its number of pixels, or
  `open(file).scan(["image"], indices=...)`.
- A random row costs the blocks that it lies in, two or three, for `tensor`. Binary values that
  follow one another share a block, however long they are, and one of them costs the whole block.
- It cannot keep versions or be appended to. Indices must be strictly increasing. Vortex has no
  tensors with a shape, and its Python library is in beta.
- Python, Rust, Java, C++, DuckDB, Polars and Spark open it. The format's own document:
  https://docs.vortex.dev/specs/file-format

The tunings:

- `fast`, of tensors: a column of numbers with the library's options, read through a memory map.
  Bytes are packed to the bits that they need: 0.79 of the raw size. The options `compact` change
  nothing here. A column of `fixed_size_list`, one list an image, takes 1.7 s to write an image and
  makes 1.39 of the raw size, since the statistics of a block hold whole images (vortex-data 0.93).
- `default`, of raw pixels: what `vortex.io.write` makes of an Arrow table.
- `small`, of raw pixels: the options `compact`, which compress values by Zstandard.

A block of binary values has up to 8192 of them, however long they are, and is in memory while it is
written: both tunings of raw pixels hold all images of most sets.

Tables that belong to the images are Arrow IPC files (see `arrow_tables`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import vortex

from platebench.errors import Unsupported
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.arrow_tables import ArrowTables
from platebench.stores.by_request import by_request
from platebench.stores.contract import (
    OpenIntoMemory,
    OpenStore,
    Store,
    check_rows,
    require_common_image,
)
from platebench.stores.plain_tiff import Kind
from platebench.stores.read_ahead import AdvisedFile
from platebench.stores.table_files import TABLES
from platebench.stores.tables import StoredTables
from platebench.stores.values import (
    IMAGE,
    Kinds,
    SameKind,
    decode,
    image_batches,
    image_schema,
    table_of,
)
from platebench.stores.variants import Variants

IMAGES, TABLE = "images.vortex", "table.vortex"

PIXELS = "pixels"
"""The column of numbers."""

TOGETHER = 16
"""Rows per batch of binary values. Each batch decodes its block whole: with `compact`, a scan of 32
images takes 4.1 s in batches of 1, and 0.4 s in batches of 16."""

CANDIDATES: Mapping[str, Variants[bool]] = {
    "tensor": Variants({"default": False}, {"fast": "default"}),
    "pixels": Variants(
        {"default": False, "compact": True}, {"default": "default", "small": "compact"}
    ),
}
"""Whether the options are `compact`."""


class Vortex(Store):
    """A folder with a Vortex file of images."""

    format = "vortex"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tensor": {
            "Python": """
import numpy as np, vortex
table = vortex.open(f"{place}/table.vortex").to_arrow(["shape"]).read_all()
shape = table["shape"][0].as_py()
scan = vortex.open(f"{place}/images.vortex").to_repeated_scan()
values = scan.execute(row_range=(0, np.prod(shape))).read_all().to_arrow_array().field(0)
print(values.to_numpy().reshape(shape))
""",
        },
        "pixels": {
            "Python": """
import numpy as np, pyarrow as pa, vortex
file = vortex.open(f"{place}/images.vortex")
row = file.to_arrow(indices=vortex.array(pa.array([0], pa.uint64()))).read_all().to_pylist()[0]
print(np.frombuffer(row["image"], row["dtype"]).reshape(row["shape"]))
""",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Stream the images to one file, and with `tensor` the table to another."""
        if self.layout == "tensor":
            _, dtype = require_common_image(images, self.layout)
            if dtype.kind not in "uif":
                raise Unsupported(f"platebench keeps no {dtype} in Vortex, only numbers")
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        path.mkdir(parents=True)
        if self.layout == "tensor":
            schema = pa.schema([pa.field(PIXELS, pa.from_numpy_dtype(dtype), nullable=False)])
            self._write(path / IMAGES, schema, _numbers(images, schema))
            self._write(path / TABLE, IMAGE_SCHEMA, iter(images.table.to_batches()))
        else:
            schema = image_schema(images, self.layout)
            self._write(path / IMAGES, schema, image_batches(images, self.layout, schema, 1))
        tables.write(images.tables)

    def _write(self, file: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        compact = CANDIDATES[self.layout].of(self.tuning)
        options = vortex.io.VortexWriteOptions
        chosen: Any = options.compact() if compact else options.default()
        chosen.write(pa.RecordBatchReader.from_batches(schema, batches), str(file))

    def open(self, path: Path) -> OpenStore:
        """Open the files."""
        opened = _OpenNumbers if self.layout == "tensor" else _OpenValues
        return opened(path).with_tables(self.tables_at(path))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep each table as Arrow IPC files."""
        return ArrowTables(path / TABLES)


def _numbers(images: ImageSet, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for row in range(len(images)):
        yield pa.RecordBatch.from_arrays([pa.array(images.pixels(row).reshape(-1))], schema=schema)


def _read(file: vortex.VortexFile, schema: pa.Schema, **how: Any) -> pa.RecordBatchReader:
    """Read the columns of a schema, with its types: Vortex's own are views."""
    return file.to_arrow(schema.names, schema=schema, **how)


def _table(file: vortex.VortexFile) -> pa.Table:
    return table_of(_read(file, IMAGE_SCHEMA).read_all())


def _kinds(table: pa.Table) -> list[Kind]:
    pairs = zip(table["shape"].to_pylist(), table["dtype"].to_pylist(), strict=True)
    return [(tuple(shape), np.dtype(dtype)) for shape, dtype in pairs]


class _OpenNumbers(OpenIntoMemory):
    """A column of all pixels: an image is a range of its rows."""

    def __init__(self, path: Path) -> None:
        self._file = vortex.open(str(path / IMAGES), memory_map=True)
        self._advised = AdvisedFile(path / IMAGES)
        self._about = vortex.open(str(path / TABLE))

    def close(self) -> None:
        del self._file, self._about  # vortex-data has no close
        self._advised.close()

    def __len__(self) -> int:
        return len(self._about)

    @cached_property
    def _kind(self) -> Kind:
        wanted = pa.schema([IMAGE_SCHEMA.field("shape"), IMAGE_SCHEMA.field("dtype")])
        return _kinds(_read(self._about, wanted, limit=1).read_all())[0]

    @property
    def largest_image(self) -> int:
        shape, dtype = self._kind
        return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize

    def images_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read each image as a range of numbers, and advise the kernel of the next ones.

        From the disk 128 images in order take 0.6 of the time so, as without a map (vortex-data
        0.93, a read-ahead of 128 KiB). Blocks are about as many bytes, so where one lies is an
        estimate.
        """
        shape, dtype = self._kind
        flat = memory[: self.largest_image].view(dtype)
        scan = self._file.to_repeated_scan([PIXELS])
        for row in self._advised.ahead_evenly(rows, len(self)):
            start = at = row * len(flat)
            for piece in scan.execute(row_range=(start, start + len(flat))):
                numbers = piece.to_arrow_array().field(0).to_numpy()
                flat[at - start : at - start + len(numbers)] = numbers
                at += len(numbers)
            if at != start + len(flat):
                raise EOFError(f"image {row} has {at - start} pixels of {len(flat)}")
            yield flat.reshape(shape)

    def table(self) -> pa.Table:
        return _table(self._about)


class _OpenValues(OpenStore):
    """One binary value per image."""

    _schema = pa.schema([pa.field(IMAGE, pa.binary(), nullable=False)])

    def __init__(self, path: Path) -> None:
        self._file = vortex.open(str(path / IMAGES), memory_map=True)

    def close(self) -> None:
        del self._file

    def __len__(self) -> int:
        return len(self._file)

    @cached_property
    def _kinds(self) -> Kinds:
        wanted = pa.schema([IMAGE_SCHEMA.field("shape"), IMAGE_SCHEMA.field("dtype")])
        kinds = _kinds(_read(self._file, wanted).read_all())
        return SameKind(kinds[0]) if len(set(kinds)) == 1 else kinds

    def scan(self) -> Iterator[np.ndarray]:
        first = 0
        for batch in _read(self._file, self._schema, batch_size=TOGETHER):
            rows = range(first, first + len(batch))
            yield from decode(batch.column(0), "pixels", self._kinds, rows)
            first += len(batch)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        check_rows(rows, len(self))
        return by_request(rows, self._taken, TOGETHER)

    def _taken(self, rows: Sequence[int]) -> list[np.ndarray]:
        indices = vortex.array(pa.array(rows, pa.uint64()))
        column = _read(self._file, self._schema, indices=indices).read_all()[IMAGE]
        return list(decode(column, "pixels", self._kinds, rows))

    def table(self) -> pa.Table:
        return _table(self._file)
