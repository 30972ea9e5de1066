"""Format findings for a terminal with 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from platebench.findings.finding import Fact, Finding
from platebench.findings.run import FindingRun


def as_list(findings: Sequence[Finding]) -> RenderableType:
    """List findings by kind, each with name, libraries and title."""
    parts: list[RenderableType] = []
    for kind, alike in groupby(findings, key=lambda finding: finding.kind):
        parts.append(Text(kind.value, style="bold"))
        for finding in alike:
            libraries = ", ".join(finding.libraries)
            parts.append(Text.assemble("  ", finding.name, (f"  ({libraries})", "dim")))
            parts.append(Padding(finding.title, (0, 0, 0, 4)))
        parts.append("")
    return Group(*parts)


def as_lines(run: FindingRun) -> RenderableType:
    """Format one run of a finding: calls, facts, and whether the finding still holds.

    The caller prints `command` separately, in one line that can be copied.
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=8, style="dim")
    grid.add_column(overflow="fold")
    for label, text in _labelled(run):
        grid.add_row(label, text)
    heading = Text.assemble((run.finding.name, "bold"), f"  {run.finding.title}")
    return Group(heading, grid)


def as_text(fact: Fact) -> str:
    """Format a fact: integers with thousands separators, lists in brackets."""
    return f"{fact:,}" if isinstance(fact, int) else str(fact)


def _labelled(run: FindingRun) -> Iterator[tuple[str, Text]]:
    finding = run.finding
    yield "what", Text(finding.happens)
    yield "instead", Text(finding.instead)
    yield "with", Text(", ".join(f"{name} {version}" for name, version in run.versions.items()))
    for source in finding.sources:
        yield "see", Text(f"{source.says}, {source.address}")
    if finding.show:
        yield "done", Text(finding.done)
    for number, (name, fact) in enumerate(run.facts.items()):
        yield "" if number else "seen", Text(f"{name}: {as_text(fact)}")
    if run.holds is None:
        yield "not run", Text(run.why_not)
    elif run.holds:
        yield "holds", Text("reproduced here", style="green")
    else:
        yield "FAILS", Text("not reproduced here", style="bold red")
