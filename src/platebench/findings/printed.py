"""Findings as a terminal shows them, in 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from platebench.findings.finding import Fact, Finding
from platebench.findings.run import Shown


def as_list(findings: Sequence[Finding]) -> RenderableType:
    """Return the findings by kind: a name and its libraries, and what it is in a line."""
    parts: list[RenderableType] = []
    for kind, alike in groupby(findings, key=lambda finding: finding.kind):
        parts.append(Text(kind.value, style="bold"))
        for finding in alike:
            libraries = ", ".join(finding.libraries)
            parts.append(Text.assemble("  ", finding.name, (f"  ({libraries})", "dim")))
            parts.append(Padding(finding.title, (0, 0, 0, 4)))
        parts.append("")
    return Group(*parts)


def as_lines(shown: Shown) -> RenderableType:
    """Return one finding: what was done, what came out, and whether it is still so.

    Its `command` is left to be printed beside it, in one line that can be copied.
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=8, style="dim")
    grid.add_column(overflow="fold")
    for label, text in _labelled(shown):
        grid.add_row(label, text)
    heading = Text.assemble((shown.finding.name, "bold"), f"  {shown.finding.title}")
    return Group(heading, grid)


def as_text(fact: Fact) -> str:
    """Return a fact for people: numbers with thousands apart, shapes and rows in brackets."""
    return f"{fact:,}" if isinstance(fact, int) else str(fact)


def _labelled(shown: Shown) -> Iterator[tuple[str, Text]]:
    finding = shown.finding
    yield "what", Text(finding.happens)
    yield "instead", Text(finding.instead)
    yield "with", Text(", ".join(f"{name} {version}" for name, version in shown.versions.items()))
    for source in finding.sources:
        yield "see", Text(f"{source.says}, {source.address}")
    if finding.show:
        yield "done", Text(finding.done)
    for number, (name, fact) in enumerate(shown.facts.items()):
        yield "" if number else "seen", Text(f"{name}: {as_text(fact)}")
    if shown.holds is None:
        yield "not run", Text(shown.why_not)
    elif shown.holds:
        yield "so", Text("still so here", style="green")
    else:
        yield "NOT SO", Text("not so here", style="bold red")
