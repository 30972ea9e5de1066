"""The command `platebench run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from platebench.commands.shared import (
    Results,
    console,
    errors,
    exit_by,
    say_where,
    share,
    split,
    split_images,
)


def run_command(
    stores: Annotated[
        str | None,
        typer.Option(help="Formats, stores or patterns, separated by commas. Default: all."),
    ] = None,
    images: Annotated[
        str,
        typer.Option(help="Number of generated images, ic-N, or your folder; separated by commas."),
    ] = "64",
    operations: Annotated[
        str | None, typer.Option(help="Operations, separated by commas. Default: all.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Number of passes over all cells.")] = 1,
    until: Annotated[
        str | None, typer.Option(help="Add rounds until all intervals are this narrow, such as 5%.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="With --until: add no rounds after this time.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the same run where it was interrupted.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="One sample per cell and fewer details: a first look.")
    ] = False,
    newcomer: Annotated[
        bool,
        typer.Option("--newcomer", help="An overview: each format without the tuning small."),
    ] = False,
    check_newest: Annotated[
        bool,
        typer.Option(
            "--check-newest", help="Ask the package index for newer releases, and record them."
        ),
    ] = False,
    results: Results = None,
) -> None:
    """Measure, and print the table.

    Each cell is saved as soon as it is measured, so an interrupted run loses nothing.
    """
    from platebench.results import report as reports
    from platebench.results.tidy import tidy
    from platebench.running.checkout import find_checkout
    from platebench.running.places import own_results
    from platebench.running.progress import RunBar
    from platebench.running.run import Settings, measure, newcomer_stores, stores_to_measure

    checkout = find_checkout(Path.cwd())
    settings = Settings(
        stores=newcomer_stores() if newcomer else stores_to_measure(split(stores) or ["*"]),
        images=split_images(images),
        operations=split(operations),
        rounds=rounds,
        quick=quick,
        newcomer=newcomer,
        until=None if until is None else share(until),
        minutes=minutes,
        resume=resume,
        check_newest=check_newest,
    )
    with RunBar(errors) as bar:
        file = measure(checkout, own_results(results), settings, bar)
    cells = tidy(file)
    console.print(reports.as_tables(cells))
    say_where(file.file)
    exit_by(cells)
