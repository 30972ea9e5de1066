"""The table of `platebench calibrate floor`, for the terminal and as docs/floor.md."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.table import Table

from platebench.limits import gigabytes
from platebench.running.floor_calibration import CHOSEN, Calibration, Row
from platebench.running.machine_facts import busy, one_line
from platebench.stores.floor import variants

HEADS = ("operation", "way", "ms", "CPU ms", "ratio", "95% interval")


def as_table(calibration: Calibration) -> Table:
    """Return the table for the terminal. Chosen ways are bold."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in HEADS:
        table.add_column(head, justify="left" if head in HEADS[:2] else "right")
    for operation, rows in calibration.rows.items():
        for number, row in enumerate(rows):
            cells = (operation if number == 0 else "", *_cells(row))
            table.add_row(*cells, style="bold" if row.chosen else "")
    return table


def as_markdown(calibration: Calibration, facts: Mapping[str, Any], command: str) -> str:
    """Return docs/floor.md: what was measured where, each operation's table, and each way."""
    lines = [
        "# The floor: the quickest known way to read and write one file",
        "",
        "The floor is the least that any format could take on a machine. So each operation is done"
        " in the quickest way that is known for one file. This table shows how that was chosen."
        f" It was made by `{command}`, which chooses again on your machine and disk.",
        "",
        f"- Disk: {one_line(facts)}.",
        f"- Linux {facts['kernel']}, Python {platform.python_version()}, NumPy {np.__version__}.",
        f"- Images: `{calibration.images}`, {calibration.image_count} images,"
        f" {gigabytes(calibration.pixel_bytes)}.",
        f"- {calibration.passes} passes over all ways in one process, each pass in another random"
        " order. Before that, what each way wrote and read was compared with the images' digests.",
    ]
    if warning := busy(facts):
        lines.append(f"- {warning.capitalize()}.")
    left_out = calibration.left_out.items()
    lines += [f"- Left out: {kind} `{way}`, {reason}." for (kind, way), reason in left_out]
    lines += [
        "",
        "A time is the median of a pass, pooled over the passes, in milliseconds. A read opens the"
        " file, reads into page-aligned memory and closes it. A write ends with fsync of the file"
        " and its folder. For a cold read, the file leaves the page cache first, and mincore"
        " confirms it. The ratio is to the quickest way, with a 95% interval for a repeat run. The"
        " chosen way is bold; the way of a take is the quickest over 1 and 16 rows together.",
        "",
        f"A store is not told whether it reads warm or cold. So the floor looks: the row *{CHOSEN}*"
        " is the whole store, timed beside the chosen way, and its ratio is to that way.",
    ]
    for operation, rows in calibration.rows.items():
        lines += ["", f"## {operation.capitalize()}", "", _line(HEADS[1:]), "|---|--:|--:|--:|--:|"]
        lines += [_line(_marked(row)) for row in rows]
    lines += ["", "## The ways", ""]
    for title, ways in (("Writing", variants.WRITERS), ("Reading", variants.READERS)):
        lines += [f"{title}:", ""]
        lines += [f"- `{name}`: {variants.says(way)}" for name, way in ways.items()]
        lines.append("")
    lines += [f"The choice: `{calibration.choice}`", ""]
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    low, high = row.ratio.low, row.ratio.high
    interval = "" if low is None or high is None or low == high else f"{low:.2f} to {high:.2f}"
    ms, cpu_ms = 1000 * row.wall.estimate, 1000 * row.cpu_s
    return row.variant, f"{ms:.2f}", f"{cpu_ms:.2f}", f"{row.ratio.estimate:.2f}", interval


def _marked(row: Row) -> tuple[str, ...]:
    way, *rest = _cells(row)
    shown = f"*{way}*" if way == CHOSEN else f"`{way}`"
    return (f"**{shown}**" if row.chosen else shown), *rest


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
