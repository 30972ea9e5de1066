"""Conditions compared row by row in Python: the definition that all stores must agree with."""

from __future__ import annotations

import math
import operator
from typing import Any

import pyarrow as pa

from platebench.stores.where import Condition, Where

COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda found, values: found in values,
}


def by_python(table: pa.Table, where: Where) -> list[int]:
    """Return the rows of a table that match."""
    columns = {condition.column: table[condition.column].to_pylist() for condition in where}
    return [
        row
        for row in range(table.num_rows)
        if all(_holds(columns[condition.column][row], condition) for condition in where)
    ]


def _holds(found: Any, condition: Condition) -> bool:
    if found is None or (isinstance(found, float) and math.isnan(found)):
        return False
    return bool(COMPARE[condition.op](found, condition.value))
