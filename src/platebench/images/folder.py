"""An image set from a folder of TIFF and CellH5 files, read as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

import numpy as np
import pyarrow as pa

from platebench.errors import UserError
from platebench.images import tiff
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet, digest
from platebench.images.manifest import Manifest, read_manifest
from platebench.images.names import Place, place_of
from platebench.images.tables import CELLS, TABLE_ENDINGS, FolderTables, tables_among
from platebench.images.tiff_pages import TiffImage, contents_of
from platebench.images.walk import Counted, require_regular, require_text, walk
from platebench.optional import require

TIFF_ENDINGS = {".tif", ".tiff"}
CELLH5_ENDINGS = {".ch5"}


class Origin(NamedTuple):
    """The file that an image is in, and whether it is a TIFF file of that image alone."""

    path: Path
    is_one_image: bool


class Source(Protocol):
    """Where one image comes from."""

    @property
    def path(self) -> str:
        """Its path below the image set's folder."""

    @property
    def file_path(self) -> Path:
        """The file it is in."""

    @property
    def is_file(self) -> bool:
        """Whether the file holds this image and nothing else, as a TIFF file."""

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
    """One image of a TIFF file. `is_file` says whether the file holds it alone."""

    def __init__(self, image: TiffImage, path: str, place: Place, is_file: bool) -> None:
        self.path = path
        self.place = place
        self.shape, self.dtype = image.shape, image.dtype
        self.file_path = image.file
        self.is_file = is_file
        self._image = image
        if is_file:
            self.filesize = image.file.stat().st_size
        else:
            self.filesize = tiff.encoded_size(image.shape, image.dtype, image.axes)

    def pixels(self) -> np.ndarray:
        """Return the image; UserError if it cannot be decoded, or has changed since."""
        return self._image.pixels()

    def file(self) -> bytes:
        """Return the file's own bytes if it holds nothing else, or the image encoded as a file.

        Raises UserError if they cannot be read.
        """
        if not self.is_file:
            return tiff.encode(self.pixels(), self._image.axes)
        try:
            return self._image.file.read_bytes()
        except OSError as error:
            raise UserError(f"{self._image.file}: cannot be read ({error.strerror})") from error


