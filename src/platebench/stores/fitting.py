"""Express the values of conditions in the types of their columns.

Engines differ where types do: Arrow refuses to compare floats with 2 ** 53 + 1, and Lance rounds
0.1 for a column of float32. A fitted condition has a value that the column can hold, and selects
the rows that an exact comparison does.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from platebench.errors import UserError
from platebench.stores.condition import Condition, Operator, Where, kind_of


def fitted(where: Where, schema: pa.Schema) -> Where:
    """Return equivalent conditions whose values have the types of their columns.

    Raises KeyError for an unknown column, and UserError if a column cannot be compared with its
    value.
    """
    return tuple(_fitted(condition, column_type(schema, condition.column)) for condition in where)


def column_type(schema: pa.Schema, name: str) -> pa.DataType:
    """Return the type of a column's values, of the texts for a dictionary. KeyError if unknown."""
    place = schema.get_field_index(name)
    if place < 0:
        raise KeyError(name)
    kind = schema.field(place).type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _fitted(condition: Condition, kind: pa.DataType) -> Condition:
    wanted = _kind_of_type(kind)
    if wanted is None:
        raise UserError(f"column {condition.column} has type {kind}; conditions cannot compare it")
    if any(kind_of(value) != wanted for value in condition.values):
        how = {
            "str": "with text in quotes",
            "number": "with a number",
            "bool": "with true or false",
        }
        raise UserError(f"column {condition.column} has type {kind}; compare it {how[wanted]}")
    if wanted != "number":
        return condition
    fit = _to_float if pa.types.is_floating(kind) else _to_integer
    if condition.op != "in":
        return fit(condition, condition.values[0], kind)
    each = [
        fit(Condition(condition.column, "==", value), value, kind) for value in condition.values
    ]
    return replace(condition, value=tuple(one.values[0] for one in each if one.op == "=="))


def _kind_of_type(kind: pa.DataType) -> str | None:
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind):
        return "number"  # Arrow compares no float16
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "str"
    return None


def _never(condition: Condition) -> Condition:
    return Condition(condition.column, "in", ())


def _to_integer(condition: Condition, value: Any, kind: pa.DataType) -> Condition:
    """Compare an integer column with an integer in its range."""
    signed = pa.types.is_signed_integer(kind)
    least = -(2 ** (kind.bit_width - 1)) if signed else 0
    most = 2 ** (kind.bit_width - signed) - 1
    if isinstance(value, float) and math.isinf(value):
        value = 2**64 if value > 0 else -(2**64)  # as far outside of any range
    floor = math.floor(value)
    op = condition.op
    if op in ("==", "!=") and (floor != value or not least <= floor <= most):
        return _never(condition) if op == "==" else Condition(condition.column, ">=", least)
    if op in ("<", ">=") and floor != value:  # x < 2.5 is x < 3
        floor += 1
    if op in ("<", "<="):
        highest = floor - (op == "<")
        if highest < least:
            return _never(condition)
        return Condition(condition.column, "<=", min(highest, most))
    if op in (">", ">="):
        lowest = floor + (op == ">")
        if lowest > most:
            return _never(condition)
        return Condition(condition.column, ">=", max(lowest, least))
    return replace(condition, value=floor)


_PRECISIONS: dict[int, type[np.floating]] = {32: np.float32, 64: np.float64}


def _to_float(condition: Condition, value: Any, kind: pa.DataType) -> Condition:
    """Compare a column of floats with a float of its precision."""
    nearest = _nearest(value, _PRECISIONS[kind.bit_width])
    op = condition.op
    if nearest == value:  # Python compares integers with floats exactly
        return replace(condition, value=nearest)
    if op == "==":
        return _never(condition)
    if op == "!=":
        return Condition(condition.column, ">=", -math.inf)
    includes = nearest > value if op[0] == ">" else nearest < value
    strict: Operator = ">" if op[0] == ">" else "<"
    loose: Operator = ">=" if op[0] == ">" else "<="
    return Condition(condition.column, loose if includes else strict, nearest)


def _nearest(value: Any, precision: type[np.floating]) -> float:
    try:
        with np.errstate(over="ignore"):
            return float(precision(value))
    except OverflowError:
        return math.inf if value > 0 else -math.inf
