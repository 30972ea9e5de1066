"""The command line."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from platebench import __version__
from platebench.errors import UserError
from platebench.findings.commands import findings_command
from platebench.ownership import check_output, write_whole
from platebench.site.commands import site_app
from platebench.talk.commands import talk_command
from platebench.viewing.commands import look_command

if TYPE_CHECKING:
    from platebench.results.records import RunInfo
    from platebench.results.tidy import CellResult

# A command imports what it needs when it runs, so that --help is fast and a missing library stops
# only the commands that need it.

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
"""Exit status that typer gives for Ctrl-C."""
ROUNDS, CELLS = 16, 40
"""The self-check's defaults. Repeated here so that --help need not import running/selfcheck.py."""

KEEPING = "Keeping images"
MEASURING = "Measuring"
PUBLISHING = "Publishing figures"
STORY = "The story"

Results = Annotated[
    Path | None,
    typer.Option(
        "--results",
        help="Folder of runs. Default: .platebench/results in a checkout, your data folder"
        " elsewhere.",
    ),
]

_USAGE: type[Exception] = typer.BadParameter.__mro__[1]
"""The exception of typer for a usage error; typer has no public name for the class."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
reference_app = typer.Typer(
    no_args_is_help=True,
    help="Measure the run that the published page shows, and keep it in the checkout.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
calibrate_app = typer.Typer(
    no_args_is_help=True,
    help="Find out how far measurements on this machine can be trusted.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console()
errors = Console(stderr=True)


class Profile(StrEnum):
    """Appearance of generated images."""

    raw = "raw"
    ic = "ic"


class Format(StrEnum):
    """Output format of a report."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"


def _show_version(asked: bool) -> None:
    if asked:
        console.print(f"platebench {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Find out by measurement which storage format suits your microscopy images.

    Exit status: 0 success, 1 a cell failed, 2 something given cannot be used.
    """


@app.command(
    "make-fixtures",
    rich_help_panel=MEASURING,
    epilog="Example: platebench make-fixtures --images 32 --ch5 --tables --out fixtures",
)
def make_fixtures_command(
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    images: Annotated[int, typer.Option(help="Number of images, 1 or more.")] = 32,
    profile: Annotated[
        Profile, typer.Option(help="raw: as acquired. ic: background subtracted.")
    ] = Profile.raw,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    ch5: Annotated[bool, typer.Option("--ch5", help="Also write CellH5 files.")] = False,
    tables: Annotated[
        bool, typer.Option("--tables", help="Also write CSV, TSV and TXT tables.")
    ] = False,
) -> None:
    """Generate TIFF files of nuclei, and CellH5 files and tables with the same content."""
    from platebench.images.fixtures import make_fixtures
    from platebench.running.progress import FixtureBar

    with FixtureBar(errors) as bar:
        made = make_fixtures(
            out, images, profile.value, seed, ch5=ch5, tables=tables, progress=bar.update
        )
    console.print(f"{images} images in {made}", highlight=False, soft_wrap=True)


@app.command(
    rich_help_panel=MEASURING,
    epilog="Example: platebench run --stores 'parquet,zarr:*:fast' --images 128",
)
def run(
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
        typer.Option("--newcomer", help="An overview: the default and fast tuning per format."),
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
        stores=newcomer_stores() if newcomer else stores_to_measure(_split(stores) or ["*"]),
        images=_split_images(images),
        operations=_split(operations),
        rounds=rounds,
        quick=quick,
        newcomer=newcomer,
        until=None if until is None else _share(until),
        minutes=minutes,
        resume=resume,
        check_newest=check_newest,
    )
    with RunBar(errors) as bar:
        file = measure(checkout, own_results(results), settings, bar)
    cells = tidy(file)
    console.print(reports.as_tables(cells))
    _say_where(file.file)
    _exit_by(cells)


@app.command(
    "compare",
    rich_help_panel=MEASURING,
    epilog="Examples: platebench compare HEAD~1 .   "
    "platebench compare HEAD 'pyarrow==16.1.0,numpy<2' --stores parquet:pixels:default",
)
def compare_command(
    arms: Annotated[
        list[str],
        typer.Argument(
            help="Git revisions, pins, 'REV with PINS', or . for the files as they are."
        ),
    ],
    stores: Annotated[
        str | None,
        typer.Option(
            help="Formats, stores or patterns, separated by commas. Default: those of --newcomer."
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

    The first arm is the baseline. Exit status: 1 something is significantly slower, 2 a cell
    failed in one arm only, 0 otherwise. Repeat the command to continue an interrupted comparison.
    The code of each revision is run, so name only revisions that you trust.
    """
    from platebench.results.verdicts import Plan, exit_status, single_look
    from platebench.running import compare_report as compare_reports
    from platebench.running.checkout import find_checkout
    from platebench.running.compare import CompareSettings, compare
    from platebench.running.places import own_results
    from platebench.running.progress import CompareBar
    from platebench.running.run import newcomer_stores, stores_to_measure

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
        stores=stores_to_measure(_split(stores), floor=False) if stores else newcomer_stores(),
        images=_split_images(images),
        operations=_split(operations),
        plan=plan,
        quick=quick,
    )
    with CompareBar(errors) as bar:
        comparison = compare(checkout, own_results(results), settings, bar)
    console.print(compare_reports.as_tables(comparison, plan))
    _say_where(comparison.files[0].file.parent)
    if markdown is not None:
        write_whole(markdown, compare_reports.as_markdown(comparison, plan))
    verdicts = [verdict for each in comparison.judgements for verdict in each.values()]
    raise typer.Exit(exit_status(verdicts))


