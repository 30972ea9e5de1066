"""Progress bars: the current step, the number of steps left, and the time left."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from platebench.results.measurement import CellName, Measurement
    from platebench.running.groups import Group


class _Count(MofNCompleteColumn):
    """Shows done and total; nothing while the total is unknown."""

    def render(self, task: Task) -> Text:
        """Return the text for a task."""
        return Text("") if task.total is None else super().render(task)


class Bar:
    """A progress bar on standard error; without a terminal, occasional lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}", table_column=None),
            BarColumn(bar_width=16),
            _Count(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=None)
        self._said = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, what: str, done: int, total: int) -> None:
        """Show the current step and that `done` of `total` are over."""
        self._progress.update(self._task, description=_fitting(what), completed=done, total=total)

    def say(self, line: str) -> None:
        """Print a line above the bar, without immediate repeats."""
        if line != self._said:
            self._said = line
            self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)


class FixtureBar(Bar):
    """Shows the progress of generating images."""

    def update(self, done: int, total: int) -> None:
        """Show the number of images."""
        self.show("drawing images", done, total)


class RunBar(Bar):
    """Shows the group that is measured."""

    def starts(self, facts: Mapping[str, Any]) -> None:
        """Print the state of the machine, and a warning if it is busy."""
        from platebench.running.machine_facts import busy, one_line

        for line in filter(None, (one_line(facts), busy(facts))):
            self.say(line)

    def preparing(self, what: str, done: int, total: int) -> None:
        """Show what is prepared before the first cell."""
        self.show(what, done, total)
        if not self._console.is_terminal and done == total:
            self.say(f"{what}: {total}")

    def measures(self, number: int, groups: int, group: Group) -> None:
        """Show the group; without a terminal, every fifth one."""
        what = f"{group}, {len(group.cells)} stores"
        self.show(what, number - 1, groups)
        if not self._console.is_terminal and number % 5 == 1:
            self.say(f"group {number} of {groups}: {what}")

    def begins(self, number: int, cells: int, cell: CellName) -> None:
        """Do nothing: `CompareBar` shows single cells."""

    def says(self, line: str) -> None:
        """Print a message."""
        self.say(line)

    def ended(self, run: Measurement) -> None:
        """Print a message if the cell failed."""
        if run.status == "failed":
            self.say(f"{run.cell} failed: {run.message}")


class CompareBar(RunBar):
    """Shows the round and the cell that is measured."""

    def begins(self, number: int, cells: int, cell: CellName) -> None:
        """Show the cell and the round."""
        store, _, *details = cell.params
        self.show(f"round {number} {' '.join([cell.kind, store, *details])}", number - 1, cells)


def _fitting(what: str, width: int = 40) -> str:
    return what.ljust(width) if len(what) <= width else what[: width - 1] + "…"
