"""How commands print the answer of a run: ten lines, and the whole table in a file."""

from __future__ import annotations

import io
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from platebench.commands.shared import say

if TYPE_CHECKING:
    from platebench.results.records import RecordFile, RunInfo
    from platebench.results.tidy import CellResult

TABLE_WIDTH = 140
"""Columns of the table in a file, which is not bound to the terminal's width."""


def print_answer(cells: Sequence[CellResult], info: RunInfo, source: str = "") -> None:
    """Print the answer of a run. `source` is what the user gave to `--images`, if it is known."""
    say("")
    for line in answer_lines(cells, info, source):
        say(line)


def answer_lines(cells: Sequence[CellResult], info: RunInfo, source: str = "") -> list[str]:
    """Return the answer of a run in at most ten lines."""
    from platebench.results.ten_lines import Context, ten_lines

    quoted = shlex.quote(source) if source else ""
    return ten_lines(cells, Context(quoted, samples_of(info), program()))


def samples_of(info: RunInfo) -> dict[str, int]:
    """Return the image sets of a run that are samples, with the number of images in all.

    Runs of older versions measured no samples.
    """
    samples = info.settings.get("samples")
    if not isinstance(samples, dict):
        return {}
    return {str(name): count for name, count in samples.items() if isinstance(count, int)}


def table_file(file: RecordFile, cells: Sequence[CellResult]) -> None:
    """Write the whole table beside the records of a run, and say where."""
    from platebench.atomic_files import write_whole
    from platebench.results import report as reports
    from platebench.results.records import SUFFIX
    from platebench.running.places import shown

    target = file.file.with_name(file.file.name.removesuffix(SUFFIX) + ".table.txt")
    sink = io.StringIO()
    Console(file=sink, width=TABLE_WIDTH).print(reports.as_tables(cells, file.finished))
    write_whole(target, sink.getvalue())
    say(f"Whole table: {program()} report, or {shown(target)}")


def program() -> str:
    """Return how the user's shell starts platebench."""
    started = Path(sys.argv[0])
    found = shutil.which("platebench")
    if started.name != "platebench":
        return "platebench" if found else f"{Path(sys.executable).name} -m platebench"
    if found and Path(found).resolve() == started.resolve():
        return "platebench"
    return sys.argv[0]


def resume_command() -> str:
    """Return the command that continues the run that this process was started for."""
    given = [word for word in sys.argv[1:] if word != "--resume"]
    return f"{program()} {shlex.join([*given, '--resume'])}"
