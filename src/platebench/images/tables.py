"""Tables beside the images: write those of a fixture, and read any CSV, TSV or TXT file.

The separator is found in a file's first line: CSV files of some countries have semicolons. TXT
files are tables if they are tab-separated, as microscopes and R write them.
"""

from __future__ import annotations

import csv as python_csv
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, cast

import imagecodecs
import pyarrow as pa
from pyarrow import csv

from platebench.errors import UserError
from platebench.images.features import GRID, SHAPE_AND_INTENSITY
from platebench.images.keys import key_of
from platebench.images.nuclei import CLASSES
from platebench.images.screen import Segmented, cell_uuid
from platebench.images.table_names import names_of_files
from platebench.images.walk import Walked, walk
from platebench.images.zipped import opened_member

COLUMNS = (
    "Mitocheck_Phenotypic_Class",
    "Cell_UUID",
    "Location_Center_X",
    "Location_Center_Y",
    "Metadata_Plate",
    "Metadata_Well",
    "Metadata_Frame",
    "Metadata_Site",
    "Metadata_Gene",
    *(f"CP__{name}" for name in SHAPE_AND_INTENSITY),
    *(f"DP__{name}" for name in GRID),
)
"""Columns of a fixture's table, which has one row per nucleus and frame.

CP__ columns are CellProfiler's features. DP__ columns stand in for DeepProfiler's embedding: the
mean grey levels of the nucleus on a coarse grid.
"""

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
TABLE_ENDINGS = {f"{ending}{packed}" for ending in SEPARATORS for packed in ("", ".gz")}
CELLS = "cells"

_GZIP_LEVEL = 6
_TEXT_KEYS = {"plate", "well", "site", "channel", "file"}
_GENE = re.compile(r"(metadata_)?gene([_ ]?(name|symbol|id))?", re.IGNORECASE)
"""Identifiers stay text, even if they consist of digits: site 01 is not 1."""

_UNNAMED = "Unnamed: {}"
"""Name of a column without one, as pandas calls it: `to_csv` writes its index without a name."""

_DAMAGED = (pa.ArrowException, zlib.error, python_csv.Error)
_SEPARATORS = ",;\t"
_LONGEST_HEADER = 2**20


def cell_lines(frame: Segmented, seed: int) -> str:
    """Return one line per nucleus: the values of COLUMNS, separated by tabs.

    Measurements have six significant digits.
    """
    place = frame.place
    time = "" if place.frame is None else place.frame
    tail = (place.plate, place.well, time, place.site, frame.gene)
    template = "\t".join(
        ["{}"] * 2
        + ["{:.6g}"] * 2
        + ["{}"] * len(tail)
        + ["{:.6g}"] * (len(SHAPE_AND_INTENSITY) + len(GRID))
    )
    x = SHAPE_AND_INTENSITY.index("AreaShape_Center_X")
    features, grid = frame.objects.features.tolist(), frame.objects.grid.tolist()
    lines = [
        template.format(
            CLASSES[frame.classes[row]],
            cell_uuid(seed, frame.shot, nucleus),
            features[row][x],
            features[row][x + 1],
            *tail,
            *features[row],
            *grid[row],
        )
        for row, nucleus in enumerate(frame.nuclei)
    ]
    return "".join(f"{line}\n" for line in lines)


def write_piece(lines: str, folder: Path, name: str) -> None:
    """Write tab-separated lines to `folder` as CSV, TSV and TXT, each plain and gzipped."""
    contents = {mark: lines.replace("\t", mark).encode() for mark in set(SEPARATORS.values())}
    packed = {
        mark: imagecodecs.gzip_encode(content, level=_GZIP_LEVEL)
        for mark, content in contents.items()
    }
    for ending, separator in SEPARATORS.items():
        (folder / f"{name}{ending}").write_bytes(contents[separator])
        (folder / f"{name}{ending}.gz").write_bytes(packed[separator])


def join_pieces(pieces: Path, names: list[str], folder: Path) -> None:
    """Concatenate the pieces `names`, the column names first, into tables in `folder`.

    Concatenated gzip files are one gzip file of several members.
    """
    for ending in SEPARATORS:
        for full in (ending, f"{ending}.gz"):
            with (folder / f"{CELLS}{full}").open("wb") as table:
                for name in names:
                    table.write((pieces / f"{name}{full}").read_bytes())


