"""The tables beside the images: of a fixture, a row a cell; and any CSV, TSV or TXT that is there.

TXT is tab-separated, as microscopes and R write it.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import imagecodecs
import pyarrow as pa
from pyarrow import csv

from platebench.errors import UserError
from platebench.images.features import GRID, SHAPE_AND_INTENSITY
from platebench.images.nuclei import CLASSES
from platebench.images.screen import Segmented, cell_uuid, gene_of, place_of_shot
from platebench.images.walk import Walked, walk

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
"""CP__ columns are measured as CellProfiler does; DP__ stand where DeepProfiler's would: they are
the nucleus in a coarse grid, a vector that tells one nucleus's pixels from another's."""

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
TABLE_ENDINGS = {f"{ending}{packed}" for ending in SEPARATORS for packed in ("", ".gz")}
CELLS = "cells"

_GZIP_LEVEL = 6
# Names, though some are made of digits: site 01 is not 1.
_TEXT = {f"Metadata_{name}": pa.string() for name in ("Plate", "Well", "Site", "Gene")}


def cell_lines(frame: Segmented, seed: int) -> str:
    """Return a line a cell, ending in a newline, with tabs between the values of COLUMNS.

    Numbers have six significant digits.
    """
    place = place_of_shot(frame.shot)
    tail = (place.plate, place.well, place.frame, place.site, gene_of(frame.shot))
    template = "\t".join(
        ["{}"] * 2
        + ["{:.6g}"] * 2
        + ["{}"] * len(tail)
        + ["{:.6g}"] * (len(SHAPE_AND_INTENSITY) + len(GRID))
    )
    x = SHAPE_AND_INTENSITY.index("AreaShape_Center_X")
    features, grid = frame.measured.features.tolist(), frame.measured.grid.tolist()
    lines = [
        template.format(
            CLASSES[frame.classes[row]],
            cell_uuid(seed, frame.shot, cell),
            features[row][x],
            features[row][x + 1],
            *tail,
            *features[row],
            *grid[row],
        )
        for row, cell in enumerate(frame.cells)
    ]
    return "".join(f"{line}\n" for line in lines)


def write_piece(lines: str, folder: Path, name: str) -> None:
    """Write tab-separated lines to `folder` as CSV, TSV and TXT, each also gzipped."""
    contents = {mark: lines.replace("\t", mark).encode() for mark in set(SEPARATORS.values())}
    packed = {
        mark: imagecodecs.gzip_encode(content, level=_GZIP_LEVEL)
        for mark, content in contents.items()
    }
    for ending, separator in SEPARATORS.items():
        (folder / f"{name}{ending}").write_bytes(contents[separator])
        (folder / f"{name}{ending}.gz").write_bytes(packed[separator])


def join_pieces(pieces: Path, names: list[str], folder: Path) -> None:
    """Join pieces, the one with the column names first, into whole tables in `folder`.

    Gzipped pieces joined are one gzip file of several members.
    """
    for ending in SEPARATORS:
        for full in (ending, f"{ending}.gz"):
            with (folder / f"{CELLS}{full}").open("wb") as table:
                for name in names:
                    table.write((pieces / f"{name}{full}").read_bytes())


class FolderTables(Mapping[str, pa.Table]):
    """Tables in files, read when they are asked for, by name."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)

    def __getitem__(self, name: str) -> pa.Table:
        return read_table(self._files[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def find_tables(folder: Path) -> FolderTables:
    """Return the tables below `folder`, each named by its path below it.

    A TXT file is a table only if its first line has a tab; else it is somebody's notes.
    """
    return tables_among(walk(folder, TABLE_ENDINGS))


def tables_among(walked: Walked) -> FolderTables:
    """Return those of the files of a walk that are tables, as `find_tables` does."""
    return FolderTables(
        {
            path.relative_to(walked.folder).as_posix(): path
            for path in walked.files
            if _ending(path) and (_ending(path) != ".txt" or _has_tab(path))
        }
    )


def read_table(path: Path) -> pa.Table:
    """Return the table in a CSV, TSV or TXT file, gzipped or not.

    Types are inferred, but names made of digits stay text. Raises UserError if it is no table, or
    not in UTF-8.
    """
    try:
        table = csv.read_csv(
            path,
            parse_options=csv.ParseOptions(delimiter=SEPARATORS[_ending(path)]),
            convert_options=csv.ConvertOptions(column_types=_TEXT),
        )
        # Names are decoded when they are asked for, and values that are no text are taken as bytes.
        binary = [name for name in table.column_names if pa.types.is_binary(table[name].type)]
    except (pa.ArrowException, OSError, EOFError, ValueError, KeyError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise UserError(f"{path}: not a readable table ({reason})") from error
    if binary:
        raise UserError(
            f"{path}: not a readable table (its column {binary[0]!r} is not UTF-8; save it as such)"
        )
    return table


def _ending(path: Path) -> str:
    """Return .csv, .tsv or .txt, of a gzipped file too, or nothing if it is no table."""
    inner = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return inner.suffix.lower() if inner.suffix.lower() in SEPARATORS else ""


def _has_tab(path: Path) -> bool:
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as file:
            return b"\t" in file.readline(65536)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a readable table ({error})") from error
