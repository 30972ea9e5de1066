"""What a store says when its files are damaged, a writer is killed, or several programs use it.

Run as a program (WORK STORE), it reads one command per line, as JSON, and answers each with a line.
A command that damages files does so to a copy. A library may crash on what it reads, so whoever
asks starts the program again when it ends (`running/damage.py`).

The images are small parts of generated ones, so that a trial takes milliseconds.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from platebench.errors import Conflict, Unsupported
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet, digest
from platebench.images.tiff import encode
from platebench.stores import registry
from platebench.stores.contract import OpenStore, Store
from platebench.stores.name import StoreName
from platebench.stores.part_list import with_versions
from platebench.timing.copying import copy_whole
from platebench.timing.page_cache import files_of
from platebench.timing.parent import end_with_parent
from platebench.timing.workspace import Workspace

IMAGES = 8
SOURCE = f"raw-{IMAGES}"
HEIGHT, WIDTH = 192, 256

MOST_MEMORY = 8 * 2**30
"""Bytes that the program may allocate: a damaged length may ask for any number."""

ENDS = 256
"""Bytes at the start and the end of a file, where formats keep their headers and footers."""

SAME = 9
"""Times that a set is scanned while another program does the same."""


class Corners(ImageSet):
    """The upper left corner of each image of a set, in memory."""

    def __init__(self, source: ImageSet, height: int = HEIGHT, width: int = WIDTH) -> None:
        self.name = f"{source.name}-corners"
        self._pixels = [image[:height, :width].copy() for image in source]
        self._files = [encode(image) for image in self._pixels]
        shapes = pa.array([image.shape for image in self._pixels], pa.list_(pa.int32()))
        sizes = pa.array([len(file) for file in self._files], pa.int64())
        table = source.table
        for name, column in (("shape", shapes), ("filesize_bytes", sizes)):
            place = IMAGE_SCHEMA.get_field_index(name)
            table = table.set_column(place, IMAGE_SCHEMA.field(place), column)
        self.table = table

    def pixels(self, row: int) -> np.ndarray:
        """Return the corner of image `row`."""
        return self._pixels[row]

    def file(self, row: int) -> bytes:
        """Return it as a TIFF file."""
        return self._files[row]

    def digests(self) -> Sequence[str]:
        """Return the digests of the corners."""
        return [digest(image) for image in self._pixels]


class Deadly(ImageSet):
    """An image set that kills the process when it is asked for one of its images."""

    def __init__(self, source: ImageSet, row: int) -> None:
        self._source = source
        self._row = row
        self.name, self.table, self.tables = source.name, source.table, source.tables

    def pixels(self, row: int) -> np.ndarray:
        """Return image `row`, unless it is the deadly one."""
        self._die(row)
        return self._source.pixels(row)

    def file(self, row: int) -> bytes | memoryview:
        """Return the file of image `row`, unless it is the deadly one."""
        self._die(row)
        return self._source.file(row)

    def digests(self) -> Sequence[str]:
        """Return the digests, which kill nobody."""
        return self._source.digests()

    def _die(self, row: int) -> None:
        if row == self._row:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Change:
    """One damage: XOR a byte with 255, cut a file to a length, or remove it."""

    file: str
    """The file's path below that of the store, "" if the store is one file."""

    how: str
    """`flip`, `cut` or `remove`."""

    at: int = 0
    """The offset of the byte, or the length."""

    def apply(self, path: Path) -> None:
        """Change the file of the store at `path`."""
        file = path / self.file if self.file else path
        if self.how == "remove":
            file.unlink()
            return
        with file.open("r+b") as opened:
            if self.how == "cut":
                opened.truncate(self.at)
                return
            opened.seek(self.at)
            (byte,) = opened.read(1)
            opened.seek(self.at)
            opened.write(bytes([byte ^ 0xFF]))


