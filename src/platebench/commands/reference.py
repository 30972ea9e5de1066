"""The commands `platebench reference ...`: measure the published run, and keep it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from platebench.commands.shared import HELP, Results, console, errors, exit_by, say, say_where

reference_app = typer.Typer(
    no_args_is_help=True,
    help="Measure the run that the published page shows, and keep it in the checkout.",
    context_settings=HELP,
)


@reference_app.command(
    "run", epilog="Examples: platebench reference run --small, platebench reference run --resume"
)
def reference_run_command(
    small: Annotated[
        bool,
        typer.Option("--small", help="64 images, one layout per format, 6 rounds: 45 minutes."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the same run where it was interrupted.")
    ] = False,
    results: Results = None,
) -> None:
    """Measure what the published page shows: all stores, 2 to 2,048 images, 8 rounds.

    It takes about an hour and a half and 20 GB of disk space, which is freed at the end. Leave the
    machine idle meanwhile. Then 'platebench reference keep' adds the run to the checkout.
    """
    from platebench.results.tidy import tidy
    from platebench.running.checkout import find_checkout
    from platebench.running.places import own_results
    from platebench.running.progress import RunBar
    from platebench.running.reference import full_plan, measure_reference, small_plan

    checkout = find_checkout(Path.cwd())
    plan = small_plan() if small else full_plan()
    with RunBar(errors) as bar:
        file = measure_reference(checkout, own_results(results), plan, resume, bar)
    say_where(file.file)
    exit_by(tidy(file))


@reference_app.command("keep", epilog="Example: platebench reference keep 20261122 --selfcheck")
def reference_keep_command(
    run: Annotated[
        str, typer.Argument(help="The run's file, or its name or the beginning of its name.")
    ],
    selfcheck: Annotated[
        bool, typer.Option("--selfcheck", help="Also keep this machine's newest self-check.")
    ] = False,
    results: Results = None,
) -> None:
    """Add a finished reference run to results/ of the checkout, which the page and README show.

    No file of another run is overwritten.
    """
    from platebench.running.checkout import find_checkout
    from platebench.running.keeping import keep_reference
    from platebench.running.places import own_results, reference_results, shown

    checkout = find_checkout(Path.cwd())
    kept = keep_reference(
        run, own_results(results), checkout, reference_results(checkout), selfcheck
    )
    for file in kept:
        say(f"Kept {shown(file)}")
    if not kept:
        console.print("This run is kept already.")
