"""Parse conditions from text, for the command line."""

from __future__ import annotations

import re

from platebench.errors import UserError
from platebench.stores.condition import OPERATORS, Condition, Where

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
