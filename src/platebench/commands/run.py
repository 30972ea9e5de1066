"""The command `platebench run`."""

from __future__ import annotations

from typing import Annotated

import typer

from platebench.commands.answer import print_answer, resume_command, table_file
from platebench.commands.packaged import Pattern
from platebench.commands.shared import (
    Results,
    errors,
    exit_by,
    say,
    share,
    split,
    split_images,
)

IMAGES = "32"
MINUTES = 5.0
"""The time of a run that is not told how many rounds to measure, or how narrow to get."""

ROUNDS = 2
"""One round leaves every order open."""

INTERRUPTED = 130
"""Exit status after Ctrl-C."""


def run_command(
    images: Annotated[
        str,
        typer.Option(
            help="Your folder, or a number of generated images: 64 or raw-64 (uint8), raw16-64"
            " (uint16), ic-64 (background subtracted), channels-60 (five channels per site),"
            " zstack-64 (8 planes per site), mixed-32 (several shapes), crops-1000 (cells)."
            " Separate several by commas."
        ),
    ] = IMAGES,
    stores: Annotated[
        str | None,
        typer.Option(
            help="Formats, stores or patterns, separated by commas. Default: the tunings fast"
            " and balanced of the main formats; '*:fast' is that of all."
        ),
    ] = None,
    operations: Annotated[
        str | None,
        typer.Option(
            help="Operations, separated by commas, also with cache and details: 'cold take 16"
            " scattered'. Default: those of the answer."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All stores, operations and details; no time limit.")
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0,
            help=f"Stop after this time. Default: {MINUTES:g}, but stores that you name are all"
            " measured once; without limit if --all, --rounds, --until or --quick is given.",
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="Number of passes over all cells. Default: as time allows."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Add rounds until all intervals are this narrow, such as 5%.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="One round with one sample per cell: a first look.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the same run where it was interrupted.")
    ] = False,
    check_newest: Annotated[
        bool,
        typer.Option(
            "--check-newest", help="Ask the package index for newer releases, and record them."
        ),
    ] = False,
    results: Results = None,
    pattern: Pattern = None,
    crops: Annotated[
        bool,
        typer.Option(
            "--crops",
            help="Of your folder, measure cells in place of images: 64 x 64 pixels around each row"
            " of its first table with centres, in all channels.",
        ),
    ] = False,
) -> None:
    """Measure, and print the answer in ten lines.

    Each cell is saved as soon as it is measured, so an interrupted run loses nothing.
    """
    from platebench.results.operations import patterns_of
    from platebench.results.records import RecordFile
    from platebench.results.tidy import tidy
    from platebench.running.places import home, own_results
    from platebench.running.progress import RunBar
    from platebench.running.run import measure
    from platebench.running.settings import Settings, brief_stores, stores_to_measure

    open_end = rounds is None and until is None and not quick
    whole_round = stores is not None and minutes is None
    if minutes is None and open_end and not everything:
        minutes = MINUTES
    named = split(operations)
    patterns = patterns_of(named, brief=not everything)
    overview = brief_stores() if stores is None and not everything else None
    settings = Settings(
        stores=overview or stores_to_measure(split(stores) or ["*"]),
        images=split_images(images),
        operations=[] if patterns else named,
        patterns=patterns,
        rounds=rounds or (1 if quick else ROUNDS),
        quick=quick,
        brief=not everything,
        until=None if until is None else share(until),
        minutes=minutes,
        more=open_end and minutes is not None,
        resume=resume,
        check_newest=check_newest,
        whole_round=whole_round,
        file_pattern=pattern,
        crops=crops,
    )
    begun: list[RecordFile] = []
    stopped = False
    try:
        with RunBar(errors) as bar:
            measure(home(), own_results(results), settings, bar, begun.append)
    except KeyboardInterrupt:
        if not begun or not begun[0].file.exists():
            raise
        stopped = True
    (file,) = begun
    cells = tidy(file)
    table_file(file, cells)
    print_answer(cells, file.info(), source=images)
    if not file.finished:
        say(f"To continue: {resume_command()}")
    if stopped:
        raise typer.Exit(INTERRUPTED)
    exit_by(cells)
