"""The manifest of a package, `platebench-package.json`: what the package has, and the digests.

A package is a folder:

    README.md                  what it is, and how to read it without platebench
    platebench-package.json    the manifest
    images.csv                 one line per image, with its SHA-256
    ro-crate-metadata.json     the same as an RO-Crate
    data/                      the stored image set, with its tables
    sources/                   files that are no images, byte for byte as they were

The manifest is the point of commitment. It names the version of the stored image set, and the list
of images, that are valid. Other files that a killed process left beside them do not count. A
version that is added has an image list of its own, `images-000002.csv`, so that every file but the
manifest keeps its content. The manifest is replaced atomically, after everything that it names is
on the disk.

The manifest of a stranger is data: `read_manifest` checks every value, refuses paths that leave the
folder, and reads no more than `LARGEST` bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar

from platebench.atomic_files import write_whole
from platebench.errors import UserError
from platebench.ownership import PACKAGE_MANIFEST
from platebench.results.strict_json import (
    Damaged,
    count_of,
    loads_object,
    text_of,
    texts_of,
)
from platebench.stores.name import StoreName

MANIFEST = PACKAGE_MANIFEST
FORMAT = 1
"""Version of the manifest's format."""

LARGEST = 2**30
"""Bytes of a manifest that are read at most. A file's entry takes about 150."""

IMAGES = "images.csv"
DATA = "data"
SOURCES = "sources"

DigestOf = Literal["file", "pixels"]
"""What the SHA-256 of an image is of: its TIFF file, or its pixels (C order, little-endian)."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_XXH3 = re.compile(r"[0-9a-f]{32}")
_T = TypeVar("_T")


@dataclass(frozen=True)
class StoredFile:
    """A file of the package: its path in it, its size in bytes, its SHA-256 as 64 hex digits."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class StoredColumn:
    """A column of a table: its name, and its type as Arrow writes it (`double`, `string`)."""

    name: str
    type: str


@dataclass(frozen=True)
class StoredTable:
    """A table in the store.

    `keys` are the columns that say which image a row belongs to (`images.links`). `source` is the
    path of the text file that it was read from, "" if it comes from image files. `digest` is that
    of `images.table_digest`.
    """

    name: str
    rows: int
    columns: tuple[StoredColumn, ...]
    keys: tuple[str, ...]
    source: str
    digest: str


@dataclass(frozen=True)
class StoredSource:
    """A file that is kept byte for byte: its path in the source, and that in the package."""

    path: str
    stored: str


