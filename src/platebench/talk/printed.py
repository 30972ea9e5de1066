"""Format outcomes for a terminal with 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from platebench.talk.outcome import ANY, Outcome, Talk


def as_lines(outcome: Outcome) -> RenderableType:
    """Format one step: calls, what happened in 2024, what happens now, and expectations."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=6, style="dim")
    grid.add_column(overflow="fold")
    for label, text in _labelled(outcome):
        grid.add_row(label, text)
    heading = Text(f"{outcome.step}  {outcome.title}", style="bold")
    return Group(heading, grid, "")


def _labelled(outcome: Outcome) -> Iterator[tuple[str, Text]]:
    yield "call", Text(outcome.calls)
    yield "2024", Text(outcome.then)
    for number, line in enumerate(outcome.now):
        yield "" if number else "now", Text(line)
    for each in outcome.expected:
        versions = "" if each.versions == ANY else f" ({each.versions})"
        if each.holds:
            yield "holds", Text(f"{each.statement}{versions}", style="green")
        else:
            yield "FAILS", Text(f"does not hold: {each.statement}{versions}", style="bold red")


def as_versions(libraries: Mapping[str, str]) -> Text:
    """Format library versions in one line."""
    return Text(", ".join(f"{name} {version}" for name, version in libraries.items()))


def failures(talk: Talk) -> list[str]:
    """Return the expectations that did not hold, with their steps."""
    return [
        f"step {outcome.step}: {each.statement} ({each.versions})"
        for outcome in talk.outcomes
        for each in outcome.expected
        if not each.holds
    ]
