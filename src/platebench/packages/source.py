"""What is found in the sources of a package: images, tables, other files, and what is left out.

One source is a folder, an image file, or a manifest. The paths of several sources begin with their
names.

- TIFF and CH5 files and OME-Zarr folders hold images. Only their headers are read here.
- CSV, TSV and TXT files with tabs, gzipped or not, hold tables; CH5 files may hold `objects`.
- A YAML file that is named as a source is a manifest of OME-IRIS. What it names is packed, and
  Parquet files among that are tables.
- A ZIP archive holds the tables in it. Of one table the name is that of the archive. Images in an
  archive are not read.
- Every file that holds no images is kept byte for byte: a table's types do not tell its text, and
  a README, a licence or a settings file belongs to the data.

Left out, each named with its reason, are linked folders (a loop of links has no end), special
files, folders that platebench made, and what an image file has beside its images (thumbnails,
pyramid levels).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from platebench import interrupts
from platebench.errors import UserError
from platebench.images import tables
from platebench.images.folder import CELLH5_ENDINGS, Source, is_image, sources_in
from platebench.images.names import file_pattern
from platebench.images.ome_zarr import is_ome_zarr
from platebench.images.table_names import names_of_files
from platebench.images.walk import require_regular, shown, walk
from platebench.images.zipped import ZIP_ENDING, archive_of
from platebench.ownership import PACKAGE_MANIFEST
from platebench.packages import iris
from platebench.packages.hashing import file_digest, files_below
from platebench.packages.manifest import LeftOut
from platebench.packages.plain_source import plain_source

OnError = Literal["stop", "skip"]

PARQUET = ".parquet"

_MARK = ".platebench-"
_UNREADABLE = "unreadable folder"


class FoundFile(NamedTuple):
    """A file of a source: its path in the package's sources, and where it is."""

    path: str
    file: Path


class ImageFile(NamedTuple):
    """A file that holds images, or an OME-Zarr folder.

    `is_one_image`: it is a TIFF file of one image, nothing else.
    """

    path: str
    file: Path
    is_one_image: bool

    @property
    def originals(self) -> list[FoundFile]:
        """The file itself, or all files of the folder."""
        if not self.file.is_dir():
            return [FoundFile(self.path, self.file)]
        return [
            FoundFile(f"{self.path}/{each.relative_to(self.file).as_posix()}", each)
            for each in files_below(self.file)
        ]


class FoundTable(NamedTuple):
    """A table: its name, the path of its file, the file, and which member of it in a ZIP archive.

    The path of one of several tables in an archive is below that of the archive.
    """

    name: str
    path: str
    file: Path
    member: str | None = None


@dataclass
class Found:
    """All that is packed, in the order of the paths.

    `licence` and `citation` are those of an OME-IRIS manifest. `files` hold no images and are kept
    as they are. `refused` are the broken ones, which
    `--on-error skip` leaves out.
    """

    name: str
    licence: str = ""
    citation: str = ""
    images: list[Source] = field(default_factory=list)
    image_files: list[ImageFile] = field(default_factory=list)
    tables: list[FoundTable] = field(default_factory=list)
    files: list[FoundFile] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    refused: list[LeftOut] = field(default_factory=list)

    @property
    def movies(self) -> list[Path]:
        """The CH5 files, which may have a table of objects."""
        return [
            each.file for each in self.image_files if each.file.suffix.lower() in CELLH5_ENDINGS
        ]

    def several(self) -> list[ImageFile]:
        """Return the files that are not the TIFF file of one image."""
        return [each for each in self.image_files if not each.is_one_image]

    def refuse(self, path: str, error: UserError | str) -> None:
        """Note a file that cannot be packed."""
        self.refused.append(LeftOut(path, str(error)))


