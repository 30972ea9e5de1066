"""Tables beside the images: write those of a fixture, and read any CSV, TSV or TXT file.

TXT files are tab-separated, as microscopes and R write them.
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
"""Columns of a fixture's table, which has one row per nucleus and frame.

CP__ columns are CellProfiler's features. DP__ columns stand in for DeepProfiler's embedding: the
mean grey levels of the nucleus on a coarse grid.
"""

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
TABLE_ENDINGS = {f"{ending}{packed}" for ending in SEPARATORS for packed in ("", ".gz")}
CELLS = "cells"

_GZIP_LEVEL = 6
# Identifiers stay text, even if they consist of digits: site 01 is not 1.
_TEXT = {f"Metadata_{name}": pa.string() for name in ("Plate", "Well", "Site", "Gene")}


def cell_lines(frame: Segmented, seed: int) -> str:
    """Return one line per nucleus: the values of COLUMNS, separated by tabs.

    Measurements have six significant digits.
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


def find_tables(folder: Path) -> FolderTables:
    """Return the tables below `folder`, named by their relative paths.

    A TXT file is a table only if its first line has a tab.
    """
    return tables_among(walk(folder, TABLE_ENDINGS))


def tables_among(walked: Walked) -> FolderTables:
    """Return the tables among the files of a walk, as `find_tables` does."""
    return FolderTables(
        {
            path.relative_to(walked.folder).as_posix(): path
            for path in walked.files
            if _ending(path) and (_ending(path) != ".txt" or _has_tab(path))
        }
    )


def read_table(path: Path) -> pa.Table:
    """Read a table from a CSV, TSV or TXT file, gzipped or not.

    Types are inferred, except that plate, well, site and gene stay text. Raises UserError if the
    file is not a table or not UTF-8.
    """
    try:
        table = csv.read_csv(
            path,
            parse_options=csv.ParseOptions(delimiter=SEPARATORS[_ending(path)]),
            convert_options=csv.ConvertOptions(column_types=_TEXT),
        )
        # column_names decodes the names. PyArrow infers the type binary for values not in UTF-8.
        binary = [name for name in table.column_names if pa.types.is_binary(table[name].type)]
    except (pa.ArrowException, OSError, EOFError, ValueError, KeyError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise UserError(f"{path}: not a readable table ({reason})") from error
    if binary:
        raise UserError(
            f"{path}: not a readable table (column {binary[0]!r} is not UTF-8; save it as UTF-8)"
        )
    return table


def _ending(path: Path) -> str:
    """Return .csv, .tsv or .txt, also for gzipped files; an empty string for other files."""
    inner = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return inner.suffix.lower() if inner.suffix.lower() in SEPARATORS else ""


def _has_tab(path: Path) -> bool:
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as file:
            return b"\t" in file.readline(65536)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a readable table ({error})") from error
