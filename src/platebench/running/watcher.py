"""What a measurement tells of its progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from platebench.results.measurement import CellName, Measurement
from platebench.running.groups import Group


class Watcher(Protocol):
    """Shows the progress of a run."""

    def starts(self, facts: Mapping[str, Any]) -> None:
        """Show the machine's state at the start of a run."""

    def preparing(self, what: str, done: int, total: int) -> None:
        """Show what is prepared before the first cell."""

    def begins(self, number: int, cells: int, cell: CellName) -> None:
        """Show that cell `number` of `cells` is measured now."""

    def measures(self, number: int, groups: int, group: Group) -> None:
        """Show that group `number` of `groups` is measured now."""

    def ended(self, run: Measurement) -> None:
        """Show how a cell ended."""

    def says(self, line: str) -> None:
        """Print a message."""