def find(
    sources: Sequence[Path],
    pattern: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Found:
    """Find what there is in the sources. Broken files are listed in `refused`, none stops it.

    `progress` is called with the number of image files read and their total. `pattern` is that of
    `images.names.file_pattern`. Raises UserError for a source that cannot be read, that is a
    package, or that is neither a folder nor an image, and for two files of one path.
    """
    compiled = None if pattern is None else file_pattern(pattern)
    found = Found(_name_of(sources[0]))
    several = len(sources) > 1
    everything: dict[str, Path] = {}
    for source in sources:
        prefix = f"{_name_of(source)}/" if several else ""
        for path, file in _files_of(source, prefix, found):
            if path in everything:
                raise UserError(
                    f"{shown(file)}: has the same path in the package as"
                    f" {shown(everything[path])}; rename one of the sources"
                )
            everything[path] = file
    paths = sorted(everything, key=lambda path: path.split("/"))
    images = [path for path in paths if is_image(everything[path])]
    for done, path in enumerate(images, 1):
        _add_images(found, path, everything[path], compiled)
        progress(done, len(images))
    for path in paths:
        if not is_image(everything[path]):
            _add_file(found, path, everything[path])
    _name_tables(found)
    return found


def leave_out_broken(found: Found, show: Callable[[int, int], None]) -> None:
    """Decode every image, and leave out the files of which one cannot be decoded.

    `show` is called with the number of images decoded and their total.
    """
    broken: set[Path] = set()
    for done, image in enumerate(found.images, 1):
        interrupts.check()
        try:
            if image.file_path not in broken:
                image.pixels()
        except UserError as error:
            broken.add(image.file_path)
            path = next(each.path for each in found.image_files if each.file == image.file_path)
            found.refuse(path, error)
        show(done, len(found.images))
    found.images = [each for each in found.images if each.file_path not in broken]
    found.image_files = [each for each in found.image_files if each.file not in broken]


def stop_at(found: Found) -> None:
    """Raise UserError if a file is broken, in one line that names the first."""
    if not found.refused:
        return
    first = found.refused[0]
    more = len(found.refused) - 1
    also = f" (and {more} more {'file' if more == 1 else 'files'})" if more else ""
    raise UserError(f"{first.reason}{also}; repair it, or leave it out with --on-error skip")


def _name_of(source: Path) -> str:
    return source.absolute().resolve().name or "root"


def _files_of(source: Path, prefix: str, found: Found) -> list[tuple[str, Path]]:
    """Return the files of a source with their paths, and note what is left out."""
    source = source.absolute()
    require_regular(source)
    if source.suffix.lower() in iris.ENDINGS and not source.is_dir():
        return _files_of_manifest(source, prefix, found)
    if not source.is_dir() or is_ome_zarr(source):
        if not is_image(source):
            raise UserError(f"{shown(source)}: neither a TIFF nor a CH5 file, nor a folder")
        if shown(Path(source.name)) != source.name:
            raise UserError(f"{shown(source)}: its name is not printable UTF-8; rename it")
        return [(f"{prefix}{source.name}", source)]
    if (source / PACKAGE_MANIFEST).exists():
        raise UserError(
            f"{shown(source)}: is a package already; 'platebench convert' changes its store"
        )

    return _files_below(source, prefix, found)


def _files_below(folder: Path, prefix: str, found: Found) -> list[tuple[str, Path]]:
    def refuse(path: Path, error: UserError) -> None:
        found.refuse(f"{prefix}{shown(path.relative_to(folder))}", error)

    walked = walk(folder, [""], refuse, is_ome_zarr)
    for path, why in walked.left_out:
        if why == _UNREADABLE:
            found.refuse(f"{prefix}{path}", f"{shown(folder / path)}: cannot be read")
        else:
            found.left_out.append(LeftOut(f"{prefix}{path}", why))
    return [
        (f"{prefix}{file.relative_to(folder).as_posix()}", file)
        for file in walked.files
        if not file.name.startswith(_MARK)
    ]


def _files_of_manifest(source: Path, prefix: str, found: Found) -> list[tuple[str, Path]]:
    """Return the files that an OME-IRIS manifest names, and the manifest."""
    manifest = iris.read_iris(source)
    found.name, found.licence = manifest.name, found.licence or manifest.licence
    found.citation = found.citation or manifest.citation
    for path in manifest.missing:
        found.refuse(f"{prefix}{path}", f"{shown(source)}: names {path}, which is not there")
    files = [(f"{prefix}{source.name}", source)]
    for each in manifest.files:
        if each.file.is_dir() and not is_ome_zarr(each.file):
            files += _files_below(each.file, f"{prefix}{each.path}/", found)
        elif each.sha256 and each.file.is_file() and file_digest(each.file) != each.sha256:
            found.refuse(
                f"{prefix}{each.path}",
                f"{shown(each.file)}: differs from its SHA-256 in {shown(source)}",
            )
        else:
            files.append((f"{prefix}{each.path}", each.file))
            if each.file.suffix.lower() == PARQUET:
                found.tables.append(FoundTable("", f"{prefix}{each.path}", each.file))
    return files


def _add_images(found: Found, path: str, file: Path, pattern: re.Pattern[str] | None) -> None:
    beside: list[tuple[str, str]] = []
    try:
        plain = plain_source(file, path, pattern)
        images = sources_in(file, path, beside, pattern) if plain is None else [plain]
        if not images:
            raise UserError(f"{shown(file)}: contains no image")
    except UserError as error:
        found.refuse(path, error)
        return
    found.images += images
    found.image_files.append(ImageFile(path, file, len(images) == 1 and images[0].is_file))
    found.left_out += [LeftOut(*each) for each in beside]


def _add_file(found: Found, path: str, file: Path) -> None:
    try:
        os.close(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        found.refuse(path, f"{shown(file)}: cannot be read ({error.strerror})")
        return
    found.files.append(FoundFile(path, file))
    try:
        if file.suffix.lower() == ZIP_ENDING:
            _add_archive(found, path, file)
        elif tables.is_table_file(file):
            found.tables.append(FoundTable("", path, file))
    except UserError as error:
        found.refuse(path, error)


def _add_archive(found: Found, path: str, file: Path) -> None:
    archive = archive_of(file)
    alone = len(archive.tables) == 1
    found.tables += [
        FoundTable("", path if alone else f"{path}/{member}", file, member)
        for member in archive.tables
    ]
    if archive.images:
        many = "an image" if archive.images == 1 else f"{archive.images:,} images"
        found.left_out.append(LeftOut(path, f"{many} in a ZIP archive, kept as a file only"))


def _name_tables(found: Found) -> None:
    taken = ["objects"] if found.movies else []
    named = names_of_files([Path(each.path) for each in found.tables], taken)
    names: Mapping[Path, str] = {Path(file): name for name, file in named.items()}
    for place, table in enumerate(found.tables):
        found.tables[place] = table._replace(name=names[Path(table.path)])
