"""Open a folder of TIFF, CellH5 and OME-Zarr images as an image set."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

import numpy as np
import pyarrow as pa

from platebench.errors import UserError
from platebench.images import ome_zarr, tiff
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet, digest
from platebench.images.manifest import Manifest, read_manifest
from platebench.images.names import Place, file_pattern, place_of
from platebench.images.ome_zarr import is_ome_zarr
from platebench.images.site_channels import uneven_sites
from platebench.images.tables import (
    CELLS,
    TABLE_ENDINGS,
    ChainedTables,
    FolderTables,
    tables_among,
)
from platebench.images.tiff_pages import TiffImage, contents_of
from platebench.images.walk import Counted, require_regular, require_text, shown, walk
from platebench.optional import require

TIFF_ENDINGS = {".tif", ".tiff"}
CELLH5_ENDINGS = {".ch5"}


class Origin(NamedTuple):
    """The file that contains an image, and whether it is a TIFF file of only that image."""

    path: Path
    is_one_image: bool


class Source(Protocol):
    """The source of one image."""

    @property
    def path(self) -> str:
        """Path below the image set's folder."""

    @property
    def file_path(self) -> Path:
        """The file that contains the image."""

    @property
    def changes_with(self) -> Path:
        """The file, or the folder of files, that is another one after the image has changed."""

    @property
    def is_file(self) -> bool:
        """True if the file is a TIFF file of this image and nothing else."""

    @property
    def place(self) -> Place:
        """Plate, well, site, frame, channel and z."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image."""

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the image, in native byte order."""

    @property
    def filesize(self) -> int:
        """Length of the bytes that `file` returns."""

    def pixels(self) -> np.ndarray:
        """Return the image, C-contiguous, in native byte order."""

    def file(self) -> bytes:
        """Return the image as a TIFF file."""


class TiffSource:
    """One image of a TIFF file."""

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

    @property
    def changes_with(self) -> Path:
        """The file."""
        return self.file_path

    def pixels(self) -> np.ndarray:
        """Return the image. Raises UserError if it cannot be decoded or has changed."""
        return self._image.pixels()

    def file(self) -> bytes:
        """Return the file's own bytes if `is_file`, else the image encoded as a TIFF file.

        Raises UserError if the file cannot be read.
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
    pattern: str | None = None,
) -> FolderImages:
    """Open the images in one file, or in a folder and its subfolders, with the tables beside them.

    Each plane of a TIFF file, each written plane of a CH5 file, and each plane of level 0 of an
    OME-Zarr image is one image. A fixture has the
    images of its manifest, with the digests recorded there. Only headers are read; `progress` is
    called with the number of files read and the total. The attribute `counted` of the image set
    lists what was found and what was left out, which sites lack a channel, and which names the
    pattern does not fit. `pattern` is for the names of TIFF files, see `names.file_pattern`.

    The tables are the CSV, TSV and TXT files, and `objects`: the segmented objects of CH5 files
    with their features. A table is read when it is asked for.

    Raises UserError, which names the file, if there is no image or an unreadable one, and for a
    pattern that cannot be used.
    """
    path = path.absolute()
    compiled = None if pattern is None else file_pattern(pattern)
    require_regular(path)
    if not path.is_dir() or is_ome_zarr(path):
        return _in_one_file(path, name, compiled)
    manifest = read_manifest(path)
    if manifest is not None:
        return _in_fixture(path, name, manifest, progress)
    walked = walk(path, TIFF_ENDINGS | CELLH5_ENDINGS | TABLE_ENDINGS, is_unit=is_ome_zarr)
    files = [file for file in walked.files if is_image(file)]
    counted = Counted(len(files), left_out=walked.left_out, unmatched=unmatched(files, compiled))
    sources: list[Source] = []
    for done, file in enumerate(files, 1):
        sources += sources_in(file, file.relative_to(path).as_posix(), counted.left_out, compiled)
        progress(done, len(files))
    if not sources:
        _refuse_empty(path, counted)
    movies = tables_of_movies(files)
    tables = ChainedTables(tables_among(walked, taken=movies), movies)
    return FolderImages(path, name or path.stem, sources, counted, tables=tables)


def _in_one_file(path: Path, name: str | None, pattern: re.Pattern[str] | None) -> FolderImages:
    if not is_image(path):
        raise UserError(f"{path}: neither a TIFF nor a CH5 file; name one of those or a folder")
    require_text(Path(path.name), path)
    counted = Counted(1, unmatched=unmatched([path], pattern))
    sources = sources_in(path, path.name, counted.left_out, pattern)
    if not sources:
        _refuse_empty(path, counted)
    tables = tables_of_movies([path])
    return FolderImages(path, name or path.stem, sources, counted, tables=tables)


