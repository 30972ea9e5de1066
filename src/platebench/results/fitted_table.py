"""Tables for terminals of any width: columns are left out, names break at their colons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

Row = Sequence[str | Text]

_GAP = 1


@dataclass(frozen=True)
class Titled:
    """A title, rows, and text below them."""

    title: Text
    rows: Sequence[Row]
    below: Sequence[RenderableType] = ()


@dataclass(frozen=True)
class FittedTables:
    """Tables with the same columns; the first column has the stores' names.

    In a narrow terminal the columns in `least` are left out of all tables, in that order, and a
    line names them. If that is not enough, the first and the last column break into lines.
    """

    heads: Sequence[str]
    tables: Sequence[Titled]
    least: Sequence[str] = field(default=())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = self._shown(options.max_width)
        first = self._first_width(shown, options.max_width)
        for each in self.tables:
            yield Group(each.title, self._table(each.rows, shown, first), *each.below)
        left_out = [head for head in self.heads if head not in shown]
        if left_out and self.tables:
            yield Text(f"Left out, the terminal is too narrow: {', '.join(left_out)}.", "dim")

    def _shown(self, width: int) -> list[str]:
        shown = list(self.heads)
        for head in self.least:
            if self._width(shown) <= width:
                break
            shown.remove(head)
        return shown

    def _width(self, heads: Sequence[str]) -> int:
        return sum(self._widest(head) + _GAP for head in heads)

    def _widest(self, head: str) -> int:
        place = self.heads.index(head)
        fields = [row[place] for each in self.tables for row in each.rows]
        lines = [line for each in fields for line in str(each).splitlines()]
        return max(map(cell_len, [head, *lines]))

    def _first_width(self, shown: Sequence[str], width: int) -> int:
        """Return the width of the first column: what the others leave, or its longest part."""
        names = [str(row[0]) for each in self.tables for row in each.rows]
        longest = max((cell_len(part) for name in names for part in _parts(name)), default=0)
        left = width - _GAP - self._width(shown[1:])
        return min(self._widest(self.heads[0]), max(left, longest, cell_len(self.heads[0])))

    def _table(self, rows: Sequence[Row], shown: Sequence[str], first: int) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
        places = [self.heads.index(head) for head in shown]
        for place, head in zip(places, shown, strict=True):
            ends = place in (0, len(self.heads) - 1)
            is_text = any(isinstance(row[place], Text) for row in rows)
            table.add_column(
                head,
                justify="left" if place == 0 or is_text else "right",
                no_wrap=not ends,
                overflow="fold",
                min_width=first if place == 0 else None,
            )
        for row in rows:
            table.add_row(_broken(str(row[0]), first), *(row[place] for place in places[1:]))
        return table


def _parts(name: str) -> list[str]:
    """Return the parts of a store's name, between which a line may break."""
    return [part for part in name.replace(":", ":\0").split("\0") if part]


def _broken(name: str, width: int) -> str:
    """Return a store's name with line breaks after colons if it is wider than `width`."""
    lines = [""]
    for part in _parts(name):
        if lines[-1] and cell_len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
