"""Which images the rows of a table belong to, told by key columns that are found by name.

A row belongs to every image that has the same values in all keys that the table and the image set
share: plate, well, site, frame, channel, z, file. So a row without a channel belongs to the images
of all channels of its site, and one that names a stack to all of its planes. A missing value
matches no image. A key is not shared if it is unknown of all images, or if its column in the table
holds neither text nor integers (`z` may be a coordinate).

A table may name a file for each channel, as CellProfiler's do (`FileName_DNA`, `FileName_Actin`).
A row then belongs to the images of all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from platebench.errors import UserError
from platebench.images.keys import Key, file_name, first_of_each, key_of, normal

_IMAGE_COLUMN: dict[Key, str] = {
    "plate": "plate",
    "well": "well",
    "site": "site",
    "frame": "frame",
    "channel": "channel",
    "z": "z",
    "file": "path",
}
"""The column of each key in the image set's table."""


def key_columns(table: pa.Table | pa.Schema, images_table: pa.Table) -> tuple[str, ...]:
    """Return the columns of a table by which its rows are linked to images, in their order.

    Only the names and types of the table's columns count, so a selection of its rows has the same.
    """
    schema = table if isinstance(table, pa.Schema) else table.schema
    names = [field.name for field in schema if _is_comparable(field.type)]
    shared = {
        key: column
        for key, column in first_of_each(names).items()
        if key in _IMAGE_COLUMN and _is_known(images_table[_IMAGE_COLUMN[key]])
    }
    files = {name for name in names if "file" in shared and key_of(name) == "file"}
    return tuple(name for name in names if name in files or name in shared.values())


def image_rows(table: pa.Table, images_table: pa.Table) -> pa.Table:
    """Return the pairs of a row of `table` and the row of an image that it belongs to.

    Columns `table_row` and `image_row`, int64, in ascending order, each pair once. A row that
    belongs to no image is in none. Rows count from 0 in both tables.

    Raises UserError if the table shares no key with the images, or if a file that a row names
    exists in several folders of the image set.
    """
    names = key_columns(table, images_table)
    if not names:
        raise without_keys()
    files = [name for name in names if key_of(name) == "file"]
    others = [name for name in names if name not in files]
    pairs = [
        _matches(table, images_table, [*others, *some], some[0] if some else None)
        for some in ([[name] for name in files] or [[]])
    ]
    joined = np.unique(np.concatenate(pairs), axis=0) if len(pairs) > 1 else pairs[0]
    return pa.table({"table_row": joined[:, 0], "image_row": joined[:, 1]})


def images_of(table: pa.Table, images_table: pa.Table) -> list[int]:
    """Return the rows of the images that any row of `table` belongs to, ascending, each once."""
    rows: list[int] = np.unique(image_rows(table, images_table)["image_row"].to_numpy()).tolist()
    return rows


def without_keys(name: str = "") -> UserError:
    """Return the error for a table, of this name, whose rows name no image."""
    table = f"table {name!r}" if name else "the table"
    return UserError(
        f"{table} cannot be linked to images: it needs a column such as plate, well, site, frame or"
        " filename, with values that the images have too"
    )


def _is_comparable(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    )


def _is_known(column: pa.ChunkedArray) -> bool:
    return bool(len(column) > column.null_count)


def _matches(
    table: pa.Table, images_table: pa.Table, columns: list[str], file: str | None
) -> np.ndarray:
    """Return the pairs (table row, image row), int64 (n, 2), that agree in all columns."""
    here = np.zeros(table.num_rows, np.int64)
    there = np.zeros(images_table.num_rows, np.int64)
    for column in columns:
        key = key_of(column)
        assert key is not None
        codes: dict[str, int] = {}
        image_codes = _coded(images_table[_IMAGE_COLUMN[key]], key, codes, grow=True)
        table_codes = _coded(table[column], key, codes, grow=False)
        # Negative: missing, or a value that no image has.
        here = np.where((here < 0) | (table_codes < 0), -1, here * len(codes) + table_codes)
        there = np.where((there < 0) | (image_codes < 0), -2, there * len(codes) + image_codes)
        seen, there = np.unique(there, return_inverse=True)  # so that products stay small
        there = np.where(seen[there] < 0, -2, there)
        places = np.searchsorted(seen, here)
        found = seen[np.minimum(places, len(seen) - 1)] == here if len(seen) else here < -1
        here = np.where((here >= 0) & found, places, -1)
    order = np.argsort(there, kind="stable")
    first = np.searchsorted(there[order], here, "left")
    counts = np.searchsorted(there[order], here, "right") - first
    counts[here < 0] = 0
    rows = np.repeat(np.arange(len(here)), counts)
    offsets = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    images = order[np.repeat(first, counts) + offsets]
    if file is not None:
        _refuse_ambiguous(file, images_table, rows, images)
    return np.stack([rows, images], axis=1)


def _coded(column: pa.ChunkedArray, key: Key, codes: dict[str, int], grow: bool) -> np.ndarray:
    """Return a number for each value, int64: that of its normal spelling; -1 if it has none."""
    encoded: Any = column
    if not pa.types.is_dictionary(column.type):
        encoded = column.dictionary_encode()
    whole = encoded.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], column.type)
    numbers = []
    for value in whole.dictionary.to_pylist():
        text = None if value is None else normal(key, value)
        if text is not None and grow:
            codes.setdefault(text, len(codes))
        numbers.append(-1 if text is None else codes.get(text, -1))
    indices = whole.indices.fill_null(len(numbers)).to_numpy(zero_copy_only=False)
    found: np.ndarray = np.array([*numbers, -1], np.int64)[indices.astype(np.int64)]
    return found


def _refuse_ambiguous(
    column: str, images_table: pa.Table, rows: np.ndarray, images: np.ndarray
) -> None:
    """Raise UserError if one row's file name is that of files in several folders."""
    paths = images_table["path"].to_pylist()
    folders: dict[str, int] = {}
    files = np.array(
        [folders.setdefault(_file_of(path), len(folders)) for path in paths], np.int64
    )[images]
    other = np.flatnonzero((rows[1:] == rows[:-1]) & (files[1:] != files[:-1]))
    if len(other):
        name = file_name(paths[images[other[0]]])
        raise UserError(
            f"column {column!r} names {name}, which is in several folders; add a key such as plate"
        )


def _file_of(path: str) -> str:
    """Return the path of the file in the path of an image: of `a/b.tif/3` it is a/b.tif."""
    name = file_name(path)
    return path[: path.rindex(name) + len(name)]