def _in_fixture(
    folder: Path, name: str | None, manifest: Manifest, progress: Callable[[int, int], None]
) -> FolderImages:
    sources: list[Source] = []
    for entry in manifest.entries:
        file = folder / entry.path
        if not file.is_file():
            raise UserError(f"{file}: is in the manifest, but missing; make the fixture again")
        if not file.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{file}: links to a file outside its folder; make the fixture again")
        contents = contents_of(file)
        if not contents.is_one_image:
            raise UserError(
                f"{file}: is not the single image that the manifest lists; make the fixture again"
            )
        sources.append(TiffSource(contents.images[0], entry.path, entry.place, is_file=True))
        progress(len(sources), len(manifest.entries))
    # The six table files of a fixture hold the same table.
    files = {CELLS: folder / "tables" / f"{CELLS}.csv"} if manifest.settings.tables else {}
    counted = Counted(len(sources))
    return FolderImages(
        folder, name or manifest.name, sources, counted, FolderTables(files), manifest
    )


def tables_of_movies(files: Sequence[Path]) -> Mapping[str, pa.Table]:
    """Return the tables in CH5 files: none, or `objects`."""
    movies = [file for file in files if file.suffix.lower() in CELLH5_ENDINGS]
    if not movies:
        return {}
    from platebench.images.cellh5_objects import MovieTables

    return MovieTables(movies)


def sources_in(
    file: Path,
    relative: str,
    left_out: list[tuple[str, str]],
    pattern: re.Pattern[str] | None,
) -> Sequence[Source]:
    """Return the images of a file or OME-Zarr folder, and append what else it has to `left_out`.

    `relative` is the path of the file below the image set's folder. Raises UserError for a file
    that cannot be read.
    """
    if file.is_dir():
        require("an OME-Zarr image", "zarr")
        return ome_zarr.planes_of(file, relative, lambda name, why: left_out.append((name, why)))
    if file.suffix.lower() in CELLH5_ENDINGS:
        require("a CH5 file", "h5py")
        from platebench.images.cellh5_planes import planes_of

        return planes_of(file, relative, lambda name, why: left_out.append((name, why)))
    contents = contents_of(file)
    left_out += [(f"{relative}/{page.where}", page.why) for page in contents.left_out]
    place = place_of(file.stem, pattern)
    several = len(contents.images) > 1
    return [
        TiffSource(
            image,
            f"{relative}/{number}" if several else relative,
            _labelled(place, image),
            contents.is_one_image,
        )
        for number, image in enumerate(contents.images)
    ]


def _labelled(place: Place, image: TiffImage) -> Place:
    """Return the place from the file name, updated by frame, channel and z from the file."""
    known = {key: value for key, value in image.label._asdict().items() if value is not None}
    return place._replace(**known)


def unmatched(files: Sequence[Path], pattern: re.Pattern[str] | None) -> list[str]:
    """Return the names of the TIFF files that a pattern does not fit.

    Raises UserError if it fits none of them.
    """
    if pattern is None:
        return []
    tiffs = [file for file in files if file.suffix.lower() in TIFF_ENDINGS]
    missed = [shown(Path(file.name)) for file in tiffs if not pattern.search(file.stem)]
    if tiffs and len(missed) == len(tiffs):
        raise UserError(f"--pattern fits the name of no TIFF file, such as {missed[0]}; correct it")
    return missed


def is_image(file: Path) -> bool:
    """True for the name of a TIFF or CH5 file, and for a folder, which a walk found as OME-Zarr."""
    return file.suffix.lower() in TIFF_ENDINGS | CELLH5_ENDINGS or file.is_dir()


def _refuse_empty(path: Path, counted: Counted) -> NoReturn:
    if counted.left_out:
        raise UserError(f"{path}: contains no image to read ({counted.said()})")
    raise UserError(f"{path}: contains no TIFF or CH5 file; name another folder")


class FolderImages(ImageSet):
    """Image set in TIFF and CellH5 files, decoded on access.

    `counted` has the number of files and images found, and what was left out and why.
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
        counted.uneven = uneven_sites(self.table)
        counted.tables = sorted(self.tables)
        self._sources = sources
        self._manifest = manifest

    def pixels(self, row: int) -> np.ndarray:
        """Return image `row`. Raises UserError if it cannot be decoded or its digest differs."""
        array = self._sources[row].pixels()
        if self._manifest is not None and digest(array) != self._manifest.entries[row].digest:
            raise UserError(
                f"{self.path / self._sources[row].path}: differs from the digest in the manifest; "
                "make the fixture again"
            )
        return array

    def file(self, row: int) -> bytes:
        """Return image `row` as a TIFF file: the file's own bytes, or the plane encoded."""
        return self._sources[row].file()

    def origin(self, row: int) -> Origin:
        """Return the file that contains image `row`."""
        source = self._sources[row]
        return Origin(source.file_path, source.is_file)

    def digests(self) -> Sequence[str]:
        """Return the digest of every image, from the manifest or else from the pixels."""
        return self._digests

    def digest_of(self, row: int) -> str:
        """Return the digest of one image, without decoding the others."""
        if self._manifest is not None:
            return self._manifest.entries[row].digest
        return digest(self.pixels(row))

    @cached_property
    def _digests(self) -> list[str]:
        return [self.digest_of(row) for row in range(len(self))]


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
