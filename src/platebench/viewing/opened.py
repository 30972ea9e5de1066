"""Open the first rows of a store's folder, a table file, or TIFF files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from platebench.errors import Unsupported, UserError
from platebench.optional import require
from platebench.stores.name import StoreName

if TYPE_CHECKING:
    import pandas as pd


class Opened(NamedTuple):
    """The first rows of a table, and its number of rows."""

    frame: pd.DataFrame
    rows: int


def open_table(path: Path, rows: int) -> Opened:
    """Return the first `rows` at `path`, and read as little else as the format allows.

    `path` may be a file or folder that platebench wrote (its name or its parent's name is a
    store's, such as `parquet.pixels.fast`), a Parquet or Arrow IPC file, a Lance dataset, a LanceDB
    database with one table, or a folder of TIFF or CH5 files. Whole Parquet pages and whole Arrow
    record batches are read. Raises UserError for anything else.
    """
    require("look", "pandas")
    with _refusing(path, "not readable"):
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        if not path.is_file() and not path.is_dir():
            raise UserError(f"{path}: neither a file nor a folder; name one of those")
    reader = _READERS.get(path.suffix.lower())
    if reader is not None:
        with _refusing(path, "not a readable table"):
            return reader(path, rows)
    name = _store_name(path)
    if name is not None:
        with _refusing(path, f"its name is a store's, but {name} cannot read it"):
            return _from_store(path / "data" if (path / "data").exists() else path, name, rows)
    if path.is_dir() and any(path.glob("*.lance")):
        with _refusing(path, "not a readable LanceDB database"):
            return _from_database(path, rows)
    with _refusing(path, "not readable images"):
        return _from_images(path, rows)


@contextmanager
def _refusing(path: Path, what: str) -> Iterator[None]:
    """Convert every exception of a library to UserError with its message in one line."""
    try:
        yield
    except (UserError, KeyboardInterrupt, SystemExit):
        raise
    except Unsupported as reason:
        raise UserError(f"{path}: {reason}") from reason
    except BaseException as error:  # a Rust panic is not an Exception
        lines = str(error).splitlines() or [type(error).__name__]
        raise UserError(f"{path}: {what} ({lines[0][:200]})") from error


def _store_name(path: Path) -> StoreName | None:
    from platebench.stores import registry

    for folder in (path, path.parent):
        name = StoreName.of_folder(folder.name)
        if name in registry.names():
            return name
    return None


def _from_store(path: Path, name: StoreName, rows: int) -> Opened:
    import pandas as pd

    from platebench.stores import registry
    from platebench.stores.values import IMAGE

    with registry.find(name).open(path) as opened:
        first = range(min(rows, len(opened)))
        frame = opened.table().slice(0, len(first)).to_pandas()
        frame[IMAGE] = pd.Series([image.copy() for image in opened.take(first)], dtype=object)
        return Opened(frame, len(opened))


def _from_images(path: Path, rows: int) -> Opened:
    import pandas as pd

    from platebench.images.folder import open_images
    from platebench.stores.values import IMAGE

    images = open_images(path)
    first = range(min(rows, len(images)))
    frame = images.table.slice(0, len(first)).to_pandas()
    frame[IMAGE] = pd.Series([images.pixels(row) for row in first], dtype=object)
    return Opened(frame, len(images))


def _from_parquet(path: Path, rows: int) -> Opened:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from platebench.viewing.frames import frame_of

    # pre_buffer=True would read a whole row group for its first row.
    with pq.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
        batch = next(file.iter_batches(batch_size=rows), None)
        schema, total = file.schema_arrow, file.metadata.num_rows
    return Opened(frame_of(pa.Table.from_batches([] if batch is None else [batch], schema)), total)


def _from_ipc(path: Path, rows: int) -> Opened:
    from platebench.viewing.arrow_files import first_rows
    from platebench.viewing.frames import frame_of

    table, total = first_rows(path, rows)
    return Opened(frame_of(table), total)


def _from_database(path: Path, rows: int) -> Opened:
    names = sorted(dataset.name for dataset in path.glob("*.lance"))
    if len(names) > 1:
        listed = ", ".join(name.removesuffix(".lance") for name in names)
        raise UserError(f"{path}: has the tables {listed}; name one of them, as TABLE.lance")
    return _from_lance(path / names[0], rows)


def _from_lance(path: Path, rows: int) -> Opened:
    require("a Lance table", "pylance")
    import lance

    from platebench.viewing.frames import frame_of

    dataset = lance.dataset(str(path))
    # By default, blobs are returned as descriptors. Older Lance has neither blobs nor the option.
    has_blobs = "blob_handling" in signature(dataset.scanner).parameters
    blobs = {"blob_handling": "all_binary"} if has_blobs else {}
    return Opened(frame_of(dataset.scanner(limit=rows, **blobs).to_table()), dataset.count_rows())


_READERS: dict[str, Callable[[Path, int], Opened]] = {
    ".parquet": _from_parquet,
    ".arrow": _from_ipc,
    ".feather": _from_ipc,
    ".ipc": _from_ipc,
    ".lance": _from_lance,
}
