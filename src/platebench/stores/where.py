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
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from platebench.errors import UserError

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)

Value = int | float | str | bool | tuple[int | float | str | bool, ...]


@dataclass(frozen=True)
class Condition:
    """One comparison of a column: `Condition("area", ">", 50)`. `in` takes a tuple.

    Raises UserError for an unknown operator, for values of mixed kinds, for NaN, for text that is
    not UTF-8 or contains NUL, and for an order of truth values.
    """

    column: str
    op: Operator
    value: Value

    def __post_init__(self) -> None:
        if self.op not in OPERATORS:
            raise UserError(f"{self.op}: not an operator; use {' '.join(OPERATORS)}")
        if isinstance(self.value, tuple) != (self.op == "in"):
            raise UserError(f"column {self.column}: `in` takes several values, others take one")
        kinds = {_kind(value) for value in self.values}
        if len(kinds) > 1 or None in kinds:
            raise UserError(
                f"column {self.column}: compare with numbers, with text, or with true/false"
            )
        if kinds == {"bool"} and self.op not in ("==", "!=", "in"):
            raise UserError(f"column {self.column}: true and false have no order; use == or !=")

    @property
    def values(self) -> tuple[int | float | str | bool, ...]:
        """The values of `in`, or the one value of another operator."""
        return self.value if isinstance(self.value, tuple) else (self.value,)


Where = tuple[Condition, ...]
"""Conditions that must all hold. Without any, every row matches."""


def expression(where: Where) -> pc.Expression:
    """Return the conditions as an Arrow expression, true for the rows that match."""
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


def columns_of(where: Where) -> list[str]:
    """Return the columns that are compared, each once."""
    return list(dict.fromkeys(condition.column for condition in where))


def _kind(value: Any) -> str | None:
    """Return bool, number or str; None for a value that no condition has."""
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, int | float):
        return None if isinstance(value, float) and math.isnan(value) else "number"
    if isinstance(value, str):
        return None if "\0" in value or not _is_utf8(value) else "str"
    return None


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in text)


_COMPARE: dict[str, Callable[[pc.Expression, Any], pc.Expression]] = {
    "==": lambda field, value: field == value,
    "!=": lambda field, value: field != value,
    "<": lambda field, value: field < value,
    "<=": lambda field, value: field <= value,
    ">": lambda field, value: field > value,
    ">=": lambda field, value: field >= value,
}


def _expression(condition: Condition) -> pc.Expression:
    field = pc.field(condition.column)
    if condition.op == "in":
        whole = pc.scalar(False)
        for number, value in enumerate(condition.values):
            whole = whole | (field == value) if number else field == value
        return whole
    if condition.op == "!=" and _kind(condition.value) == "number":
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


def _fitted(condition: Condition, kind: pa.DataType) -> Condition:
    wanted = _kind_of_type(kind)
    if wanted is None:
        raise UserError(f"column {condition.column} has type {kind}; conditions cannot compare it")
    if any(_kind(value) != wanted for value in condition.values):
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
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number"
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


_PRECISIONS: dict[int, type[np.floating]] = {16: np.float16, 32: np.float32, 64: np.float64}


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


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
      | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | `(?P<quoted>(?:[^`]|``)+)`
      | (?P<word>[^\W\d][\w.]*)
      | (?P<sign><=|>=|==|!=|<|>|\(|\)|,)
    )""",
    re.VERBOSE,
)


def parse_where(text: str) -> Where:
    """Parse conditions such as `phenotype == 'mitotic' and area > 50`.

    A condition is a column, one of == != < <= > >=, and a number, a text in quotes, true or false;
    or a column, `in`, and several of these in parentheses. Conditions are joined by `and`. A
    column whose name is not a word stands in backticks. A quote in a text is doubled. Raises
    UserError for anything else.
    """
    parser = _Parser(text)
    if not parser.tokens:
        return ()
    conditions = [parser.condition()]
    while parser.accept("word", "and"):
        conditions.append(parser.condition())
    if parser.tokens:
        raise parser.error()
    return tuple(conditions)


class _Parser:
    """The tokens that are left of a text, each with its kind."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            if found is None:
                raise self.error(text[place:].strip())
            kind = str(found.lastgroup)
            self.tokens.append((kind, found[kind]))
            place = found.end()

    def error(self, where: str | None = None) -> UserError:
        if where is None:
            where = self.tokens[0][1] if self.tokens else "the end"
        return UserError(
            f"cannot read the condition {self.text!r} at {where[:40]!r}; write one such as"
            " \"phenotype == 'mitotic' and area > 50\""
        )

    def accept(self, kind: str, value: str) -> bool:
        """Take the next token if it is this one, in any case of letters."""
        if self.tokens and self.tokens[0][0] == kind and self.tokens[0][1].lower() == value:
            del self.tokens[0]
            return True
        return False

    def condition(self) -> Condition:
        column = self._column()
        if self.accept("word", "in"):
            return Condition(column, "in", self._several())
        for op in OPERATORS:
            if self.accept("sign", op):
                return Condition(column, op, self._value())
        raise self.error()

    def _column(self) -> str:
        if self.tokens and self.tokens[0][0] in ("word", "quoted"):
            kind, name = self.tokens.pop(0)
            return name if kind == "word" else name.replace("``", "`")
        raise self.error()

    def _several(self) -> tuple[int | float | str | bool, ...]:
        if not self.accept("sign", "("):
            raise self.error()
        values = [self._value()]
        while self.accept("sign", ","):
            values.append(self._value())
        if not self.accept("sign", ")"):
            raise self.error()
        return tuple(values)

    def _value(self) -> int | float | str | bool:
        for word in ("true", "false"):
            if self.accept("word", word):
                return word == "true"
        if not self.tokens or self.tokens[0][0] not in ("number", "text"):
            raise self.error()
        kind, value = self.tokens.pop(0)
        if kind == "text":
            quote = value[0]
            return value[1:-1].replace(quote * 2, quote)
        return float(value) if set(value) & set(".eE") else int(value)
