"""Print a comparison: ratios with intervals, verdicts, and changes of size on disk."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from platebench.results.fitted_table import FittedTables, Titled
from platebench.results.measurement import CellName
from platebench.results.operations import OPERATIONS
from platebench.results.report import figure
from platebench.results.verdicts import Judgement, Plan, Verdict
from platebench.running.arms import Arm
from platebench.running.compare import Comparison, stored_sizes

SIZE_CHANGE = 0.005
"""Sizes do not vary from run to run. Smaller changes than this are not shown."""

COLUMNS = ("store", "ratio", "95% interval", "rounds", "verdict")
LEAST = ("rounds", "95% interval")
"""Columns that are left out on a narrow terminal, in this order."""

_STYLES = {
    Verdict.SLOWER: "red",
    Verdict.FASTER: "green",
    Verdict.FAILED_ON_ONE_SIDE: "red",
    Verdict.UNDECIDED: "yellow",
}


class Line(NamedTuple):
    """A cell of a comparison as text."""

    operation: str
    store: str
    ratio: str
    interval: str
    rounds: str
    verdict: Verdict


def heading(comparison: Comparison, arm: int) -> str:
    """Return which arms are compared."""
    return f"{_told(comparison.arms[arm])} against {_told(comparison.arms[0])}"


def _told(arm: Arm) -> str:
    """Return an arm's name and commit. Spaces let a name of many pins wrap."""
    name = ", ".join(part.strip() for part in arm.name.split(","))
    return f"{name} ({arm.commit.name[:8]}{'+changes' if arm.commit.changed else ''})"


def lines(judgements: dict[CellName, Judgement]) -> list[Line]:
    """Return one line per cell, ordered by operation, then by cell."""
    order = list(OPERATIONS)
    cells = sorted(
        judgements, key=lambda cell: (order.index(cell.kind), cell.images, cell.details, cell.store)
    )
    return [_line(cell, judgements[cell]) for cell in cells]


def as_tables(comparison: Comparison, plan: Plan) -> RenderableType:
    """Return the verdicts on each arm for a terminal of 40 columns or more."""
    parts: list[RenderableType] = []
    for arm, judgements in enumerate(comparison.judgements, start=1):
        parts += [Text(heading(comparison, arm), "bold"), ""]
        tables = [
            Titled(Text(operation), [_row(line) for line in group], [Text()])
            for operation, group in groupby(lines(judgements), lambda line: line.operation)
        ]
        parts.append(FittedTables(COLUMNS, tables, LEAST))
        parts += _sizes(comparison, arm)
        parts.append(Text(summary(judgements, plan)))
    return Group(*parts)


def as_markdown(comparison: Comparison, plan: Plan) -> str:
    """Return a summary for a pull request: changed cells, and the number of all others."""
    parts = []
    for arm, judgements in enumerate(comparison.judgements, start=1):
        told = [
            line
            for line in lines(judgements)
            if line.verdict not in (Verdict.SAME, Verdict.NOT_MEASURED)
        ]
        parts += [f"### {heading(comparison, arm)}", "", summary(judgements, plan), ""]
        if told:
            parts += [
                "| operation | store | ratio | 95% interval | verdict |",
                "|---|---|---|---|---|",
            ]
            parts += [
                f"| {line.operation} | {line.store} | {line.ratio} | {line.interval}"
                f" | {line.verdict.value} |"
                for line in told
            ]
            parts.append("")
        parts += [f"- {change}" for change in _size_changes(comparison, arm)]
    return "\n".join(parts) + "\n"


def summary(judgements: dict[CellName, Judgement], plan: Plan) -> str:
    """Return the number of cells per verdict, and what the words mean."""
    counts = Counter(judgement.verdict for judgement in judgements.values())
    told = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
    return (
        f"{told}. Above 1 is slower. Same means within {plan.threshold:.0%}; the interval is"
        " the 95% interval for a repeat run."
    )


def _line(cell: CellName, judgement: Judgement) -> Line:
    operation = OPERATIONS[cell.kind]
    store = str(cell.store)
    title = ", ".join([operation.name, *cell.details, operation.cache, cell.images])
    ratio = judgement.ratio
    if ratio is None:
        return Line(title, store, "", "", "", judgement.verdict)
    known = ratio.low is not None and ratio.high is not None
    interval = f"{figure(ratio.low)} to {figure(ratio.high)}" if known else ""
    return Line(
        title, store, figure(ratio.estimate), interval, str(ratio.rounds), judgement.verdict
    )


def _row(line: Line) -> list[str | Text]:
    verdict = Text(line.verdict.value, _STYLES.get(line.verdict, ""))
    return [line.store, line.ratio, line.interval, line.rounds, verdict]


def _sizes(comparison: Comparison, arm: int) -> list[RenderableType]:
    changes = _size_changes(comparison, arm)
    return [Text("bytes on disk"), *map(Text, changes), ""] if changes else []


def _size_changes(comparison: Comparison, arm: int) -> list[str]:
    """Return a sentence for each store whose size changed."""
    before, after = stored_sizes(comparison.files[0]), stored_sizes(comparison.files[arm])
    return [
        f"{store}, {images}: {figure(after[store, images])} bytes per pixel byte; before"
        f" {figure(before[store, images])}"
        for store, images in sorted(before.keys() & after.keys())
        if abs(after[store, images] / before[store, images] - 1) > SIZE_CHANGE
    ]
