"""A condition on the rows of a table: one column, an operator and a value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

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
        kinds = {kind_of(value) for value in self.values}
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


def columns_of(where: Where) -> list[str]:
    """Return the columns that are compared, each once."""
    return list(dict.fromkeys(condition.column for condition in where))


def kind_of(value: Any) -> str | None:
    """Return bool, number or str; None for a value that no condition has."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return None if isinstance(value, float) and math.isnan(value) else "number"
    if isinstance(value, str):
        return None if "\0" in value or not _is_utf8(value) else "str"
    return None


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in text)
