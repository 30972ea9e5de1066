"""The command `platebench report`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from platebench.commands.answer import answer_lines, print_answer
from platebench.commands.shared import Results, console, say, tell
from platebench.errors import UserError

if TYPE_CHECKING:
    from platebench.results.records import RunInfo


class Format(StrEnum):
    """Output format of a report."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"


def report_command(
    output: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.table,
    results: Results = None,
    machine: Annotated[str | None, typer.Option(help="Show only runs of this machine.")] = None,
) -> None:
    """Show the newest run: the answer in ten lines, then a row per cell.

    The kept reference: platebench report --results results
    """
    from platebench.results import report as reports
    from platebench.results.records import record_files
    from platebench.results.tidy import tidy
    from platebench.running.places import own_results

    folder = own_results(results)
    files = [file for file in record_files(folder, machine) if file.info().is_run]
    if not files:
        reference = "" if results else "; the kept reference: platebench report --results results"
        raise UserError(f"{folder}: no results yet; 'platebench run' makes them{reference}")
    info = files[-1].info()
    _say_whose(info.machine, machine)
    cells, finished = tidy(files[-1]), files[-1].finished
    if output is Format.table:
        _say_conditions(info)
        print_answer(cells, info)
        say("")
        console.print(reports.as_tables(cells, finished))
    elif output is Format.markdown:
        lines = "\n".join(answer_lines(cells, info))
        sys.stdout.write(f"```\n{lines}\n```\n\n{reports.as_markdown(cells, finished)}\n")
    else:
        writers = {"json": reports.as_json, "csv": reports.as_csv}
        sys.stdout.write(writers[output.value](cells) + "\n")


def _say_whose(measured: str, asked: str | None) -> None:
    """Say so when results are from another machine than this one, unless --machine named it."""
    from platebench.running.machine_facts import this_machine

    here = this_machine()["machine"]
    if asked is None and measured != here:
        tell(f"These results are from the machine {measured}; this one is {here}.")


def _say_conditions(info: RunInfo) -> None:
    """Print the machine's state at the start of the run, and which libraries were not the newest.

    Runs from before these were recorded have nothing to print.
    """
    from platebench.running.machine_facts import busy, one_line
    from platebench.running.newest import newer_releases

    if info.machine_facts is None:
        return
    lines = (one_line(info.machine_facts), busy(info.machine_facts))
    for line in filter(None, (*lines, newer_releases(info.libraries, info.newest))):
        say(line)
