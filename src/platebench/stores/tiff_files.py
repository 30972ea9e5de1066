"""A folder of TIFF files with CSV tables beside them, as labs have it today.

- `default`: the files' own bytes, read by `tifffile.imread`.
- `fast`: written by tifffile uncompressed in one strip. A file's first 4 KiB say where its pixels
  are, and these are read straight into the reader's memory.
- `balanced`: written by tifffile with Zstandard level 1, in several threads, and decoded by
  `imagecodecs.tiff_decode`. libtiff (since 4.0.10) and GDAL read it. Programs that do not know
  Zstandard read deflate level 1, which makes 2% more bytes and takes as long. The horizontal
  predictor makes 5% fewer bytes, and reads in 1.2 to 1.3 times the time.
- `small`: lossless JPEG XL at effort 2, written in half the time of Zstandard level 9, a sixth
  smaller, and decoded in eight times the time. Few programs read it. Images other than unsigned
  integers of 8 or 16 bits: Zstandard level 9 with the predictor. CSV files are gzipped.

How `balanced` and `small` were chosen is in docs/tuning.md.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from platebench.atomic_files import sync
from platebench.drafts import swap
from platebench.images.changed import kept, with_rows
from platebench.images.imageset import ImageSet
from platebench.stores import csv_table
from platebench.stores.contract import OpenByRow, OpenStore, check_rows, copied_into
from platebench.stores.crops import Crop
from platebench.stores.csv_tables import CsvTables
from platebench.stores.plain_tiff import (
    Page,
    decode_page,
    native,
    plain_page,
    read_tiff,
)
from platebench.stores.read_ahead import opened_ahead
from platebench.stores.table_files import TABLES
from platebench.stores.tables import StoredTables
from platebench.stores.tiff_codec import CODECS, TiffCodec
from platebench.stores.tiff_store import TiffStore
from platebench.stores.together import Begun, OfStore, Together
from platebench.stores.values import FILE
from platebench.stores.variants import Variants

TABLE = "images.csv"

_HEAD = 4096
"""Bytes that hold the tags of every file that `TiffCodec` writes."""


CANDIDATES: Mapping[str, Variants[TiffCodec | None]] = {
    "tiff": Variants(
        {"default": None, "uncompressed": TiffCodec(), **CODECS},
        {
            "default": "default",
            "fast": "uncompressed",
            "balanced": "zstd-1",
            "small": "jpeg-xl-2",
        },
    )
}
"""How a file is compressed; None leaves it as it is."""


class TiffFiles(TiffStore):
    """One TIFF file per image."""

    format = "tiff-files"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tiff": {
            "Python": """
import tifffile
print(tifffile.imread(f"{place}/000000.tif"))
""",
            "R": """