@reference_app.command("run", epilog="Example: platebench reference run --resume")
def reference_run_command(
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
    from platebench.running.reference import measure_reference, plan

    checkout = find_checkout(Path.cwd())
    with RunBar(errors) as bar:
        file = measure_reference(checkout, own_results(results), plan(), resume, bar)
    _say_where(file.file)
    _exit_by(tidy(file))


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
        console.print(f"Kept {shown(file)}", highlight=False, markup=False, soft_wrap=True)
    if not kept:
        console.print("This run is kept already.")


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
        f"{found.cells} cells, {found.rounds} rounds. From process to process a cell's median"
        f" varies by {found.process_noise:.1%}, the ratio of two side by side by"
        f" {found.pair_noise:.1%}."
    )
    raise typer.Exit(0 if found.met else FAILED)


@app.command(
    rich_help_panel=MEASURING, epilog="Example: platebench report --format csv > figures.csv"
)
def report(
    output: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.table,
    results: Results = None,
    machine: Annotated[str | None, typer.Option(help="Runs of this machine only.")] = None,
) -> None:
    """Show the newest run: each cell's median, and its ratio to one bare file (the floor).

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
        console.print(reports.as_tables(cells, finished))
    elif output is Format.markdown:
        sys.stdout.write(reports.as_markdown(cells, finished) + "\n")
    else:
        writers = {"json": reports.as_json, "csv": reports.as_csv}
        sys.stdout.write(writers[output.value](cells) + "\n")


@app.command(rich_help_panel=MEASURING, epilog="Example: platebench stores --json | jq '.[].name'")
def stores(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the stores, and why some cannot be measured here."""
    from platebench.stores import registry

    rows = [
        {
            "name": str(name),
            "native_versions": each.native_versions,
            "why_not": registry.why_not(name),
        }
        for each in registry.FORMATS
        for name in each.stores
    ]
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    table = Table(box=None)
    for head in ("store", "native versions", "here"):
        table.add_column(head)
    for row in rows:
        here = str(row["why_not"] or "yes")
        table.add_row(str(row["name"]), "yes" if row["native_versions"] else "", here)
    console.print(table)


app.add_typer(reference_app, name="reference", rich_help_panel=PUBLISHING)
app.add_typer(calibrate_app, name="calibrate", rich_help_panel=PUBLISHING)
app.add_typer(site_app, name="site", rich_help_panel=PUBLISHING)
app.command(
    "talk",
    rich_help_panel=STORY,
    epilog="Example: platebench talk --over then --over between",
)(talk_command)
app.command(
    "look",
    rich_help_panel=KEEPING,
    epilog="Example: platebench look images.parquet -o page.html",
)(look_command)
app.command("findings", rich_help_panel=STORY, epilog="Example: platebench findings --all")(
    findings_command
)