def open_images(
    path: Path,
    name: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FolderImages:
    """Return the images in a folder, searched to its depths, or in one file.

    Each plane of a TIFF file is one image, and each written plane of a CH5 file. In a fixture,
    the images are those of its manifest, with the digests recorded there. Only headers are read
    now; `progress` is called with the files looked at and to look at. What was found and what was
    left out is in `counted` of the image set.

    Raises UserError, naming the file, if there is no image or one that cannot be read.
    """
    path = path.absolute()
    require_regular(path)
    if not path.is_dir():
        return _in_one_file(path, name)
    manifest = read_manifest(path)
    if manifest is not None:
        return _in_fixture(path, name, manifest, progress)
    walked = walk(path, TIFF_ENDINGS | CELLH5_ENDINGS | TABLE_ENDINGS)
    files = [file for file in walked.files if _is_image(file)]
    counted = Counted(len(files), left_out=walked.left_out)
    sources: list[Source] = []
    for done, file in enumerate(files, 1):
        sources += _sources(file, file.relative_to(path).as_posix(), counted.left_out)
        progress(done, len(files))
    if not sources:
        _refuse_empty(path, counted)
    return FolderImages(path, name or path.stem, sources, counted, tables=tables_among(walked))


def _in_one_file(path: Path, name: str | None) -> FolderImages:
    if not _is_image(path):
        raise UserError(f"{path}: neither a TIFF nor a CH5 file")
    require_text(Path(path.name), path)
    counted = Counted(1)
    sources = _sources(path, path.name, counted.left_out)
    if not sources:
        _refuse_empty(path, counted)
    return FolderImages(path, name or path.stem, sources, counted)


def _in_fixture(
    folder: Path, name: str | None, manifest: Manifest, progress: Callable[[int, int], None]
) -> FolderImages:
    sources: list[Source] = []
    for entry in manifest.entries:
        file = folder / entry.path
        if not file.is_file():
            raise UserError(f"{file}: missing, though the manifest lists it")
        if not file.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{file}: leads out of its folder; make the fixture again")
        contents = contents_of(file)
        if not contents.is_one_image:
            raise UserError(f"{file}: holds more than the image that the manifest lists")
        sources.append(TiffSource(contents.images[0], entry.path, entry.place, is_file=True))
        progress(len(sources), len(manifest.entries))
    # A fixture's tables are one in six forms.
    files = {CELLS: folder / "tables" / f"{CELLS}.csv"} if manifest.settings.tables else {}
    counted = Counted(len(sources))
    return FolderImages(
        folder, name or manifest.name, sources, counted, FolderTables(files), manifest
    )


def _sources(file: Path, relative: str, left_out: list[tuple[str, str]]) -> Sequence[Source]:
    """Return the images of a file, and add to `left_out` what it holds beside them."""
    if file.suffix.lower() in CELLH5_ENDINGS:
        require("a CH5 file", "h5py")
        from platebench.images.cellh5_planes import planes_of

        return planes_of(file, relative, lambda name, why: left_out.append((name, why)))
    contents = contents_of(file)
    left_out += [(relative, why) for why in contents.left_out]
    place = place_of(file.stem)
    several = len(contents.images) > 1
    return [
        TiffSource(
            image,
            f"{relative}/{number}" if several else relative,
            _told(place, image),
            contents.is_one_image,
        )
        for number, image in enumerate(contents.images)
    ]


def _told(place: Place, image: TiffImage) -> Place:
    """Return the place that a file's name tells, with what the file itself tells of an image."""
    told = {key: value for key, value in image.label._asdict().items() if value is not None}
    return place._replace(**told)


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in TIFF_ENDINGS | CELLH5_ENDINGS


def _refuse_empty(path: Path, counted: Counted) -> NoReturn:
    if counted.left_out:
        raise UserError(f"{path}: holds no image of its own ({counted.said()})")
    raise UserError(f"{path}: holds no TIFF or CH5 file")


class FolderImages(ImageSet):
    """Images that stay in their files until they are asked for.

    `counted` says how many files and images were found, and what was left out and why.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        sources: Sequence[Source],
        counted: Counted,
        tables: Mapping[str, pa.Table] | None = None,
        manifest: Manifest | None = None,
    ) -> None:
        self.path = path
        self.name = name
        self.table = _image_table(sources)
        self.tables = tables or {}
        self.counted = counted
        counted.images = len(sources)
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

    def origin(self, row: int) -> Origin:
        """Return the file that image `row` is in."""
        source = self._sources[row]
        return Origin(source.file_path, source.is_file)

    def digests(self) -> Sequence[str]:
        """Return every image's digest: as recorded in the manifest, else from the pixels."""
        return self._digests

    @cached_property
    def _digests(self) -> list[str]:
        if self._manifest is not None:
            return [entry.digest for entry in self._manifest.entries]
        return [digest(self.pixels(row)) for row in range(len(self))]


def _image_table(sources: Sequence[Source]) -> pa.Table:
    columns = {
        "row": range(len(sources)),
        "path": [source.path for source in sources],
        "filesize_bytes": [source.filesize for source in sources],
        "plate": [source.place.plate for source in sources],
        "well": [source.place.well for source in sources],
        "site": [source.place.site for source in sources],
        "frame": [source.place.frame for source in sources],
        "channel": [source.place.channel for source in sources],
        "z": [source.place.z for source in sources],
        "shape": [source.shape for source in sources],
        "dtype": [source.dtype.newbyteorder("<").str for source in sources],
    }
    arrays = [pa.array(columns[field.name], field.type) for field in IMAGE_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=IMAGE_SCHEMA)
