"""Say how a table that was read differs from the one that was stored."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def tables_differ(expected: pa.Table, found: pa.Table) -> str | None:
    """Return the first difference between two tables in words, or None if they are equal.

    Compared are the names, order and types of columns, the number and order of rows, the values,
    and which are missing. NaN equals NaN, and is not a missing value. Dictionaries are compared by
    what they stand for. Metadata of the schema is left out.
    """
    if not isinstance(found, pa.Table):
        return f"a {type(found).__name__}, not a table"
    return _schemas_differ(expected, found) or _rows_differ(expected, found)


def _schemas_differ(expected: pa.Table, found: pa.Table) -> str | None:
    if expected.column_names != found.column_names:
        return f"columns {found.column_names}, not {expected.column_names}"
    for one, other in zip(expected.schema, found.schema, strict=True):
        if one.type != other.type:
            return f"column {one.name!r} has type {other.type}, not {one.type}"
        if one.nullable != other.nullable:
            words = ("no missing values", "missing values")
            return f"column {one.name!r} may have {words[other.nullable]}"
    return None


def _rows_differ(expected: pa.Table, found: pa.Table) -> str | None:
    if expected.num_rows != found.num_rows:
        return f"{found.num_rows} rows, not {expected.num_rows}"
    for name, one, other in zip(
        expected.column_names, expected.columns, found.columns, strict=True
    ):
        row = _first_difference(_plain(one), _plain(other))
        if row is not None:
            return f"column {name!r}, row {row}: {_said(other[row])}, not {_said(one[row])}"
    return None


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of a type that Arrow compares, without dictionary codes."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())
    if kind in (pa.string_view(), pa.binary_view()):
        return column.cast(pa.string() if kind == pa.string_view() else pa.binary())
    return column


def _first_difference(one: pa.ChunkedArray, other: pa.ChunkedArray) -> int | None:
    """Return the first row in which two columns of the same type and length differ."""
    if one.equals(other):
        return None
    kind = one.type
    if pa.types.is_nested(kind) or pa.types.is_null(kind) or isinstance(kind, pa.ExtensionType):
        pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
        return next((row for row, (here, there) in enumerate(pairs) if here != there), None)
    same = pc.fill_null(pc.equal(one, other), False)
    same = pc.or_(same, pc.and_(one.is_null(), other.is_null()))
    if pa.types.is_floating(kind):
        both = pc.and_(pc.is_nan(one), pc.is_nan(other))
        same = pc.or_(same, pc.fill_null(both, False))
    row = pc.index(same, False).as_py()
    return None if row < 0 else int(row)


def _said(value: Any) -> str:
    return "missing" if not value.is_valid else repr(value.as_py())
