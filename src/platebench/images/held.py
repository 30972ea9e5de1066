"""An image set held decoded in one bare file, so that no benchmark pays for decoding its source.

A held set is a folder: `pixels.bin` and `files.bin` (all images, all TIFF files, end to end),
`images.arrow` (the table) and `held.json` (offsets, digests), which is written last and so marks
the folder as whole.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from platebench.images import manifest
from platebench.images.imageset import ImageSet, digest
from platebench.ownership import made_anew

MARK = "held.json"
HELD = "images"
"""The kind of folder, by which platebench knows it as its own."""

SCHEMA = [2, manifest.SCHEMA]
"""Of the held folder and its digests, and of the images made: sets made otherwise are made anew."""


def hold(images: ImageSet, path: Path, progress: Callable[[], None] = lambda: None) -> HeldImages:
    """Write `images` to the folder `path`, one at a time, and return them from there.

    `progress` is called after each image. What an earlier, interrupted call left is replaced.
    """
    with made_anew(path, HELD, "an image set") as part:
        _write(images, part, progress)
    return HeldImages(path)


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
    mark = path / MARK
    return mark.is_file() and bool(json.loads(mark.read_text()).get("schema") == SCHEMA)


class HeldImages(ImageSet):
    """The image set in a folder that `hold` wrote. Images are views of a memory map."""

    def __init__(self, path: Path) -> None:
        held = json.loads((path / MARK).read_text())
        self.path = path
        self.name = held["name"]
        with pa.OSFile(str(path / "images.arrow"), "rb") as source:
            self.table = pa.ipc.open_file(source).read_all()
        self._pixel_ends: list[int] = held["pixels"]
        self._file_ends: list[int] = held["files"]
        self._digests: list[str] = held["digests"]
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