@app.command(rich_help_panel=MEASURING, epilog="Example: platebench clean --older-than 30 --yes")
def clean(
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove it. Without this it is only listed.")
    ] = False,
    older_than: Annotated[
        float, typer.Option(min=0, help="Only what was not changed in this many days.")
    ] = 0.0,
) -> None:
    """List what the work folder holds, with size and age; --yes removes it.

    platebench makes all of it again when it is needed. Results are not in it and stay.
    """
    from platebench.limits import gigabytes
    from platebench.running.checkout import find_checkout
    from platebench.running.cleaning import disk_bytes, free, kept, unmarked
    from platebench.timing.workspace import Workspace

    checkout = find_checkout(Path.cwd())
    workspace = Workspace.of(checkout)
    things = [each for each in kept(workspace) if each.days >= older_than]
    total = gigabytes(sum(each.bytes for each in things))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("what", no_wrap=True)
    table.add_column("name", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("days old", justify="right", no_wrap=True)
    for each in things:
        table.add_row(each.what, each.name, gigabytes(each.bytes), f"{each.days:.0f}")
    if things:
        console.print(table)
    if yes:
        free(workspace, things)
    done = "freed" if yes else "can be freed with --yes" if things else "to free"
    console.print(f"{workspace.root}: {total} {done}", highlight=False, soft_wrap=True)
    for folder in unmarked(checkout / ".platebench"):
        console.print(
            f"{folder}: {gigabytes(disk_bytes(folder))}, left by an older version of platebench;"
            " remove it yourself if you do not need it",
            highlight=False,
            soft_wrap=True,
        )


def _split_images(text: str) -> list[str]:
    """Split at commas, unless the whole text is an existing file or folder."""
    return [text] if text and Path(text).exists() else _split(text)


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _share(text: str) -> float:
    """Return 0.05 for 5% or 0.05."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise UserError(f"{text}: give a share such as 5% or 0.05")
    return share


def _say_whose(measured: str, asked: str | None) -> None:
    """Say so when results are from another machine than this one, unless --machine named it."""
    from platebench.running.machine_facts import this_machine

    here = this_machine()["machine"]
    if asked is None and measured != here:
        _tell(f"These results are from the machine {measured}; this one is {here}.")


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
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _say_where(path: Path) -> None:
    from platebench.running.places import shown

    console.print(f"Kept in {shown(path)}", highlight=False, markup=False, soft_wrap=True)


def _exit_by(cells: list[CellResult]) -> None:
    failed = [cell for cell in cells if cell.status == "failed"]
    if failed:
        first = failed[0]
        detail = f" {first.detail}" if first.detail else ""
        _complain(
            f"{len(failed)} of {len(cells)} cells failed, the first {first.operation}{detail} of"
            f" {first.store}: {first.message}"
        )
        raise typer.Exit(FAILED)


def _complain(message: str) -> None:
    _tell(f"platebench: {message}", style="red")


def _tell(line: str, style: str = "") -> None:
    """Print one line to standard error, with unprintable characters as escapes."""
    line = "".join(
        each if each.isprintable() else each.encode("unicode_escape", "replace").decode()
        for each in line.encode(errors="backslashreplace").decode()
    )
    errors.print(line, style=style, highlight=False, markup=False, soft_wrap=True)


def main() -> None:
    """Run the command line. An error that the user can fix is one line, and exit status 2."""
    # tifffile logs what it finds odd in a file. platebench says what matters of it in one line.
    logging.getLogger("tifffile").disabled = True
    try:
        status = app(prog_name="platebench", standalone_mode=False)
        if status == INTERRUPTED:
            _complain("interrupted")
        sys.exit(status or 0)
    except typer.Abort:
        _complain("interrupted")
        sys.exit(INTERRUPTED)
    except _USAGE as error:
        _complain_of_usage(error)
        sys.exit(MISUSED)
    except UserError as error:
        _complain(str(error))
        sys.exit(MISUSED)
    except OSError as error:
        # This may be a bug of platebench's own; PLATEBENCH_TRACEBACK shows where.
        if os.environ.get("PLATEBENCH_TRACEBACK") or error.errno is None:
            raise
        _complain(_what_the_system_said(error))
        sys.exit(MISUSED)


def _complain_of_usage(error: Any) -> None:
    """Print a usage error in one line, unless typer has shown the help instead."""
    name = error.ctx.command_path if error.ctx is not None else "platebench"
    message = " ".join(error.format_message().split()).rstrip(".")
    if message:
        _complain(f"{message}; see '{name} --help'")


def _what_the_system_said(error: OSError) -> str:
    """Return in one line what the operating system refused, and what to do about it."""
    name = error.filename or "a file"
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.filename or 'writing'}); make room and run again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{name}: {error.strerror}; nothing was written"
    return f"{name}: {error.strerror}; name another place"