tiff::readTIFF(paste0(place, "/000000.tif"), as.is = TRUE)
""",
            "Fiji": "File > Import > Image Sequence, then name the folder.",
        },
    }

    def write(self, images: ImageSet, path: Path) -> None:
        """Write one file per image, then the table."""
        images = self._encoded(images)
        tables = self.tables_at(path)
        tables.check_all(images.tables)
        path.mkdir(parents=True)
        for row in range(len(images)):
            self._write_file(Path(_file(path, row)), images, row)
        csv_table.write_table(images.table, path / TABLE)
        tables.write(images.tables)

    def _opened(self, path: Path, layout: str) -> OpenStore:
        """Open the folder."""
        if layout == FILE:
            opened: OpenStore = _OpenFileBytes(path)
        else:
            opened = _OpenTiffFiles(path) if self._codec is None else _OpenPlainFiles(path)
        return opened.with_tables(self.tables_at(path))

    def together(self) -> Together:
        """Have each process write its files into the same folder."""
        return TiffFolder(self)

    def write_files(self, images: ImageSet, path: Path, first: int) -> None:
        """Write one file per image, numbered from `first`."""
        images = self._encoded(images)
        for row in range(len(images)):
            self._write_file(Path(_file(path, first + row)), images, row)

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Put a new file in the place of each, then write the table again."""
        images = self._encoded(images)
        with self.open(path) as opened:
            check_rows(rows, len(opened))
        for place, row in enumerate(rows):
            draft = Path(f"{_file(path, row)}.draft")
            self._write_file(draft, images, place)
            sync(draft)
            draft.replace(_file(path, row))
        csv_table.change_table(path / TABLE, lambda table: with_rows(table, rows, images.table))

    def delete(self, path: Path, rows: Sequence[int]) -> None:
        """Make a folder of hard links to the files that are left, and put it in the old place.

        The names of files count images, so those after a deleted one get other names.
        """
        draft = path.with_name(f"{path.name}-rewritten")
        with self.open(path) as opened:
            check_rows(rows, len(opened))
            left = kept(len(opened), rows)
            table = opened.table().take(pa.array(left, pa.int64()))
        try:
            draft.mkdir()
            for place, row in enumerate(left):
                os.link(_file(path, row), _file(draft, place))
            if (path / TABLES).exists():
                shutil.copytree(path / TABLES, draft / TABLES, copy_function=os.link)
            csv_table.write_table(table, draft / TABLE)
            for each in (draft / TABLE, draft):
                sync(each)
            swap(draft, path)
            sync(path.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _write_file(self, file: Path, images: ImageSet, row: int) -> None:
        if self._codec is not None and self._codec.compression is None:
            self._codec.write(str(file), images.pixels(row))
        else:
            file.write_bytes(images.file(row))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep each table as a CSV file, gzipped with `small`."""
        return CsvTables(path / TABLES, zipped=self.tuning == "small")

    @property
    def _codec(self) -> TiffCodec | None:
        return CANDIDATES[self.layout].of(self.tuning)


class TiffFolder(OfStore):
    """One folder; each process writes the files of its rows."""

    way = "one folder, files of its own"

    def __init__(self, store: TiffFiles) -> None:
        super().__init__(store)
        self._folder = store

    def begin(self, images: ImageSet, path: Path) -> Begun:
        """Make the folder."""
        self._folder.tables_at(path).check_all(images.tables)
        path.mkdir(parents=True)
        return Begun()

    def share(self, images: ImageSet, path: Path, rows: range, state: Any) -> None:
        """Write the files."""
        self._folder.write_files(images.select(rows), path, rows.start)

    def end(self, images: ImageSet, path: Path, written: Sequence[Any]) -> None:
        """Write the tables."""
        csv_table.write_table(images.table, path / TABLE)
        self._folder.tables_at(path).write(images.tables)


def _file(path: Path, row: int) -> str:
    return f"{path}/{row:06d}.tif"


def _lines(file: int, crop: Crop, page: Page, memory: np.ndarray) -> np.ndarray:
    """Read the lines of a crop to the start of `memory`; return the crop there, not yet cut."""
    lines, columns = crop.index(page.shape)
    line = page.shape[1] * page.dtype.itemsize
    pixels = memory[: crop.height * line]
    assert page.offset is not None
    if os.preadv(file, [pixels.data], page.offset + crop.top * line) != len(pixels):
        raise EOFError(f"image {crop.row} is truncated")
    return pixels.view(page.dtype).reshape(lines.stop - lines.start, -1)[:, columns]


class _OpenTiffFiles(OpenByRow):
    """Files that tifffile reads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _images(self) -> int:
        return sum(file.suffix == ".tif" for file in self._path.iterdir())

    def __len__(self) -> int:
        return self._images

    def table(self) -> pa.Table:
        return csv_table.read_table(self._path / TABLE)

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        import tifffile

        return (native(tifffile.imread(_file(self._path, row))) for row in rows)


class _OpenFileBytes(_OpenTiffFiles):
    """Files as they are."""

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return (np.fromfile(_file(self._path, row), np.uint8) for row in rows)


class _OpenPlainFiles(_OpenTiffFiles):
    """Files that are read straight into memory if they are plain, otherwise by tifffile.

    Most files begin with the same bytes up to their pixels. Then one call reads these bytes and
    the pixels, and the tags need not be understood again.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._head = b""
        self._page = Page((0, 0), np.dtype(np.uint8), 0)

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        return self._into(range(len(self)), memory)

    def take_into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        check_rows(rows, len(self))
        return self._into(rows, memory)

    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return (read_tiff(Path(_file(self._path, row)).read_bytes()) for row in rows)

    def _into(self, rows: Sequence[int], memory: np.ndarray) -> Iterator[np.ndarray]:
        for file in opened_ahead(_file(self._path, row) for row in rows):
            yield self._read(file, memory)

    def crops_into(self, crops: Sequence[Crop], memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read the lines of a crop from a plain file, other files whole."""
        check_rows([crop.row for crop in crops], len(self))
        return (self._crop(crop, memory) for crop in crops)

    def _crop(self, crop: Crop, memory: np.ndarray) -> np.ndarray:
        with Path(_file(self._path, crop.row)).open("rb", buffering=0) as opened:
            page = plain_page(os.pread(opened.fileno(), _HEAD, 0))
            if page is None or page.offset is None:
                part = crop.of(read_tiff(opened.read()))
            else:
                part = _lines(opened.fileno(), crop, page, memory)
        return next(copied_into(memory, [part]))

    def _read(self, file: int, memory: np.ndarray) -> np.ndarray:
        if not self._head:
            return self._read_first(file, memory)
        head, pixels = bytearray(len(self._head)), memory[: self._page.size]
        count = os.preadv(file, [head, pixels.data], 0)
        if head == self._head and count == len(head) + len(pixels):
            return pixels.view(self._page.dtype).reshape(self._page.shape)
        return self._read_first(file, memory)

    def _read_first(self, file: int, memory: np.ndarray) -> np.ndarray:
        """Read a file that begins otherwise than the one before."""
        page = plain_page(os.pread(file, _HEAD, 0))
        data = os.pread(file, os.fstat(file).st_size, 0)
        if page is None:
            return next(copied_into(memory, [read_tiff(data)]))
        pixels = memory[: page.size]
        image = pixels.view(page.dtype).reshape(page.shape)
        if page.offset is None:
            return decode_page(data, page, image)
        head = data[: page.offset]
        if plain_page(head) == page:
            self._head, self._page = head, page
        pixels[...] = np.frombuffer(data, np.uint8, page.size, page.offset)
        return image
