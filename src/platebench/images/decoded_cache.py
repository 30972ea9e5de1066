"""Cache of decoded image sets, so that no benchmark pays for decoding the source files.

A cached set is a folder: `pixels.bin` (all images, concatenated), `files.bin` (all TIFF files,
concatenated), `images.arrow` (the table), `tables/<n>.arrow` (the tables that belong to the images)
and `held.json` (offsets, digests and names of tables), which is written last. The folder carries
platebench's mark; a folder without it is never replaced.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from platebench.drafts import made_anew
from platebench.errors import UserError
from platebench.images import manifest
from platebench.images.imageset import ImageSet, digest
from platebench.ownership import FolderKind

INDEX = "held.json"
KIND = FolderKind("images", "an image set")
"""The folder of a cached image set."""

SCHEMA = [3, manifest.SCHEMA]
"""Versions of the cache format and of the generator; cached sets with others are rewritten."""


def decode_to_cache(
    images: ImageSet, path: Path, progress: Callable[[], None] = lambda: None
) -> DecodedImages:
    """Write `images` to the folder `path`, one at a time, and open them from there.

    `progress` is called after each image. An earlier cached set at `path` is replaced once the new
    one is complete. Raises UserError if platebench did not make the folder.
    """
    with made_anew(path, KIND) as part:
        _write(images, part, progress)
    return DecodedImages(path)


def _write(images: ImageSet, folder: Path, progress: Callable[[], None]) -> None:
    pixel_ends, file_ends, digests = [0], [0], []
    with (folder / "pixels.bin").open("wb") as pixels, (folder / "files.bin").open("wb") as files:
        for row, array in enumerate(images):
            digests.append(digest(array))
            pixel_ends.append(pixel_ends[-1] + pixels.write(array.reshape(-1).view(np.uint8).data))
            file_ends.append(file_ends[-1] + files.write(images.file(row)))
            progress()
    _write_table(images.table, folder / "images.arrow")
    names = list(images.tables)
    for number, name in enumerate(names):
        _write_table(images.tables[name], _table_file(folder, number))
    index = {
        "schema": SCHEMA,
        "name": images.name,
        "pixels": pixel_ends,
        "files": file_ends,
        "digests": digests,
        "tables": names,
    }
    (folder / INDEX).write_text(json.dumps(index))


def _table_file(folder: Path, number: int) -> Path:
    return folder / "tables" / f"{number}.arrow"


def _write_table(table: pa.Table, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    options = pa.ipc.IpcWriteOptions(unify_dictionaries=True)
    with (
        pa.OSFile(str(file), "wb") as sink,
        pa.ipc.new_file(sink, table.schema, options=options) as writer,
    ):
        writer.write_table(table)


def is_cached(path: Path) -> bool:
    """True if `path` is a complete cached image set in the current format."""
    return _read_index(path) is not None


class _Index(NamedTuple):
    """Contents of `held.json`."""

    name: str
    pixel_ends: list[int]
    file_ends: list[int]
    digests: list[str]
    tables: list[str]


def _read_index(path: Path) -> _Index | None:
    """Return the index of a cached set; None if it is missing, damaged or in another format."""
    try:
        content = json.loads((path / INDEX).read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            return None
        # An index of an earlier revision has no "tables": that set was made without them.
        index = _Index(*(content[key] for key in ("name", "pixels", "files", "digests", "tables")))
        complete = (
            isinstance(index.name, str)
            and all(isinstance(digest, str) for digest in index.digests)
            and _are_ends(index.pixel_ends, len(index.digests), path / "pixels.bin")
            and _are_ends(index.file_ends, len(index.digests), path / "files.bin")
            and isinstance(index.tables, list)
            and all(isinstance(name, str) for name in index.tables)
            and all(_table_file(path, number).is_file() for number in range(len(index.tables)))
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return index if complete else None


def _are_ends(ends: list[int], images: int, file: Path) -> bool:
    """True if `ends` are plausible end offsets of the images in a file, preceded by 0."""
    return (
        len(ends) == images + 1
        and all(type(end) is int for end in ends)
        and ends[0] == 0
        and all(one <= other for one, other in pairwise(ends))
        and ends[-1] == file.stat().st_size
    )


class CachedTables(Mapping[str, pa.Table]):
    """The tables of a cached set, each read on access through a memory map."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._files = {name: _table_file(folder, number) for number, name in enumerate(names)}

    def __getitem__(self, name: str) -> pa.Table:
        file = self._files[name]
        try:
            with pa.memory_map(str(file)) as source:
                return pa.ipc.open_file(source).read_all()
        except (OSError, pa.ArrowException) as error:
            raise UserError(
                f"{file}: its table is damaged; remove {file.parent.parent} and run again"
            ) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class DecodedImages(ImageSet):
    """Image set in a folder that `decode_to_cache` wrote. Images are views of a memory map.

    Raises UserError if the folder is not a complete image set in the current format.
    """

    def __init__(self, path: Path) -> None:
        index = _read_index(path)
        if index is None:
            raise UserError(f"{path}: not a complete image set; remove it and run again")
        self.path = path
        self.name = index.name
        damaged = UserError(f"{path}: its table is damaged; remove it and run again")
        try:
            with pa.OSFile(str(path / "images.arrow"), "rb") as source:
                self.table = pa.ipc.open_file(source).read_all()
        except (OSError, pa.ArrowException) as error:
            raise damaged from error
        if self.table.num_rows != len(index.digests):
            raise damaged
        self.tables = CachedTables(path, index.tables)
        self._pixel_ends = index.pixel_ends
        self._file_ends = index.file_ends
        self._digests = index.digests
        self._pixels = _map(path / "pixels.bin")
        self._files = _map(path / "files.bin")

    def pixels(self, row: int) -> np.ndarray:
        """Return image `row` as a read-only view of the memory map."""
        view = self._pixels[self._pixel_ends[row] : self._pixel_ends[row + 1]]
        return np.frombuffer(view, self.dtypes[row]).reshape(self.shapes[row])

    def file(self, row: int) -> memoryview:
        """Return the TIFF file of image `row` as a read-only view of the memory map."""
        return self._files[self._file_ends[row] : self._file_ends[row + 1]]

    def digests(self) -> Sequence[str]:
        """Return the digests recorded when the set was written."""
        return self._digests

    def digest_of(self, row: int) -> str:
        """Return the recorded digest of one image."""
        return self._digests[row]

    def touch(self) -> None:
        """Read every page once, so that later reads cause no page fault."""
        for view in (self._pixels, self._files):
            np.frombuffer(view, np.uint8)[:: mmap.PAGESIZE].sum()


def _map(path: Path) -> memoryview:
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
