"""Which image set a cell was measured on, and which of them a page shows first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from platebench.results.tidy import CellResult
from platebench.timing.workspace import generated


def set_of(cell: CellResult) -> str:
    """Return the image set's name: `raw-32` for a generated one, or the name of a held folder."""
    name = f"{cell.profile}-{cell.images}"
    return name if generated(name) else cell.profile


def sets_in(cells: Iterable[CellResult]) -> list[str]:
    """Return the image sets, `raw` before others, the smallest first."""
    found = {set_of(cell): cell for cell in cells}
    return sorted(found, key=lambda name: _place(found[name]))


def main_set(cells: Sequence[CellResult]) -> str | None:
    """Return the `raw` set on which most stores were measured, the largest if there are several.

    Where no generated set was measured, any other by the same rule. None without cells.
    """
    stores: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        stores[set_of(cell)].add(cell.store)
    sizes = {set_of(cell): cell.images or 0 for cell in cells}
    return max(
        sets_in(cells),
        key=lambda name: (name.startswith("raw-"), len(stores[name]), sizes[name]),
        default=None,
    )


def _place(cell: CellResult) -> tuple[bool, str, int]:
    return (cell.profile != "raw", cell.profile, cell.images or 0)
