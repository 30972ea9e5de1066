"""Images in several files of bounded size, for a format whose metadata grows with its images.

    images/<first row>-of-<number of images>.<ending>

Each file is what the format writes for that many images. Its name says which rows it has, so that
a store is opened without reading any file, and a file that is missing is noticed. Only the files
that hold requested images are opened, and only `MOST_OPEN` of them stay open.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa

from platebench.stores.contract import OpenStore, check_rows

FOLDER = "images"

MOST_OPEN = 4
"""Files that stay open. Parquet's footer of 4,096 row groups takes 31 MB of memory when open."""

_NAME = re.compile(r"(?P<first>\d+)-of-(?P<images>\d+)$")


def split_rows(images: int, most: int) -> list[range]:
    """Return the rows of each file, at most `most`."""
    return [range(first, min(first + most, images)) for first in range(0, images, most)]


def split_place(path: Path, rows: range, images: int, ending: str) -> Path:
    """Return the place of the file with these rows of so many images, and create its folder."""
    folder = path / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{rows.start:09d}-of-{images:09d}{ending}"


def is_split(path: Path) -> bool:
    """Return True if the images at `path` are in several files."""
    return path.is_dir() and (path / FOLDER).is_dir()


class SplitImages(OpenStore):
    """The files of one image set as one; each is opened when one of its images is asked for."""

    def __init__(self, path: Path, ending: str, open_file: Callable[[Path], OpenStore]) -> None:
        """Find the files. Raises EOFError if the first is missing, or if sets are mixed."""
        self._open_file = open_file
        self._files: list[Path] = sorted((path / FOLDER).glob(f"*{ending}"))
        named = [_NAME.match(file.name.removesuffix(ending)) for file in self._files]
        totals = {int(each["images"]) for each in named if each}
        if None in named or len(totals) != 1:
            raise EOFError(f"{path.name}: its files are not those of one image set")
        starts = [int(each["first"]) for each in named if each]
        if starts[0] != 0:
            raise EOFError(f"{path.name}: the file with row 0 is missing")
        self._starts = [*starts, *totals]
        self._opened: dict[int, OpenStore] = {}

    def close(self) -> None:
        """Close the files that are open."""
        while self._opened:
            self._opened.popitem()[1].close()

    def __len__(self) -> int:
        return self._starts[-1]

    def scan(self) -> Iterator[np.ndarray]:
        """Read one file after another."""
        for number in range(len(self._files)):
            yield from self._file(number).scan()

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read one file after another into `memory`."""
        for number in range(len(self._files)):
            yield from self._file(number).scan_into(memory)

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Take neighbours from the same file in one call."""
        check_rows(rows, len(self))
        for number, mine in self._by_file(rows):
            yield from self._file(number).take(mine)

    def take_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Take neighbours from the same file in one call, into `memory`."""
        check_rows(rows, len(self))
        for number, mine in self._by_file(rows):
            yield from self._file(number).take_into(mine, memory)

    def table(self) -> pa.Table:
        """Join the tables of the files."""
        return pa.concat_tables(self._file(number).table() for number in range(len(self._files)))

    def _by_file(self, rows: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
        """Yield the number of a file, and rows in it, for each run of rows in one file."""
        for number, mine in groupby(rows, lambda row: bisect_right(self._starts, row) - 1):
            yield number, [row - self._starts[number] for row in mine]

    def _file(self, number: int) -> OpenStore:
        """Return a file, opened if it is not; close the one that was used longest ago.

        Raises EOFError if it has other rows than its name and the next file's say.
        """
        opened = self._opened.pop(number, None)
        if opened is None:
            while len(self._opened) >= MOST_OPEN:
                self._opened.pop(next(iter(self._opened))).close()
            opened = self._open_file(self._files[number])
            expected = self._starts[number + 1] - self._starts[number]
            found = len(opened)
            if found != expected:
                opened.close()
                raise EOFError(
                    f"{self._files[number].name}: has {found} images, not {expected}; a file is"
                    " damaged or missing"
                )
        self._opened[number] = opened
        return opened
