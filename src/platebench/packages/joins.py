"""Join tables of a package by the keys that they share, and with the images.

Two tables are joined by every key that both have a column for: plate, well, site, frame, channel,
z, file, object (`images.keys` knows their spellings), and a UUID column that both have under one
name. Values are compared in their normal spelling: well b3 is B03, site 01 is 1. A missing value
joins nothing, and rows without a partner are left out, as in SQL's inner join.

The image set's table is joined as `images.links` says: a row without a channel belongs to the
images of all channels of its site, and is repeated for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from platebench.errors import UserError
from platebench.images import links
from platebench.images.keys import Key, first_of_each, key_of, normal

IMAGES = "images"
"""The name of the image set's table in a join."""

IMAGE_ROW = "image_row"
"""The column with the row of the image in the package."""

_UUID = re.compile(r"(uuid|guid)$", re.IGNORECASE)


def join(left: pa.Table, right: pa.Table, names: tuple[str, str], on: Sequence[str]) -> pa.Table:
    """Return the pairs of rows that agree, in the order of `left`, with the columns of both.

    The columns by which they are joined are those of `left`. Another column whose name both have
    gets the name of the right table as its ending. `on` are columns that both have, compared as
    they are; without any, the shared keys count.

    Raises UserError if there is no shared key or no such column, or if several rows of both tables
    have the same keys.
    """
    pairs = _given(left, right, names, on) if on else shared_keys(left.schema, right.schema)
    if not pairs:
        raise UserError(
            f"tables {names[0]!r} and {names[1]!r} share no key (plate, well, site, frame, object"
            ' ...); name a column that both have: on="Cell_UUID"'
        )
    here = _keys_of(left, [(one, key) for one, _, key in pairs])
    there = _keys_of(right, [(other, key) for _, other, key in pairs])
    columns = list(range(len(pairs)))
    if here.duplicated(columns).any() and there.duplicated(columns).any():
        what = ", ".join(one for one, _, _ in pairs)
        raise UserError(
            f"tables {names[0]!r} and {names[1]!r} both have several rows for the same {what};"
            " name a column that identifies a row in one of them: on="
        )
    found = here.merge(there, on=columns, suffixes=("_here", "_there"))
    found = found.sort_values(["row_here", "row_there"])
    return beside(
        left.take(pa.array(found["row_here"])),
        right.take(pa.array(found["row_there"])),
        names[1],
        without={other for _, other, _ in pairs},
    )


def join_images(
    table: pa.Table, images: pa.Table, rows: np.ndarray, names: Sequence[str]
) -> pa.Table:
    """Return the rows of `table` beside those of the images that they belong to.

    `images` are rows of an image set's table, and `rows` their numbers in the package, which become
    the column IMAGE_ROW. Raises UserError for a table without keys.
    """
    keys = links.key_columns(table, images)
    if not keys:
        raise links.without_keys(" + ".join(names))
    pairs = links.image_rows(table, images)
    here = pairs["image_row"]
    known = {_column_of(key_of(name)) for name in keys} - {"path"}
    found = images.drop_columns(["row"]).take(here)
    found = found.add_column(0, IMAGE_ROW, pa.array(rows[here.to_numpy()], pa.int64()))
    return beside(table.take(pairs["table_row"]), found, IMAGES, without=known)


def beside(left: pa.Table, right: pa.Table, name: str, without: Iterable[str]) -> pa.Table:
    """Return the columns of `left`, then those of `right` but `without`, renamed if they clash."""
    left_out = set(without)
    for field in right.schema:
        if field.name not in left_out:
            left = left.append_column(_free(field.name, name, left.column_names), right[field.name])
    return left


def shared_keys(left: pa.Schema, right: pa.Schema) -> list[tuple[str, str, Key | None]]:
    """Return the columns of both by which they can be joined: left, right, and their key."""
    here, there = _columns_of_keys(left), _columns_of_keys(right)
    keys = [(column, there[key], key) for key, column in here.items() if key in there]
    uuids: list[tuple[str, str, Key | None]] = [
        (name, name, None)
        for name in left.names
        if name in right.names and _UUID.search(name) and _is_text(left, name, right)
    ]
    return [*keys, *uuids]


def _columns_of_keys(schema: pa.Schema) -> dict[Key, str]:
    """Return the column of each key whose type suits it.

    A label that is text may be a class, and one of several file columns a file of its channel.
    """
    kinds = {field.name: _value_type(field.type) for field in schema}
    whole = [name for name, kind in kinds.items() if pa.types.is_integer(kind)]
    text = [
        name
        for name, kind in kinds.items()
        if (pa.types.is_string(kind) or pa.types.is_large_string(kind)) and key_of(name) != "object"
    ]
    comparable = [name for name in schema.names if name in {*whole, *text}]
    found = first_of_each(comparable)
    if [key_of(name) for name in comparable].count("file") > 1:
        found.pop("file")
    return found


def _given(
    left: pa.Table, right: pa.Table, names: tuple[str, str], on: Sequence[str]
) -> list[tuple[str, str, Key | None]]:
    for column in on:
        for table, name in zip((left, right), names, strict=True):
            if column not in table.column_names:
                raise UserError(f"table {name!r} has no column {column!r} to join on")
        here, there = (_value_type(table.schema.field(column).type) for table in (left, right))
        if here != there and not (pa.types.is_integer(here) and pa.types.is_integer(there)):
            raise UserError(
                f"column {column!r} has type {here} in table {names[0]!r} and {there} in"
                f" {names[1]!r}; they cannot be joined on it"
            )
    return [(column, column, None) for column in on]


def _keys_of(table: pa.Table, columns: Sequence[tuple[str, Key | None]]) -> pd.DataFrame:
    """Return one column per key, numbered, with the rows that have all of them, and `row`."""
    found: dict[int | str, Any] = {
        number: _spelled(table[name], key) if key else table[name].to_pandas().astype(object)
        for number, (name, key) in enumerate(columns)
    }
    found["row"] = np.arange(table.num_rows)
    return pd.DataFrame(found).dropna()


def _spelled(column: pa.ChunkedArray, key: Key) -> np.ndarray:
    """Return the values of a key in their normal spelling, as objects; None for a missing one."""
    codes, values = pd.factorize(np.array(column.to_pylist(), object))
    spelled = np.array([*(normal(key, value) for value in values), None], object)
    found: np.ndarray = spelled[codes]  # -1, a missing value, is the last
    return found


def _is_text(left: pa.Schema, name: str, right: pa.Schema) -> bool:
    return all(
        pa.types.is_string(kind) or pa.types.is_large_string(kind)
        for kind in (_value_type(schema.field(name).type) for schema in (left, right))
    )


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _column_of(key: Key | None) -> str:
    return "path" if key == "file" else str(key)


def _free(name: str, ending: str, taken: Sequence[str]) -> str:
    while name in taken:
        name = f"{name}_{ending}"
    return name
