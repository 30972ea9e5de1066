"""The command `platebench compare`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from platebench.atomic_files import check_output, write_whole
from platebench.commands.shared import (
    Results,
    console,
    errors,
    say_where,
    split,
    split_images,
)
from platebench.errors import UserError


def compare_command(
    arms: Annotated[
        list[str],
        typer.Argument(
            help="Git revisions, pins, 'REV with PINS', . for the checkout as it is, or any of"
            " these 'as of DAY': every library as it was then, such as 'main as of 2025-06-08'."
        ),
    ],
    stores: Annotated[
        str | None,
        typer.Option(
            help="Formats, stores or patterns, separated by commas. Default: the tunings fast"
            " and balanced of the main formats."
        ),
    ] = None,
    images: Annotated[str, typer.Option(help="As in 'platebench run'.")] = "32",
    operations: Annotated[
        str | None, typer.Option(help="Operations, separated by commas. Default: all but grow.")
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0.001, help="Smallest difference that counts; 0.1 is 10%.")
    ] = 0.10,
    rounds: Annotated[
        int | None, typer.Option(min=2, help="Number of rounds. Default: 6, 10 or 16, as needed.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One sample per cell and round.")] = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Also write a summary to this file, as Markdown.")
    ] = None,
    results: Results = None,
) -> None:
    """Compare revisions or library versions, measured side by side.

    The first arm is the baseline. A format whose library did not exist on an arm's day is skipped
    there, with the reason. Exit status: 1 something is significantly slower, 2 a cell
    failed in one arm only, 0 otherwise. Repeat the command to continue an interrupted comparison.
    The code of each revision is run, so name only revisions that you trust.
    """
    from platebench.results.verdicts import Plan, exit_status, single_look
    from platebench.running import compare_report as compare_reports
    from platebench.running.checkout import find_checkout
    from platebench.running.compare import CompareSettings, compare
    from platebench.running.places import own_results
    from platebench.running.progress import CompareBar
    from platebench.running.settings import brief_stores, stores_to_measure

    if len(arms) < 2:
        raise UserError("give two arms or more, such as HEAD~1 and .")
    if not threshold < math.inf:
        raise UserError(f"--threshold {threshold}: give a share such as 0.1")
    if markdown is not None:
        check_output(markdown)
    checkout = find_checkout(Path.cwd())
    plan = single_look(rounds, threshold) if rounds else Plan(threshold)
    settings = CompareSettings(
        arms=arms,
        stores=stores_to_measure(split(stores), references=False) if stores else brief_stores(),
        images=split_images(images),
        operations=split(operations),
        plan=plan,
        quick=quick,
    )
    with CompareBar(errors) as bar:
        comparison = compare(checkout, own_results(results), settings, bar)
    console.print(compare_reports.as_tables(comparison, plan))
    say_where(comparison.files[0].file.parent)
    if markdown is not None:
        write_whole(markdown, compare_reports.as_markdown(comparison, plan))
    verdicts = [verdict for each in comparison.judgements for verdict in each.values()]
    raise typer.Exit(exit_status(verdicts))
