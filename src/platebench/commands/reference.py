"""The commands `platebench reference ...`: measure the published run, and keep it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from platebench.commands.shared import (
    HELP,
    Results,
    console,
    errors,
    exit_by,
    say,
    say_where,
    split,
    tell,
)
from platebench.errors import UserError

reference_app = typer.Typer(
    no_args_is_help=True,
    help="Measure the run that the published page shows, and keep it in the checkout.",
    context_settings=HELP,
)


@reference_app.command(
    "run",
    epilog="Examples: platebench reference run --minutes 60   "
    "platebench reference run --resume   "
    "platebench reference run --parts 2   "
    "platebench reference run --images raw-512 --operations 'cold take,cold scan'   "
    "platebench reference run --missing --stores vortex   "
    "platebench reference run --missing --again 'duckdb:*:default'",
)
def reference_run_command(
    small: Annotated[
        bool,
        typer.Option("--small", help="64 images, one layout per format: about an hour."),
    ] = False,
    images: Annotated[
        str, typer.Option("--images", help="Only these image sets of the plan, with commas.")
    ] = "",
    operations: Annotated[
        str, typer.Option("--operations", help="Only these, with commas: take, cold scan.")
    ] = "",
    stores: Annotated[
        str, typer.Option("--stores", help="Only these formats, stores or patterns, with commas.")
    ] = "",
    parts: Annotated[
        int | None,
        typer.Option(min=1, help="Only so many parts of the plan; the first matter most."),
    ] = None,
    missing: Annotated[
        bool,
        typer.Option(
            "--missing",
            help="Add to this machine's newest reference run what it lacks: a new format, operation"
            " or size.",
        ),
    ] = False,
    again: Annotated[
        str,
        typer.Option(
            "--again",
            help="With --missing: leave out what was measured of these stores or patterns, and"
            " measure it again.",
        ),
    ] = "",
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin nothing after this time; resumable.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the same run where it was interrupted.")
    ] = False,
    results: Results = None,
) -> None:
    """Measure what the published page shows: all stores, 16 to 2,048 images.

    It says first how long it takes and how much disk it needs. Stored files are removed as it goes
    on. Leave the machine idle meanwhile, or measure in pieces: --minutes and then --resume, or
    --parts, --images, --operations or --stores and then --missing. 'platebench reference keep' adds
    the run to the checkout.
    """
    from platebench.results.tidy import tidy
    from platebench.running.checkout import find_checkout
    from platebench.running.places import own_results
    from platebench.running.progress import RunBar
    from platebench.running.reference import How, measure_reference
    from platebench.running.reference_plan import full_plan, limited, named_again, small_plan

    checkout = find_checkout(Path.cwd())
    whole = small_plan() if small else full_plan()
    plan = limited(whole, split(images), split(operations), split(stores), parts)
    if again and not missing:
        raise UserError("--again is for --missing; without it, all is measured")
    how = How(missing, resume, minutes, named_again(split(again)))
    with RunBar(errors) as bar:
        file = measure_reference(checkout, own_results(results), plan, how, bar)
    say_where(file.file)
    exit_by(tidy(file))


@reference_app.command(
    "history",
    epilog="Examples: platebench reference history --from 2025-01-01 --every '6 months'   "
    "platebench reference history --resume --minutes 60",
)
def reference_history_command(
    begin: Annotated[str, typer.Option("--from", help="First day, such as 2025-01-01.")] = (
        "2024-07-01"
    ),
    every: Annotated[
        str, typer.Option(help="Time between two days: '3 months', '1 year'.")
    ] = "3 months",
    python: Annotated[
        str,
        typer.Option(
            help="Python of all days. The oldest libraries have no release for 3.13. '' is the"
            " one that runs this."
        ),
    ] = "<3.13",
    rounds: Annotated[int, typer.Option(min=2, max=60, help="Number of rounds.")] = 6,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop measuring after this time; resumable.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue what was interrupted, or add the days since then."),
    ] = False,
    results: Results = None,
) -> None:
    """Measure each format with the libraries of one day per quarter, side by side.

    From the first day with a LanceDB on the package index to today, which must tell upload times.
    Each format's fast tuning writes, scans and takes from 32 images. Libraries that are too old
    for a store are failures or skips with their message. Leave the machine idle meanwhile. Then
    'platebench reference keep' adds the result to the checkout, and the page shows it.
    """
    from platebench.results.over_days import over_days
    from platebench.running.as_of import read_day
    from platebench.running.checkout import find_checkout
    from platebench.running.history import (
        HistorySettings,
        measure_history,
        months_of,
        python_pin,
    )
    from platebench.running.places import own_results
    from platebench.running.progress import CompareBar

    settings = HistorySettings(
        first=read_day(begin),
        months=months_of(every),
        python=python_pin(python),
        rounds=rounds,
        minutes=minutes,
        resume=resume,
    )
    checkout = find_checkout(Path.cwd())
    with CompareBar(errors) as bar:
        files = measure_history(checkout, own_results(results), settings, bar)
    if not files:
        return
    found = over_days(files) if all(file.finished for file in files) else None
    for change in found.changes if found else ():
        say(change.in_words())
    say_where(files[0].file)


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
    """Add a finished reference run, or a history, to results/ of the checkout for the page.

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


@reference_app.command("check", epilog="Example: platebench reference check results/my-pc-1a2b3c4d")
def reference_check_command(
    folder: Annotated[Path, typer.Argument(help="The folder of a machine in results/.")],
) -> None:
    """Check that the results of a machine are whole, before they are sent or merged.

    Exit status 2 if something is missing or wrong; each line says what.
    """
    from platebench.running.contributed import check_contributed

    found = check_contributed(folder)
    if found.wrong:
        for each in found.wrong:
            tell(each)
        count = len(found.wrong)
        raise UserError(f"{folder}: not whole: {count} {'thing' if count == 1 else 'things'} wrong")
    runs = f"{found.reference_runs} reference {'run' if found.reference_runs == 1 else 'runs'}"
    say(f"{folder}: whole. {runs} of {found.cells} cells, {found.other_runs} other record files.")
