"""An image set held decoded in one bare file, so that no benchmark pays for decoding its source.

A held set is a folder: `pixels.bin` and `files.bin` (all images, all TIFF files, end to end),
`images.arrow` (the table) and `held.json` (offsets, digests), which is written last. It carries
platebench's mark, without which it is never replaced.
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

from platebench.errors import UserError
from platebench.images import manifest
from platebench.images.imageset import ImageSet, digest
from platebench.ownership import made_anew

MARK = "held.json"
HELD = "images"
"""The kind of folder, by which platebench knows it as its own."""

SCHEMA = [3, manifest.SCHEMA]
"""Of the held folder and its digests, and of the images made: sets made otherwise are made anew."""


def hold(
    images: ImageSet, path: Path, progress: Callable[[], None] = lambda: None
) -> DecodedImages:
    """Write `images` to the folder `path`, one at a time, and return them from there.

    `progress` is called after each image. What an earlier call made there is replaced, when the
    new set is whole. Raises UserError if the folder is somebody else's.
    """
    with made_anew(path, HELD, "an image set") as part:
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
    held = {
        "schema": SCHEMA,
        "name": images.name,
        "pixels": pixel_ends,
        "files": file_ends,
        "digests": digests,
    }
    (folder / MARK).write_text(json.dumps(held))


def is_held(path: Path) -> bool:
    """Say whether `path` holds a whole image set, made as this version would make it."""
    return _read_index(path) is not None


class _Index(NamedTuple):
    """What `held.json` says, when it says it whole."""

    name: str
    pixel_ends: list[int]
    file_ends: list[int]
    digests: list[str]


def _read_index(path: Path) -> _Index | None:
    """Return the index of a held set, or None if it is damaged, of another version or missing."""
    try:
        held = json.loads((path / MARK).read_text(encoding="utf-8"))
        if held["schema"] != SCHEMA:
            return None
        index = _Index(held["name"], held["pixels"], held["files"], held["digests"])
        whole = (
            isinstance(index.name, str)
            and all(isinstance(digest, str) for digest in index.digests)
            and _are_ends(index.pixel_ends, len(index.digests), path / "pixels.bin")
            and _are_ends(index.file_ends, len(index.digests), path / "files.bin")
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return index if whole else None


def _are_ends(ends: list[int], images: int, file: Path) -> bool:
    """Say whether these are where the images in a file end."""
    return (
        len(ends) == images + 1
        and all(type(end) is int for end in ends)
        and ends[0] == 0
        and all(one <= other for one, other in pairwise(ends))
        and ends[-1] == file.stat().st_size
    )


class DecodedImages(ImageSet):
    """The image set in a folder that `hold` wrote. Images are views of a memory map.

    Raises UserError if the folder holds no whole image set of this version.
    """

    def __init__(self, path: Path) -> None:
        index = _read_index(path)
        if index is None:
            raise UserError(f"{path}: holds no whole image set; remove it and run again")
        self.path = path
        self.name = index.name
        try:
            with pa.OSFile(str(path / "images.arrow"), "rb") as source:
                self.table = pa.ipc.open_file(source).read_all()
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{path}: its table is damaged; remove it and run again") from error
        if self.table.num_rows != len(index.digests):
            raise UserError(f"{path}: its table is damaged; remove it and run again")
        self._pixel_ends = index.pixel_ends
        self._file_ends = index.file_ends
        self._digests = index.digests
        self._pixels = _map(path / "pixels.bin")
        self._files = _map(path / "files.bin")

    def pixels(self, row: int) -> np.ndarray:
        """Return image `row` as a read-only view of the file."""
        view = self._pixels[self._pixel_ends[row] : self._pixel_ends[row + 1]]
        return np.frombuffer(view, self.dtypes[row]).reshape(self.shapes[row])

    def file(self, row: int) -> memoryview:
        """Return the TIFF file of image `row` as a read-only view."""
        return self._files[self._file_ends[row] : self._file_ends[row + 1]]

    def digests(self) -> Sequence[str]:
        """Return the digests recorded when the set was held."""
        return self._digests

    def touch(self) -> None:
        """Read every page once, so that later reads fault none in."""
        for view in (self._pixels, self._files):
            np.frombuffer(view, np.uint8)[:: mmap.PAGESIZE].max(initial=0)


def _map(path: Path) -> memoryview:
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
