"""What is in a ZIP archive: tables, and images that are not read. Nothing is unpacked to the disk.

The sizes that an archive claims are checked when it is listed, before anything is decompressed.
"""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from platebench.errors import UserError
from platebench.limits import gigabytes, memory_bytes

ZIP_ENDING = ".zip"

_TABLES = {".csv", ".tsv", ".txt"}
_IMAGES = {".tif", ".tiff", ".ch5"}

_SHARE_OF_MEMORY = 4
"""A table may take a quarter of memory."""

_MOST_PER_BYTE = 1032
"""Bytes that a byte of a deflated member can stand for (zlib.net/zlib_tech.html)."""

_READING = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error)
_DAMAGED = (zipfile.BadZipFile, zipfile.LargeZipFile, *_READING)
"""What zipfile raises for damaged, encrypted and unusually compressed members."""


@dataclass(frozen=True)
class Archive:
    """The members of an archive that have a table's name, and the number of its images."""

    tables: tuple[str, ...]
    images: int


def archive_of(path: Path) -> Archive:
    """List an archive. A TXT file counts as a table if its first line has a tab.

    Raises UserError if it is not a ZIP archive, if two tables have one name, if the name of a table
    is not a path below a folder, or if a table claims more bytes than memory has room for, or more
    than its archive can hold.
    """
    with _opened(path) as archive:
        members = [each for each in archive.infolist() if not each.is_dir() and _is_wanted(each)]
        tables = [each for each in members if _ending(each.filename) in _TABLES]
        _check_sizes(path, tables)
        names = [each.filename for each in tables if _is_table(archive, each)]
        _check_names(path, names)
        return Archive(
            tuple(sorted(names)), sum(_ending(each.filename) in _IMAGES for each in members)
        )


@contextmanager
def opened_member(path: Path, member: str) -> Iterator[IO[bytes]]:
    """Open a file of an archive, decompressed. It returns no more bytes than the archive claims.

    Raises UserError if the archive or the member cannot be read.
    """
    with _opened(path) as archive, archive.open(member) as opened:
        yield opened


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGED as error:
        reason = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
        raise UserError(f"{path}: not a readable ZIP archive ({reason})") from error


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    """False for what macOS adds: `__MACOSX/._cells.csv`."""
    parts = PurePosixPath(member.filename).parts
    return "__MACOSX" not in parts and not parts[-1].startswith("._")


def _is_table(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    if _ending(member.filename) != ".txt":
        return True
    with archive.open(member) as opened:
        return b"\t" in opened.readline(65536)


def _check_sizes(path: Path, tables: list[zipfile.ZipInfo]) -> None:
    most = memory_bytes() // _SHARE_OF_MEMORY
    for each in tables:
        if each.file_size > most:
            raise UserError(
                f"{path}: {each.filename} claims {gigabytes(each.file_size)}; the limit on this"
                f" machine is {gigabytes(most)}"
            )
    deflated = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    claimed = sum(each.file_size for each in tables if each.compress_type in deflated)
    size = path.stat().st_size
    if claimed > _MOST_PER_BYTE * size:
        raise UserError(
            f"{path}: claims {gigabytes(claimed)} of tables, more than its {size:,} bytes can hold"
        )


def _check_names(path: Path, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(f"{path}: has {count} files named {name}; rename one of them")
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise UserError(f"{path}: has a file named {name[:80]!r}, which is no path in a folder")


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
