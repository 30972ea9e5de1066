"""Tables that fit a terminal of any width: whole columns go, names are broken at their colons."""

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
    """A title, the rows below it, and what is said below those."""

    title: Text
    rows: Sequence[Row]
    below: Sequence[RenderableType] = ()


@dataclass(frozen=True)
class FittedTables:
    """Tables with the same columns, of which the first is a store's name.

    Where the terminal is too narrow the columns in `least` are left out of all tables, in that
    order, and a line says which. When those are gone, the first column and the last are broken
    over lines.
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
            yield Text(f"Left out for want of width: {', '.join(left_out)}.", "dim")

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
        """Return the width of the store's column: what the others leave it, or its longest part."""
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
    """Return a store's name in the parts between which a line may end."""
    return [part for part in name.replace(":", ":\0").split("\0") if part]


def _broken(name: str, width: int) -> str:
    """Return a store's name with line ends after colons where it is wider than `width`."""
    lines = [""]
    for part in _parts(name):
        if lines[-1] and cell_len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
