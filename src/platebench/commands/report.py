"""The command `platebench report`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from platebench.commands.answer import answer_lines, print_answer, program
from platebench.commands.shared import Results, console, say, tell
from platebench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from platebench.results.records import RunInfo
    from platebench.results.tidy import CellResult


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
    images: Annotated[
        str | None,
        typer.Option(help="Image set to choose on, such as raw16-64. Default: that of the answer."),
    ] = None,
    reads: Annotated[
        float | None, typer.Option(help="Of 100 images used, those read in order. Default: 80.")
    ] = None,
    random: Annotated[
        float | None, typer.Option(help="Those read at random, one here and there. Default: 15.")
    ] = None,
    crops: Annotated[
        float | None, typer.Option(help="Those of which a part is read. Default: 0.")
    ] = None,
    parallel: Annotated[
        float | None,
        typer.Option(help="Those read at random by two processes at once. Default: 0."),
    ] = None,
    writes: Annotated[float | None, typer.Option(help="Those written. Default: 5.")] = None,
    versions: Annotated[
        bool, typer.Option("--versions", help="Earlier states must stay readable.")
    ] = False,
    growth: Annotated[
        bool,
        typer.Option(
            "--growth", help="Show how times, memory and bytes grow with the size of the image set."
        ),
    ] = False,
    size: Annotated[
        str | None,
        typer.Option(help="Pixels to keep in all, such as 5TB. Default: those measured."),
    ] = None,
) -> None:
    """Show the newest run: the answer in ten lines, then a row per cell.

    With --size, --versions or shares of use, it chooses three stores for these needs in place of
    that, as 'platebench advise' does for your own images. The kept reference: --results results

    With --growth, it shows exponents, fitted to runs with three or more sizes of image set.
    """
    wanted = {
        "reads": reads,
        "random": random,
        "crops": crops,
        "parallel": parallel,
        "writes": writes,
    }
    shares = {name: share for name, share in wanted.items() if share is not None}
    choosing = bool(shares or versions or size or images)
    if choosing and growth:
        raise UserError("--growth: this is about all stores; leave it out to choose stores")
    if choosing and output is not Format.table:
        raise UserError(
            f"--format {output.value}: this is for the table; leave it out to choose stores"
        )
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
    if growth:
        _show_growth(cells, output)
    elif choosing:
        _say_conditions(info)
        _say_choice(cells, shares, versions, size, images)
    elif output is Format.table:
        _say_conditions(info)
        print_answer(cells, info)
        say("")
        console.print(reports.as_tables(cells, finished))
        _say_growth(cells)
    elif output is Format.markdown:
        lines = "\n".join(answer_lines(cells, info))
        sys.stdout.write(f"```\n{lines}\n```\n\n{reports.as_markdown(cells, finished)}\n")
    else:
        writers = {"json": reports.as_json, "csv": reports.as_csv}
        sys.stdout.write(writers[output.value](cells) + "\n")


def _say_growth(cells: Sequence[CellResult]) -> None:
    """Name the table of exponents if the run has enough sizes of image set."""
    from platebench.results.growth import growth_of

    if growth_of(cells):
        say(f"Growth with the number of images: {program()} report --growth")


def _show_growth(cells: Sequence[CellResult], output: Format) -> None:
    """Print the exponents. Raises UserError if there are too few sizes of image set."""
    from platebench.results import growth

    grown = growth.growth_of(cells)
    if not grown:
        raise UserError(growth.NOTHING)
    if output is Format.table:
        console.print(growth.as_tables(grown))
    elif output is Format.markdown:
        sys.stdout.write(growth.as_markdown(grown))
    else:
        written = growth.as_json(grown) if output is Format.json else growth.as_csv(grown)
        sys.stdout.write(written + "\n")


def _say_choice(
    cells: Sequence[CellResult],
    shares: Mapping[str, float],
    versions: bool,
    size: str | None,
    images: str | None,
) -> None:
    """Print the three stores for these needs, from the cells of one image set."""
    from platebench.results.advice import Basis, sample_of
    from platebench.results.advice_lines import Asked, advice_lines, ties_in_words
    from platebench.results.needs import Needs, bytes_of
    from platebench.results.prices import read_prices
    from platebench.results.questions import headline_image_set, image_sets_in, of_image_set

    needs = Needs(**shares, versions=versions, pixel_bytes=None if size is None else bytes_of(size))
    name = images or headline_image_set(cells)
    if name is None or name not in image_sets_in(cells):
        measured = ", ".join(image_sets_in(cells))
        raise UserError(f"--images {name}: not in this run, which measured {measured}")
    basis = Basis(of_image_set(cells, name))
    source = sample_of(cells, name, needs.pixel_bytes)
    for line in ties_in_words(basis.decide(needs).choices):
        tell(line)
    asked = Asked(needs, "DIR", source.sampled, read_prices()[0], program())
    for line in advice_lines(basis, source, asked):
        say(line)


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