@dataclass(frozen=True)
class LeftOut:
    """A file of the source, or content of one, that is not in the package, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class PackageVersion:
    """One version of a package: number (1 is the first), time (UTC), and what it has.

    `data_version` is the number of the version of the store. `image_list` is the path of the file
    with one line per image. `note` says how the version was made: "restored from 1".
    """

    number: int
    created: str
    data_version: int
    images: int
    pixel_bytes: int
    image_list: str
    tables: tuple[StoredTable, ...]
    sources: tuple[StoredSource, ...]
    note: str = ""


@dataclass(frozen=True)
class PackageManifest:
    """The manifest. `files` are all files of the package but the manifest itself, sorted by path.

    `versions` are in order, the newest last; the properties `images`, `pixel_bytes` and `tables`
    are those of the newest. `libraries` maps the libraries that wrote the data to their versions.
    """

    store: StoreName
    name: str
    created: str
    digest_of: DigestOf
    versions: tuple[PackageVersion, ...]
    files: tuple[StoredFile, ...]
    left_out: tuple[LeftOut, ...] = ()
    licence: str = ""
    citation: str = ""
    author: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)

    @property
    def newest(self) -> PackageVersion:
        """The newest version."""
        return self.versions[-1]

    @property
    def images(self) -> int:
        """The number of images of the newest version."""
        return self.newest.images

    @property
    def pixel_bytes(self) -> int:
        """The size of its pixels, uncompressed, in bytes."""
        return self.newest.pixel_bytes

    @property
    def tables(self) -> tuple[StoredTable, ...]:
        """Its tables."""
        return self.newest.tables

    def version(self, number: int | None = None) -> PackageVersion:
        """Return a version, the newest by default. Raises UserError if there is no such version."""
        if number is None:
            return self.newest
        for each in self.versions:
            if each.number == number:
                return each
        raise UserError(
            f"{self.name}: has no version {number}; 'platebench versions list' lists them"
        )


def write_manifest(manifest: PackageManifest, folder: Path) -> None:
    """Write the manifest of the package in `folder` atomically and to the disk."""
    write_whole(folder / MANIFEST, manifest_text(manifest))


def manifest_text(manifest: PackageManifest) -> str:
    """Return the manifest as JSON, one file per line."""
    content = asdict(manifest)
    content["store"] = str(manifest.store)
    content["libraries"] = dict(manifest.libraries)
    files = content.pop("files")
    newest = {key: content["versions"][-1][key] for key in ("images", "pixel_bytes", "tables")}
    head = {"platebench package": FORMAT, **content, **newest}
    lines = ",\n".join(f"  {json.dumps(each, ensure_ascii=False)}" for each in files)
    text = json.dumps(head, indent=1, ensure_ascii=False)
    return f'{text[:-2]},\n "files": [\n{lines}\n ]\n}}\n'


def read_manifest(folder: Path) -> PackageManifest:
    """Return the manifest of the package in `folder`.

    Raises UserError if there is none, or if it is damaged, of another format, or unsafe.
    """
    file = folder / MANIFEST
    if not file.is_file():
        if folder.exists():
            raise UserError(f"{folder}: not a package of platebench (it has no {MANIFEST})")
        raise UserError(f"{folder}: no such package")
    try:
        size = file.stat().st_size
        if size > LARGEST:
            raise Damaged(f"has {size:,} bytes, more than {LARGEST:,}")
        return _parsed(loads_object(file.read_bytes()))
    except Damaged as reason:
        raise UserError(f"{file}: {reason}; the package is damaged, get it again") from reason
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error


def safe_path(text: str, what: str) -> str:
    """Return a relative path with forward slashes. Raises Damaged for one that leaves its folder.

    Refused are absolute paths, `..`, `.`, empty parts, and the character that no file name has.
    """
    parts = text.split("/")
    wrong = any(part in ("", ".", "..") for part in parts) or "\0" in text
    if wrong or PurePosixPath(text).is_absolute():
        raise Damaged(f"{what} {text[:80]!r} is not a path inside the package")
    return text


def _parsed(read: dict[str, Any]) -> PackageManifest:
    found = read.get("platebench package")
    if found != FORMAT:
        raise Damaged(f"has format {found!r}; this platebench reads format {FORMAT}")
    try:
        store = StoreName.parse(text_of(read, "store"))
    except UserError as error:
        raise Damaged(f"store: {error}") from error
    digest_of = text_of(read, "digest_of")
    if digest_of not in ("file", "pixels"):
        raise Damaged(f"digest_of is {digest_of!r}, neither file nor pixels")
    libraries = read.get("libraries")
    if not isinstance(libraries, dict) or not all(
        isinstance(each, str) for each in libraries.values()
    ):
        raise Damaged("libraries is not an object of texts")
    versions = _each(read, "versions", _version)
    if not versions:
        raise Damaged("has no version")
    numbers = [each.number for each in versions]
    if numbers != sorted(set(numbers)):
        raise Damaged("its versions are not in order")
    files = _each(read, "files", _file)
    paths = {each.path for each in files}
    if len(paths) != len(files):
        raise Damaged("lists a file twice")
    for version in versions:
        for path in (version.image_list, *(each.stored for each in version.sources)):
            if path not in paths:
                raise Damaged(f"names {path!r}, which is not among its files")
    return PackageManifest(
        store=store,
        name=text_of(read, "name"),
        created=text_of(read, "created"),
        digest_of="file" if digest_of == "file" else "pixels",
        versions=versions,
        files=files,
        left_out=_each(read, "left_out", _left_out),
        licence=text_of(read, "licence"),
        citation=text_of(read, "citation"),
        author=text_of(read, "author"),
        libraries=libraries,
    )


def _version(read: dict[str, Any]) -> PackageVersion:
    sources = _each(read, "sources", _source)
    twice = _first_twice([each.path for each in sources])
    if twice is not None:
        raise Damaged(f"has two files for {twice!r}")
    return PackageVersion(
        number=count_of(read.get("number"), "number", 1),
        created=text_of(read, "created"),
        data_version=count_of(read.get("data_version"), "data_version"),
        images=count_of(read.get("images"), "images"),
        pixel_bytes=count_of(read.get("pixel_bytes"), "pixel_bytes"),
        image_list=safe_path(text_of(read, "image_list"), "image_list"),
        tables=_each(read, "tables", _table),
        sources=sources,
        note=text_of(read, "note"),
    )


def _table(read: dict[str, Any]) -> StoredTable:
    return StoredTable(
        name=text_of(read, "name"),
        rows=count_of(read.get("rows"), "rows"),
        columns=_each(
            read, "columns", lambda each: StoredColumn(text_of(each, "name"), text_of(each, "type"))
        ),
        keys=tuple(texts_of(read, "keys")),
        source=text_of(read, "source"),
        digest=_matching(_XXH3, text_of(read, "digest"), "digest"),
    )


def _source(read: dict[str, Any]) -> StoredSource:
    return StoredSource(
        safe_path(text_of(read, "path"), "source"), safe_path(text_of(read, "stored"), "source")
    )


def _file(read: dict[str, Any]) -> StoredFile:
    return StoredFile(
        path=safe_path(text_of(read, "path"), "file"),
        size=count_of(read.get("size"), "size"),
        sha256=_matching(_SHA256, text_of(read, "sha256"), "sha256"),
    )


def _left_out(read: dict[str, Any]) -> LeftOut:
    return LeftOut(text_of(read, "path"), text_of(read, "reason"))


def _each(read: dict[str, Any], key: str, parse: Callable[[dict[str, Any]], _T]) -> tuple[_T, ...]:
    values = read.get(key)
    if not isinstance(values, list) or not all(isinstance(each, dict) for each in values):
        raise Damaged(f"{key} is not a list of objects")
    return tuple(parse(each) for each in values)


def _matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise Damaged(f"{what} {text[:80]!r} is not a digest")
    return text


def _first_twice(texts: Sequence[str]) -> str | None:
    seen: set[str] = set()
    for text in texts:
        if text in seen:
            return text
        seen.add(text)
    return None
