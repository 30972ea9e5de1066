"""Conditions on the rows of a table, and what they are for Arrow and in SQL.

A condition compares one column with a value, and all conditions of a `Where` must hold. A missing
value never matches, and neither does NaN, also not with `!=`. Numbers are compared exactly, text
by its code points.

Engines differ in details: Lance and DuckDB hold NaN to be larger than any number, and Arrow rounds
an integer that it compares with floats. So `fitted` first expresses each value in the type of its
column. After that `expression`, `sql` and a comparison in Python select the same rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from platebench.stores.condition import Condition, Operator, Where, columns_of, kind_of
from platebench.stores.fitting import fitted
from platebench.stores.where_text import parse_where

if TYPE_CHECKING:
    import pyarrow.compute as pc

__all__ = [
    "Condition",
    "Operator",
    "Where",
    "columns_of",
    "expression",
    "fitted",
    "parse_where",
    "sql",
]


def expression(where: Where) -> pc.Expression:
    """Return the conditions as an Arrow expression, true for the rows that match."""
    import pyarrow.compute as pc  # takes 30 ms, which reading images does not need

    whole = pc.scalar(True)
    for number, condition in enumerate(where):
        one = _expression(condition)
        whole = whole & one if number else one
    return whole


def sql(where: Where, quote: str = '"') -> str:
    """Return the conditions as SQL for SQLite and DuckDB; for LanceDB with `quote` as backtick.

    Lance reads a name in double quotes as text.
    """
    return " AND ".join(_sql(condition, quote) for condition in where) or "TRUE"


_COMPARE: dict[str, Callable[[pc.Expression, Any], pc.Expression]] = {
    "==": lambda field, value: field == value,
    "!=": lambda field, value: field != value,
    "<": lambda field, value: field < value,
    "<=": lambda field, value: field <= value,
    ">": lambda field, value: field > value,
    ">=": lambda field, value: field >= value,
}


def _expression(condition: Condition) -> pc.Expression:
    import pyarrow.compute as pc

    field = pc.field(condition.column)
    if condition.op == "in":
        whole = pc.scalar(False)
        for number, value in enumerate(condition.values):
            whole = whole | (field == value) if number else field == value
        return whole
    if condition.op == "!=" and kind_of(condition.value) == "number":
        return (field < condition.value) | (field > condition.value)  # neither holds for NaN
    return _COMPARE[condition.op](field, condition.value)


_INFINITY = "9e999"


def _sql(condition: Condition, quote: str) -> str:
    name = f"{quote}{condition.column.replace(quote, quote * 2)}{quote}"
    if condition.op == "in":
        if not condition.values:
            return "1 = 0"
        return f"{name} IN ({', '.join(map(_literal, condition.values))})"
    op = {"==": "=", "!=": "<>"}.get(condition.op, condition.op)
    compared = f"{name} {op} {_literal(condition.value)}"
    if isinstance(condition.value, float) and condition.op in ("!=", ">", ">="):
        return f"({compared} AND {name} <= {_INFINITY})"  # NaN is larger than infinity
    return compared


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if value == -(2**63) and isinstance(value, int):
        return "(-9223372036854775807 - 1)"  # Lance reads 9223372036854775808 as a float
    if isinstance(value, float) and math.isinf(value):
        return _INFINITY if value > 0 else f"-{_INFINITY}"
    return repr(value)
