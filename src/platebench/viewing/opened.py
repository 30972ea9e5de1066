"""The first rows of whatever holds images: a store's folder, a file of a table, TIFF files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import lancedb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from platebench.errors import UserError
from platebench.images.folder import open_images
from platebench.stores import registry
from platebench.stores.values import IMAGE, decode, kinds_of


class Opened(NamedTuple):
    """The first rows of a table, and how many rows it has."""

    frame: pd.DataFrame
    rows: int


def open_table(path: Path, rows: int) -> Opened:
    """Return the first `rows` of what is at `path`; no further image is read.

    It may be a folder that platebench wrote (its own or its parent's name says the store, as
    `parquet.pixels.fast` does), a Parquet or Arrow IPC file, a Lance dataset, a LanceDB database
    of one table, or a folder of TIFF or CH5 files. Raises UserError for anything else.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    name = _store_name(path)
    if name is not None:
        return _from_store(path / "data" if (path / "data").exists() else path, name, rows)
    reader = _READERS.get(path.suffix.lower())
    if reader is not None:
        try:
            return reader(path, rows)
        except (pa.ArrowInvalid, OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{path}: not a readable table ({reason})") from error
    if path.is_dir() and any(path.glob("*.lance")):
        return _from_database(path, rows)
    return _from_images(path, rows)


def _store_name(path: Path) -> str | None:
    for folder in (path, path.parent):
        name = folder.name.replace(".", ":")
        if name in registry.names():
            return name
    return None


def _from_store(path: Path, name: str, rows: int) -> Opened:
    with registry.find(name).open(path) as opened:
        first = range(min(rows, len(opened)))
        frame = opened.table().slice(0, len(first)).to_pandas()
        frame[IMAGE] = pd.Series([image.copy() for image in opened.take(first)], dtype=object)
        return Opened(frame, len(opened))


def _from_images(path: Path, rows: int) -> Opened:
    images = open_images(path)
    first = range(min(rows, len(images)))
    frame = images.table.slice(0, len(first)).to_pandas()
    frame[IMAGE] = pd.Series([images.pixels(row) for row in first], dtype=object)
    return Opened(frame, len(images))


def _from_parquet(path: Path, rows: int) -> Opened:
    with pq.ParquetFile(path) as file:
        batch = next(file.iter_batches(batch_size=rows), None)
        schema, total = file.schema_arrow, file.metadata.num_rows
    return Opened(_frame(pa.Table.from_batches([] if batch is None else [batch], schema)), total)


def _from_ipc(path: Path, rows: int) -> Opened:
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        batches = [file.get_batch(number) for number in range(file.num_record_batches)]
        table = pa.Table.from_batches(batches, file.schema)
        return Opened(_frame(table.slice(0, rows)), table.num_rows)


def _from_database(path: Path, rows: int) -> Opened:
    names = sorted(dataset.stem for dataset in path.glob("*.lance"))
    if len(names) > 1:
        raise UserError(f"{path}: holds the tables {', '.join(names)}; name one, as TABLE.lance")
    return _from_lance(path / f"{names[0]}.lance", rows)


def _from_lance(path: Path, rows: int) -> Opened:
    dataset = lancedb.connect(str(path.parent)).open_table(path.stem).to_lance()
    # Blobs would come back as descriptors; before lancedb had them, there was nothing to ask for.
    blobs = {"blob_handling": "all_binary"} if hasattr(lancedb, "blob") else {}
    return Opened(_frame(dataset.scanner(limit=rows, **blobs).to_table()), dataset.count_rows())


def _frame(table: pa.Table) -> pd.DataFrame:
    """Return the table as a DataFrame, with images as arrays where Arrow has them otherwise."""
    frame: pd.DataFrame = table.to_pandas()
    for field in table.schema:
        if isinstance(field.type, pa.FixedShapeTensorType):
            tensors = table[field.name].combine_chunks()
            frame[field.name] = pd.Series(list(_tensors(tensors)), dtype=object)
    if _has_raw_pixels(table):
        kinds = kinds_of(table.schema, table.select)
        arrays = decode(table[IMAGE], "pixels", kinds, range(table.num_rows))
        frame[IMAGE] = pd.Series([array.copy() for array in arrays], dtype=object)
    return frame


def _tensors(column: pa.Array) -> np.ndarray:
    return np.asarray(column.to_numpy_ndarray())


def _has_raw_pixels(table: pa.Table) -> bool:
    """Say whether the column of images holds raw pixels: as many bytes as shape and dtype say."""
    names = table.schema.names
    if not {IMAGE, "shape", "dtype"} <= set(names) or table.num_rows == 0:
        return False
    if not pa.types.is_binary(table.schema.field(IMAGE).type):
        return False
    row = table.slice(0, 1).select([IMAGE, "shape", "dtype"]).to_pylist()[0]
    size = np.prod(row["shape"], dtype=np.int64) * np.dtype(row["dtype"]).itemsize
    return len(row[IMAGE]) == int(size)


_READERS: dict[str, Callable[[Path, int], Opened]] = {
    ".parquet": _from_parquet,
    ".arrow": _from_ipc,
    ".feather": _from_ipc,
    ".ipc": _from_ipc,
    ".lance": _from_lance,
}