class FolderTables(Mapping[str, pa.Table]):
    """Tables in files, by name. A table is read on access."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)

    def __getitem__(self, name: str) -> pa.Table:
        return read_table(self._files[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class ChainedTables(Mapping[str, pa.Table]):
    """Tables of several sources, each read on access. Their names differ."""

    def __init__(self, *sources: Mapping[str, pa.Table]) -> None:
        self._sources = sources

    def __getitem__(self, name: str) -> pa.Table:
        for source in self._sources:
            if name in set(source):
                return source[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for source in self._sources for name in source)

    def __len__(self) -> int:
        return sum(map(len, self._sources))


def find_tables(folder: Path) -> FolderTables:
    """Return the tables below `folder`, named as `table_names.names_of_files` says.

    A TXT file is a table only if its first line has a tab.
    """
    return tables_among(walk(folder, TABLE_ENDINGS))


def tables_among(walked: Walked, taken: Iterable[str] = ()) -> FolderTables:
    """Return the tables among the files of a walk, as `find_tables` does. No name is in `taken`."""
    files = [path.relative_to(walked.folder) for path in walked.files if is_table_file(path)]
    named = names_of_files(files, taken)
    return FolderTables({name: walked.folder / file for name, file in named.items()})


def is_table_file(path: Path) -> bool:
    """True for the name of a table; a TXT file also needs a tab in its first line.

    Raises UserError for a TXT file that cannot be read.
    """
    return bool(_ending(path)) and (_ending(path) != ".txt" or _has_tab(path))


def read_table(path: Path, member: str | None = None) -> pa.Table:
    """Read a table from a CSV, TSV or TXT file, gzipped or not, or a `member` of a ZIP archive.

    Types are inferred by `pyarrow.csv`, except that plate, well, site, channel, file names and
    genes stay text. A column without a name gets one. Raises UserError if the file is not a table
    or not UTF-8, or if two columns have one name.
    """
    shown = path if member is None else path / member
    try:
        separator, names = _header(path, member)
        text = {name: pa.string() for name in names if _is_identifier(name)}
        parsing = csv.ParseOptions(delimiter=separator, newlines_in_values=True)
        types = csv.ConvertOptions(column_types=text)
        if member is None:
            table = csv.read_csv(path, parse_options=parsing, convert_options=types)
        else:
            with opened_member(path, member) as opened:
                table = csv.read_csv(opened, parse_options=parsing, convert_options=types)
        # A field's name is decoded here. PyArrow infers the type binary for values not in UTF-8.
        binary = [field.name for field in table.schema if pa.types.is_binary(field.type)]
    except (*_DAMAGED, OSError, EOFError, ValueError, KeyError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise UserError(f"{shown}: not a readable table ({reason})") from error
    if binary:
        raise UserError(
            f"{shown}: not a readable table (column {binary[0]!r} is not UTF-8; save it as UTF-8)"
        )
    named = [name or _UNNAMED.format(place) for place, name in enumerate(table.column_names)]
    twice = [name for place, name in enumerate(named) if name in named[:place]]
    if twice:
        raise UserError(f"{shown}: not a readable table (two columns are named {twice[0]!r})")
    return table.rename_columns(named)


def _header(path: Path, member: str | None = None) -> tuple[str, list[str]]:
    """Return a file's separator and the names in its first line."""
    with _opened(path) if member is None else opened_member(path, member) as file:
        line = file.readline(_LONGEST_HEADER).decode("utf-8-sig")
    unquoted = re.sub(r'"[^"]*"', "", line)
    likely = SEPARATORS[_ending(path if member is None else Path(member))]
    separator = max([likely, *_SEPARATORS], key=unquoted.count)
    rows = list(python_csv.reader([line], delimiter=separator))
    return separator, rows[0] if rows else []


def _opened(path: Path) -> AbstractContextManager[IO[bytes]]:
    """Open a file, gzipped or not."""
    if path.suffix.lower() == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def _is_identifier(column: str) -> bool:
    return key_of(column) in _TEXT_KEYS or _GENE.fullmatch(column.strip()) is not None


def _ending(path: Path) -> str:
    """Return .csv, .tsv or .txt, also for gzipped files; an empty string for other files."""
    inner = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return inner.suffix.lower() if inner.suffix.lower() in SEPARATORS else ""


def _has_tab(path: Path) -> bool:
    try:
        with _opened(path) as file:
            return b"\t" in file.readline(65536)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a readable table ({error})") from error
