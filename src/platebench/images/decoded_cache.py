"""Cache of decoded image sets, so that no benchmark pays for decoding the source files.

A cached set is a folder: `pixels.bin` (all images, concatenated), `files.bin` (all TIFF files,
concatenated), `images.arrow` (the table) and `held.json` (offsets and digests), which is written
last. The folder carries platebench's mark; a folder without it is never replaced.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Sequence
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
        for row in range(len(images)):
            array = images.pixels(row)
            digests.append(digest(array))
            pixel_ends.append(pixel_ends[-1] + pixels.write(array.reshape(-1).view(np.uint8).data))
            file_ends.append(file_ends[-1] + files.write(images.file(row)))
            progress()
    with (
        pa.OSFile(str(folder / "images.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, images.table.schema) as writer,
    ):
        writer.write_table(images.table)
    index = {
        "schema": SCHEMA,
        "name": images.name,
        "pixels": pixel_ends,
        "files": file_ends,
        "digests": digests,
    }
    (folder / INDEX).write_text(json.dumps(index))


def is_cached(path: Path) -> bool:
    """True if `path` is a complete cached image set in the current format."""
    return _read_index(path) is not None


class _Index(NamedTuple):
    """Contents of `held.json`."""

    name: str
    pixel_ends: list[int]
    file_ends: list[int]
    digests: list[str]


def _read_index(path: Path) -> _Index | None:
    """Return the index of a cached set; None if it is missing, damaged or in another format."""
    try:
        content = json.loads((path / INDEX).read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            return None
        index = _Index(content["name"], content["pixels"], content["files"], content["digests"])
        complete = (
            isinstance(index.name, str)
            and all(isinstance(digest, str) for digest in index.digests)
            and _are_ends(index.pixel_ends, len(index.digests), path / "pixels.bin")
            and _are_ends(index.file_ends, len(index.digests), path / "files.bin")
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
