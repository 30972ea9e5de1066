"""An image set from a folder of TIFF and CellH5 files, read as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from platebench.errors import UserError
from platebench.images import tiff
from platebench.images.cellh5 import planes_of
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet, digest
from platebench.images.manifest import Manifest, read_manifest
from platebench.images.names import Place, place_of
from platebench.images.tables import CELLS, FolderTables, find_tables

TIFF_ENDINGS = {".tif", ".tiff"}
CELLH5_ENDINGS = {".ch5"}


class Source(Protocol):
    """Where one image comes from."""

    @property
    def path(self) -> str:
        """Its path below the image set's folder."""

    @property
    def place(self) -> Place:
        """Where and when it was taken."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""

    @property
    def dtype(self) -> np.dtype:
        """Its dtype, in native byte order."""

    @property
    def filesize(self) -> int:
        """The size of what `file` returns, in bytes."""

    def pixels(self) -> np.ndarray:
        """Return the image, C-contiguous, in native byte order."""

    def file(self) -> bytes:
        """Return the image as a TIFF file."""


class TiffSource:
    """One TIFF file: its first series, as one array."""

    def __init__(self, file: Path, path: str, place: Place | None = None) -> None:
        self.path = path
        self.place = place_of(file.stem) if place is None else place
        self.shape, self.dtype = tiff.describe(file)
        self.filesize = file.stat().st_size
        self._file = file

    def pixels(self) -> np.ndarray:
        """Return the image; UserError if it cannot be decoded, or has changed since."""
        array = tiff.read(self._file)
        if array.shape != self.shape or array.dtype != self.dtype:
            raise UserError(
                f"{self._file}: decodes to {array.dtype} {array.shape}, "
                f"its header tells of {self.dtype} {self.shape}"
            )
        return array

    def file(self) -> bytes:
        """Return the file's own bytes; UserError if they cannot be read."""
        try:
            return self._file.read_bytes()
        except OSError as error:
            raise UserError(f"{self._file}: cannot be read ({error.strerror})") from error


def open_images(
    path: Path,
    name: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ImageSet:
    """Return the images in a folder, searched to its depths, or in one file.

    A TIFF file is one image, its first series whole; each written plane of a CH5 file is one. In
    a fixture, the images are those of its manifest, with the digests recorded there. Only headers
    are read now; `progress` is called with the files looked at and to look at.

    Raises UserError, naming the file, if there is no image or one that cannot be read.
    """
    path = path.absolute()
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    manifest = read_manifest(path) if path.is_dir() else None
    if manifest is not None:
        return FolderImages(
            path, name or manifest.name, _listed(path, manifest, progress), manifest
        )
    return FolderImages(path, name or path.stem, _found(path, progress))


def _listed(folder: Path, manifest: Manifest, progress: Callable[[int, int], None]) -> list[Source]:
    sources: list[Source] = []
    for entry in manifest.entries:
        file = folder / entry.path
        if not file.is_file():
            raise UserError(f"{file}: missing, though the manifest lists it")
        sources.append(TiffSource(file, entry.path, entry.place))
        progress(len(sources), len(manifest.entries))
    return sources


def _found(path: Path, progress: Callable[[int, int], None]) -> list[Source]:
    folder = path if path.is_dir() else path.parent
    files = _image_files(path)
    sources: list[Source] = []
    for done, file in enumerate(files, 1):
        relative = file.relative_to(folder).as_posix()
        if file.suffix.lower() in CELLH5_ENDINGS:
            sources += planes_of(file, relative)
        else:
            sources.append(TiffSource(file, relative))
        progress(done, len(files))
    return sources


def _image_files(path: Path) -> list[Path]:
    endings = TIFF_ENDINGS | CELLH5_ENDINGS
    if path.is_file():
        if path.suffix.lower() not in endings:
            raise UserError(f"{path}: neither a TIFF nor a CH5 file")
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in endings)
    if not files:
        raise UserError(f"{path}: holds no TIFF or CH5 file")
    return files


class FolderImages(ImageSet):
    """Images that stay in their files until they are asked for."""

    def __init__(
        self, path: Path, name: str, sources: list[Source], manifest: Manifest | None = None
    ) -> None:
        self.path = path
        self.name = name
        self.table = _image_table(sources)
        self.tables = _tables(path, manifest)
        self._sources = sources
        self._manifest = manifest

    def pixels(self, row: int) -> np.ndarray:
        """Return image `row`; UserError if it cannot be decoded or is not what was recorded."""
        array = self._sources[row].pixels()
        if self._manifest is not None and digest(array) != self._manifest.entries[row].digest:
            raise UserError(
                f"{self.path / self._sources[row].path}: differs from the digest in the manifest; "
                "make the fixture again"
            )
        return array

    def file(self, row: int) -> bytes:
        """Return image `row` as a TIFF file: its own bytes, or its plane encoded as one."""
        return self._sources[row].file()

    def digests(self) -> Sequence[str]:
        """Return every image's digest: as recorded in the manifest, else from the pixels."""
        return self._digests

    @cached_property
    def _digests(self) -> list[str]:
        if self._manifest is not None:
            return [entry.digest for entry in self._manifest.entries]
        return [digest(self.pixels(row)) for row in range(len(self))]


def _tables(path: Path, manifest: Manifest | None) -> FolderTables:
    """Return the tables beside the images; a fixture's, which are one in six forms, once."""
    if manifest is None:
        return find_tables(path) if path.is_dir() else FolderTables({})
    if not manifest.settings.tables:
        return FolderTables({})
    return FolderTables({CELLS: path / "tables" / f"{CELLS}.csv"})


def _image_table(sources: list[Source]) -> pa.Table:
    columns = {
        "row": range(len(sources)),
        "path": [source.path for source in sources],
        "filesize_bytes": [source.filesize for source in sources],
        "plate": [source.place.plate for source in sources],
        "well": [source.place.well for source in sources],
        "site": [source.place.site for source in sources],
        "frame": [source.place.frame for source in sources],
        "shape": [source.shape for source in sources],
        "dtype": [source.dtype.newbyteorder("<").str for source in sources],
    }
    arrays = [pa.array(columns[field.name], field.type) for field in IMAGE_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=IMAGE_SCHEMA)
