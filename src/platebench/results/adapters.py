"""Adapters against direct calls: ratios of neighbouring samples, and their table.

A cell is one operation of one store. Of its direct calls the one with the lowest median is the
best; choosing it after the measurement makes the ratio a little too high, not too low.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from platebench.results.turn_ratio import CONFIDENCE, turn_ratio
from platebench.stores.name import StoreName

LIMIT = 1.05
"""The highest ratio that needs no reason."""


@dataclass(frozen=True)
class AdapterCell:
    """One operation of one store, and the best direct call for it.

    `ratio` is the median over turns of the adapter's time divided by the call's; `low` to `high` is
    its interval. `reason` says why the adapter may be slower, or is empty.
    """

    store: StoreName
    operation: str
    adapter_ms: float
    call: str
    call_ms: float
    ratio: float
    low: float
    high: float
    turns: int
    reason: str = ""

    @property
    def interval(self) -> str:
        """The interval as text."""
        return f"{self.low:.2f} to {self.high:.2f}"

    @property
    def slower(self) -> bool:
        """True if the adapter is slower by more than the limit beyond doubt."""
        return self.low > LIMIT

    @property
    def unexplained(self) -> bool:
        """True if the adapter is slower and no reason is given."""
        return self.slower and not self.reason


@dataclass(frozen=True)
class AdapterFacts:
    """What the cells of one table have in common."""

    images: int
    seconds: float
    python: str
    libraries: Mapping[str, str]
    cpu: str
    disk: str


def adapter_cell(
    store: StoreName,
    operation: str,
    adapter: Sequence[float],
    direct: Mapping[str, Sequence[float]],
    reason: str = "",
) -> AdapterCell:
    """Return the cell of these seconds, one per turn."""
    call = min(direct, key=lambda name: statistics.median(direct[name]))
    ratio = turn_ratio(adapter, direct[call])
    return AdapterCell(
        store,
        operation,
        1e3 * statistics.median(adapter),
        call,
        1e3 * statistics.median(direct[call]),
        ratio.estimate,
        ratio.low,
        ratio.high,
        ratio.turns,
        reason,
    )


def as_markdown(cells: Sequence[AdapterCell], facts: AdapterFacts, command: str) -> str:
    """Return the page: how it was measured, the table, and the reasons."""
    libraries = ", ".join(f"{name} {version}" for name, version in facts.libraries.items())
    slower = [cell for cell in cells if cell.slower]
    lines = [
        "# Adapters against direct calls",
        "",
        f"Each store's operations beside the best direct calls known of its library: {len(cells)}"
        f" cells, {len(slower)} of them slower than {LIMIT} beyond doubt, each with its reason or"
        " marked. Adapter and direct calls take turns in one process, in random order, without"
        " garbage collection; what each reads is compared with the images before it is timed. The"
        " ratio is the median over turns, with the interval of order statistics"
        f" ({CONFIDENCE:.0%}). Direct calls are in `src/platebench/stores/direct/`.",
        "",
        f"    {command}",
        "",
        f"{facts.images} generated images of 1024 x 1344 uint8. {facts.cpu}; {facts.disk}."
        f" Python {facts.python}, {libraries}.",
        "",
        "| store | operation | ms | best direct call | its ms | ratio | interval | reason |",
        "|---|---|--:|---|--:|--:|---|---|",
        *(_line(cell) for cell in cells),
    ]
    return "\n".join(lines) + "\n"


def _line(cell: AdapterCell) -> str:
    reason = (cell.reason or "**none given**") if cell.slower else ""
    return (
        f"| {cell.store} | {cell.operation} | {cell.adapter_ms:.3g} | {cell.call} |"
        f" {cell.call_ms:.3g} | {cell.ratio:.2f} | {cell.interval} | {reason} |"
    )


def as_record(cells: Sequence[AdapterCell], facts: AdapterFacts) -> dict[str, Any]:
    """Return the cells and their facts as a JSON-compatible dict."""
    rows = [{**asdict(cell), "store": str(cell.store)} for cell in cells]
    return {"facts": asdict(facts), "cells": rows}


def from_record(record: Mapping[str, Any], facts: AdapterFacts) -> list[AdapterCell]:
    """Return the cells of a record, none if they were measured under other facts.

    A library that was not installed then does not count, nor does how long a cell was measured.
    """
    then = dict(record.get("facts") or {})
    libraries = dict(then.pop("libraries", {}))
    now = asdict(facts)
    same = all(now["libraries"].get(name) == version for name, version in libraries.items())
    for each in ("libraries", "seconds"):
        now.pop(each)
        then.pop(each, None)
    if not same or then != now:
        return []
    return [
        AdapterCell(**{**cell, "store": StoreName.parse(cell["store"])}) for cell in record["cells"]
    ]