def flips_anywhere(path: Path, trials: int) -> list[Change]:
    """Return flips at even distances in all bytes of the files at `path`, mostly of pixels."""
    sizes = _sizes(path)
    total = sum(sizes.values())
    return [_flip_at(sizes, (2 * trial + 1) * total // (2 * trials)) for trial in range(trials)]


def flips_in_ends(path: Path, trials: int) -> list[Change]:
    """Return flips in the first and last `ENDS` bytes of the files at `path`, in turns."""
    files = [(name, size) for name, size in _sizes(path).items() if size]
    found = []
    for trial in range(trials):
        name, size = files[(trial // 2) % len(files)]
        # 37 and 256 have no common divisor, so all places come up before one does twice.
        offset = trial // (2 * len(files)) * 37 % min(ENDS, size)
        found.append(Change(name, "flip", size - 1 - offset if trial % 2 else offset))
    return found


def cuts(path: Path) -> list[Change]:
    """Return truncations of the largest file, and removals of it and of the smallest."""
    sizes = _sizes(path)
    largest = max(sizes, key=lambda name: (sizes[name], name))
    size = sizes[largest]
    lengths = sorted({0, size // 4, size // 2, 3 * size // 4, size - 1})
    found = [Change(largest, "cut", length) for length in lengths]
    found.append(Change(largest, "remove"))
    return found


def _sizes(path: Path) -> dict[str, int]:
    return {
        "" if file == path else file.relative_to(path).as_posix(): file.stat().st_size
        for file in files_of(path)
    }


def _flip_at(sizes: Mapping[str, int], place: int) -> Change:
    for name, size in sizes.items():
        if place < size:
            return Change(name, "flip", place)
        place -= size
    raise IndexError(place)


class Worker:
    """One store, its images, and the commands that are done with them.

    What is read is told as `rows`: which image each is, -1 for one that no image equals. `table`
    says whether the table is that of these images. An exception is told as `error`.
    """

    def __init__(self, store: Store, images: ImageSet) -> None:
        self._store = store
        self._versioned = with_versions(store)
        self._images = images
        self._rows = {known: row for row, known in enumerate(images.digests())}
        self._folder = ""

    def answer(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Do a command and return its answer."""
        arguments = {key: value for key, value in command.items() if key != "do"}
        self._folder = str(Path(arguments["path"]).parent)
        done: dict[str, Any] = getattr(self, f"do_{command['do']}")(**arguments)
        return done

    def do_write(self, path: str, deadly: int | None = None) -> dict[str, Any]:
        """Write the images; with `deadly`, be killed when that image is asked for."""
        return self._try(lambda: self._store.write(self._set(range(IMAGES), deadly), Path(path)))

    def do_start(self, path: str, rows: Sequence[int]) -> dict[str, Any]:
        """Write some images as the first version."""
        return self._try(lambda: self._versioned.write(self._set(rows), Path(path)))

    def do_append(
        self, path: str, rows: Sequence[int], first: int, deadly: int | None = None
    ) -> dict[str, Any]:
        """Add a version with some images more; `first` is the first row of them."""
        images = self._set(rows, deadly, first)
        return self._try(lambda: self._versioned.append(images, Path(path)))

    def do_changes(self, path: str, anywhere: int, ends: int) -> dict[str, Any]:
        """List the changes to try of what is stored at `path`."""
        found = {
            "flipped": flips_anywhere(Path(path), anywhere),
            "ends": flips_in_ends(Path(path), ends),
            "cut": cuts(Path(path)),
        }
        return {kind: [vars(change) for change in changes] for kind, changes in found.items()}

    def do_change(self, path: str, copy: str, change: Mapping[str, Any]) -> dict[str, Any]:
        """Copy what is stored at `path`, change the copy, and read it."""
        copy_whole(Path(path), Path(copy))
        Change(**change).apply(Path(copy))
        return self.do_read(copy)

    def do_read(self, path: str) -> dict[str, Any]:
        """Read what `write` made, all of it."""
        if not Path(path).exists():
            return {"absent": True}
        return self._read(lambda: self._store.open(Path(path)))

    def do_read_newest(self, path: str) -> dict[str, Any]:
        """Read the newest version, all of it."""
        if not Path(path).exists():
            return {"absent": True}
        return self._read(lambda: self._versioned.open(Path(path)))

    def do_scan_often(self, path: str) -> dict[str, Any]:
        """Scan several times; the answer is that of the first that differs from the first."""
        first = self.do_read(path)
        for _ in range(SAME - 1):
            again = self.do_read(path)
            if again != first:
                return again
        return first

    def do_watch(self, path: str, until: int, seconds: float = 20.0) -> dict[str, Any]:
        """Read the newest version again and again, until it has `until` images.

        Returns each different answer once.
        """
        seen: list[dict[str, Any]] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            now = self.do_read_newest(path)
            if now not in seen:
                seen.append(now)
            if len(now.get("rows", ())) >= until:
                break
        return {"seen": seen}

    def _set(
        self, rows: Sequence[int], deadly: int | None = None, first: int | None = None
    ) -> ImageSet:
        images = self._images.select(list(rows), rows[0] if first is None else first)
        return images if deadly is None else Deadly(images, deadly)

    def _try(self, do: Callable[[], Any]) -> dict[str, Any]:
        try:
            do()
        except Conflict as error:
            return {"refused": self._said(error)}
        except Unsupported as reason:
            return {"unsupported": str(reason)}
        except Exception as error:
            return {"error": self._said(error)}
        return {}

    def _read(self, opened: Callable[[], OpenStore]) -> dict[str, Any]:
        try:
            with opened() as store:
                rows = []
                for image in store.scan():
                    rows.append(self._rows.get(digest(np.asarray(image)), -1))
                    if len(rows) > 100 * IMAGES:
                        break
                table = store.table()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic in Rust is no Exception
            return {"error": self._said(error)}
        known = pa.array([row for row in rows if row >= 0], pa.int64())
        wanted = self._images.table.take(known)
        numbers = pa.chunked_array([pa.array(range(len(wanted)), pa.int64())])
        wanted = wanted.set_column(0, IMAGE_SCHEMA.field(0), numbers)
        return {"rows": rows, "table": wanted.equals(table)}

    def _said(self, error: BaseException) -> str:
        """Return the first line of a message, without folders of this machine or another.

        Libraries in Rust name the source file from which an error comes, as it lay where they were
        built. Lance writes paths without the first slash.
        """
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        first = lines[0] if lines else ""
        for folder in (self._folder, self._folder.lstrip("/")):
            first = first.replace(f"{folder}/", "")
        first = _FOLDERS.sub("", first)
        return f"{type(error).__name__}: {first[:200]}" if first else type(error).__name__


_FOLDERS = re.compile(r"(?<![\w./:])/(?:[^\s/:,;'\"()]+/)+")
"""The folders of a whole path, from the root to the last slash."""


def main() -> None:
    """Answer commands until there are no more."""
    end_with_parent()
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    root, name = sys.argv[1:]
    store = registry.find(StoreName.parse(name))
    worker = Worker(store, Corners(Workspace(Path(root)).images(SOURCE)))
    print("{}", file=answers)
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), file=answers)


def remove(path: Path) -> None:
    """Remove what a store wrote, a file or a folder; nothing if nothing is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
