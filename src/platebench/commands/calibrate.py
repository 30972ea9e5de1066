"""The commands `platebench calibrate ...`: how far figures of this machine can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from platebench.atomic_files import check_output, write_whole
from platebench.commands.shared import (
    FAILED,
    HELP,
    Results,
    console,
    errors,
    say,
    say_where,
)

ROUNDS, CELLS = 16, 40
"""The self-check's defaults. Repeated here so that --help need not import running/selfcheck.py."""

calibrate_app = typer.Typer(
    no_args_is_help=True,
    help="Find out how far figures of this machine can be trusted, and make the tables of docs/.",
    context_settings=HELP,
)


@calibrate_app.command(
    "coverage", epilog="Example: platebench calibrate coverage 20261128T08 20261128T10"
)
def coverage_command(
    first: Annotated[str, typer.Argument(help="A run's file, or the beginning of its name.")],
    second: Annotated[str, typer.Argument(help="A later run of the same plan.")],
    results: Results = None,
) -> None:
    """Count how often a second run's ratios lie inside the first run's intervals.

    From 90 to 97 of 100 are as expected: these are 95% intervals for a repeat run.
    """
    from platebench.results.coverage import coverage, rank_changes
    from platebench.results.tidy import tidy
    from platebench.running.keeping import find_run
    from platebench.running.places import own_results

    folder = own_results(results)
    ours, theirs = (tidy(find_run(name, folder)) for name in (first, second))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("", "ratios", "2nd in 1st", "1st in 2nd", "difference", "half-width"):
        table.add_column(head, justify="left" if not head else "right")
    for found in coverage(ours, theirs):
        shares = (found.second_inside, found.first_inside, found.difference, found.half_width)
        table.add_row(found.cache, f"{found.ratios:,}", *(f"{share:.1%}" for share in shares))
    console.print(table)
    ranks = rank_changes(ours, theirs)
    say(
        f"In {ranks.same_best} of {ranks.tables} tables, the second run's fastest store is the"
        f" first run's, or ties with it. Of {ranks.pairs:,} pairs of stores whose order the first"
        f" run settled, {ranks.reversed_pairs} have the other order in the second."
    )


@calibrate_app.command(
    "selfcheck", epilog="Example: platebench calibrate selfcheck --rounds 6 --cells 10"
)
def selfcheck_command(
    rounds: Annotated[int, typer.Option(min=4, help="Rounds per arm.")] = ROUNDS,
    cells: Annotated[int, typer.Option(min=2, help="Number of cells.")] = CELLS,
    results: Results = None,
) -> None:
    """Measure how small a slowdown this machine can detect (an A/A test).

    Compares this version with itself, and with copies that were slowed down by 10% and 25%. It
    takes about forty minutes; leave the machine idle meanwhile. Repeat the command to continue an
    interrupted self-check. Exit status: 1 if a figure is not as required, 0 otherwise.
    """
    from platebench.running.checkout import find_checkout
    from platebench.running.places import own_results
    from platebench.running.progress import CompareBar
    from platebench.running.selfcheck import selfcheck

    checkout = find_checkout(Path.cwd())
    with CompareBar(errors) as bar:
        found = selfcheck(checkout, own_results(results), rounds, cells, bar)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("", "required", "measured", "of"):
        table.add_column(head, justify="left" if not head else "right")
    for finding in found.findings:
        style = "" if finding.met else "red"
        measured = f"{finding.measured:.1%}"
        table.add_row(finding.what, finding.asked, measured, f"{finding.trials:,}", style=style)
    console.print(table)
    console.print(
        f"{found.cells} cells, {found.rounds} rounds. A cell's median varies between processes by"
        f" {found.process_noise:.1%}, the ratio of two processes measured side by side by"
        f" {found.pair_noise:.1%}."
    )
    raise typer.Exit(0 if found.met else FAILED)


@calibrate_app.command("floor", epilog="Example: platebench calibrate floor --seconds 60")
def floor_command(
    images: Annotated[
        str, typer.Option(help="Number of generated images, 16 or more; or your folder.")
    ] = "128",
    seconds: Annotated[float, typer.Option(min=1, help="Time to measure for.")] = 210.0,
    out: Annotated[
        Path | None, typer.Option(help="Also write the table to this file, as Markdown.")
    ] = None,
) -> None:
    """Find the quickest way to read and write one bare file, and use it as the floor from now on.

    Times every known way on the disk of the work folder, and keeps the quickest of each operation
    there. It takes about four minutes; leave the machine idle meanwhile.
    """
    from platebench.running.checkout import find_checkout
    from platebench.running.floor_calibration import calibrate
    from platebench.running.floor_choice import keep
    from platebench.running.floor_table import as_markdown, as_table
    from platebench.running.image_sets import image_sets
    from platebench.running.machine_facts import machine_facts
    from platebench.running.progress import RunBar
    from platebench.timing.workspace import Workspace

    if out is not None:
        check_output(out)
    workspace = Workspace.of(find_checkout(Path.cwd()))
    with RunBar(errors) as bar, workspace.measuring():
        facts = machine_facts(workspace.root)  # before drawing images, which is load too
        (name,) = image_sets(workspace, [images], bar)
        bar.starts(facts)
        calibration = calibrate(workspace, workspace.images(name), seconds, bar.preparing)
        kept = keep(workspace.root, calibration.choice)
    console.print(as_table(calibration))
    say_where(kept)
    if out is not None:
        command = f"platebench calibrate floor --images {images} --seconds {seconds:g}"
        write_whole(out, as_markdown(calibration, facts, command))
