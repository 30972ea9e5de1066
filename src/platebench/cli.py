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
    from platebench.results.tidy import CellResult

# A command imports what it needs when it runs: --help answers at once, and a library that is
# absent is in the way of nothing but the commands that need it.

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
"""What typer makes of Ctrl-C."""
ROUNDS, CELLS = 16, 40
"""Of the self-check, as running/selfcheck.py says; here so that --help need not import it."""

_USAGE: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises for words that it does not understand; it gives the class no public name."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console()
errors = Console(stderr=True)


class Profile(StrEnum):
    """How generated images look."""

    raw = "raw"
    ic = "ic"


class Format(StrEnum):
    """How a report is written."""

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
    """Measure in which storage format microscopy images should be kept.

    Exit status: 0 all well, 1 a cell failed, 2 something given cannot be used.
    """


@app.command(
    "make-fixtures",
    epilog="Example: platebench make-fixtures --images 32 --ch5 --tables --out fixtures",
)
def make_fixtures_command(
    out: Annotated[Path, typer.Option(help="Folder to make them in.")],
    images: Annotated[int, typer.Option(help="Number of images, 1 or more.")] = 32,
    profile: Annotated[
        Profile, typer.Option(help="raw: as taken. ic: background subtracted.")
    ] = Profile.raw,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    ch5: Annotated[bool, typer.Option("--ch5", help="Make CellH5 files too.")] = False,
    tables: Annotated[bool, typer.Option("--tables", help="Make CSV, TSV, TXT too.")] = False,
) -> None:
    """Make TIFF files of nuclei, and CellH5 files and tables that agree with them."""
    from platebench.images.fixtures import make_fixtures
    from platebench.running.progress import FixtureBar

    with FixtureBar(errors) as bar:
        made = make_fixtures(
            out, images, profile.value, seed, ch5=ch5, tables=tables, progress=bar.update
        )
    console.print(f"{images} images in {made}", highlight=False, soft_wrap=True)


@app.command(epilog="Example: platebench run --stores 'parquet,zarr:*:fast' --images 128")
def run(
    stores: Annotated[
        str | None,
        typer.Option(help="Formats, stores or patterns, by commas; all that can be measured."),
    ] = None,
    images: Annotated[
        str, typer.Option(help="Numbers of generated images, ic-N, or folders, by commas.")
    ] = "64",
    operations: Annotated[str | None, typer.Option(help="Operations, by commas; all.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Passes over all cells.")] = 1,
    until: Annotated[
        str | None, typer.Option(help="Add rounds until intervals are this narrow, such as 5%.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="With --until: stop adding rounds after these.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Take up the same run where it was cut off.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="One sample a cell, fewer details: a look.")
    ] = False,
    newcomer: Annotated[
        bool, typer.Option("--newcomer", help="Each format's default and fast, briefly.")
    ] = False,
) -> None:
    """Measure, and print the table. Results are kept in results/, cell by cell."""
    from platebench.results import report as reports
    from platebench.results.tidy import tidy
    from platebench.running.checkout import find_checkout
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
    )
    with RunBar(errors) as bar:
        file = measure(checkout, checkout / "results", settings, bar)
    cells = tidy(file)
    console.print(reports.as_tables(cells))
    console.print(f"Kept in {file.file.relative_to(checkout)}", highlight=False, soft_wrap=True)
    _exit_by(cells)


@app.command(
    "compare",
    epilog="Examples: platebench compare HEAD~1 .   "
    "platebench compare HEAD 'pyarrow==16.1.0,numpy<2' --stores parquet:pixels:default",
)
def compare_command(
    arms: Annotated[
        list[str],
        typer.Argument(help="Revisions, pins, 'REV with PINS', or . for this checkout as it is."),
    ],
    stores: Annotated[
        str | None, typer.Option(help="Formats, stores or patterns, by commas; a newcomer's.")
    ] = None,
    images: Annotated[str, typer.Option(help="As for run.")] = "32",
    operations: Annotated[str | None, typer.Option(help="Operations, by commas; all.")] = None,
    threshold: Annotated[float, typer.Option(min=0.001, help="What counts as slower.")] = 0.10,
    rounds: Annotated[
        int | None, typer.Option(min=2, help="A fixed number; else 6, 10, 16 as needed.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One sample a cell and round.")] = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the verdicts here, short, as Markdown.")
    ] = None,
) -> None:
    """Measure arms side by side and say what is slower in the others than in the first.

    Exit status: 1 something is slower beyond doubt, 2 a cell failed on one side only, 0 otherwise.
    A comparison that is killed goes on where it was when it is asked for again. The code of each
    revision is run, so name only revisions that you trust.
    """
    from platebench.results.verdicts import Plan, exit_status, single_look
    from platebench.running import compare_report as compare_reports
    from platebench.running.checkout import find_checkout
    from platebench.running.compare import CompareSettings, compare
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
        comparison = compare(checkout, checkout / "results", settings, bar)
    console.print(compare_reports.as_tables(comparison, plan))
    if markdown is not None:
        write_whole(markdown, compare_reports.as_markdown(comparison, plan))
    verdicts = [verdict for each in comparison.judgements for verdict in each.values()]
    raise typer.Exit(exit_status(verdicts))


@app.command("reference", epilog="Example: platebench reference --resume")
def reference_command(
    resume: Annotated[
        bool, typer.Option("--resume", help="Take up the run where it was cut off.")
    ] = False,
) -> None:
    """Measure what the published page shows: all stores, 2 to 2,048 images, 8 rounds.

    It takes an hour and a half or so and 20 GB of disk, which it gives back; nothing else should
    run meanwhile.
    """
    from platebench.results.tidy import tidy
    from platebench.running.checkout import find_checkout
    from platebench.running.progress import RunBar
    from platebench.running.reference import measure_reference, plan

    checkout = find_checkout(Path.cwd())
    with RunBar(errors) as bar:
        file = measure_reference(checkout, checkout / "results", plan(), resume, bar)
    console.print(f"Kept in {file.file.relative_to(checkout)}", highlight=False, soft_wrap=True)
    _exit_by(tidy(file))


@app.command("selfcheck", epilog="Example: platebench selfcheck --rounds 6 --cells 10")
def selfcheck_command(
    rounds: Annotated[int, typer.Option(min=4, help="Rounds an arm.")] = ROUNDS,
    cells: Annotated[int, typer.Option(min=2, help="Cells, of all operations.")] = CELLS,
) -> None:
    """Measure what this machine is able to tell: false alarms, and slowdowns put in on purpose.

    Exit status: 1 if a figure is not as asked, 0 otherwise. With the defaults it takes about forty
    minutes; nothing else should run meanwhile. One that is killed goes on where it was when it is
    asked for again.
    """
    from platebench.running.checkout import find_checkout
    from platebench.running.progress import CompareBar
    from platebench.running.selfcheck import selfcheck

    checkout = find_checkout(Path.cwd())
    with CompareBar(errors) as bar:
        found = selfcheck(checkout, checkout / "results", rounds, cells, bar)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("", "asked", "measured", "of"):
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


@app.command(epilog="Example: platebench report --format csv > figures.csv")
def report(
    output: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.table,
    results: Annotated[Path | None, typer.Option(help="Folder of results; the checkout's.")] = None,
    machine: Annotated[str | None, typer.Option(help="Of this machine only.")] = None,
) -> None:
    """Show the newest results: every cell, its median, and how it stands to the floor."""
    from platebench.results import report as reports
    from platebench.results.records import record_files
    from platebench.results.tidy import tidy
    from platebench.running.checkout import find_checkout

    folder = results or find_checkout(Path.cwd()) / "results"
    files = [file for file in record_files(folder, machine) if file.info().is_run]
    if not files:
        raise UserError(f"{folder}: no results yet; 'platebench run' makes them")
    _say_whose(files[-1].info().machine, machine)
    cells, finished = tidy(files[-1]), files[-1].finished
    if output is Format.table:
        console.print(reports.as_tables(cells, finished))
    elif output is Format.markdown:
        sys.stdout.write(reports.as_markdown(cells, finished) + "\n")
    else:
        writers = {"json": reports.as_json, "csv": reports.as_csv}
        sys.stdout.write(writers[output.value](cells) + "\n")


@app.command(epilog="Example: platebench stores --json | jq '.[].name'")
def stores(
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON list.")] = False,
) -> None:
    """List what can be measured here, and why the rest cannot."""
    from platebench.stores import registry

    rows = [
        {"name": name, "versions": each.versioned, "why_not": registry.why_not(name)}
        for each in registry.FORMATS
        for name in each.names
    ]
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    table = Table(box=None)
    for head in ("store", "versions", "here"):
        table.add_column(head)
    for row in rows:
        here = str(row["why_not"] or "yes")
        table.add_row(str(row["name"]), "yes" if row["versions"] else "", here)
    console.print(table)


app.command("talk", epilog="Example: platebench talk --over then --over between")(talk_command)
app.command("look", epilog="Example: platebench look images.parquet -o page.html")(look_command)
app.command("findings", epilog="Example: platebench findings --all")(findings_command)
app.add_typer(site_app, name="site")


@app.command(epilog="Example: platebench clean --older-than 30 --yes")
def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; else it is only listed.")] = False,
    older_than: Annotated[
        float, typer.Option(min=0, help="Only what has not changed for this many days.")
    ] = 0.0,
) -> None:
    """List what the work folder keeps, how large and how old it is, and free it with --yes.

    Everything in it is made again when it is needed. Results are not in it, and stay.
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
            f"{folder}: {gigabytes(disk_bytes(folder))}, made by an older version without a mark;"
            " remove it yourself if you do not need it",
            highlight=False,
            soft_wrap=True,
        )


def _split_images(text: str) -> list[str]:
    """Split at commas, unless the text as it stands is a file or folder."""
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
    """Say so when results are of another machine than this one, unless that one was asked for."""
    import asv.machine

    here = asv.machine.Machine.get_defaults()["machine"]
    if asked is None and measured != here:
        _tell(f"These results are of the machine {measured}, not of this one, {here}.")


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
    """Print one line on standard error; what cannot be printed, as in some names, as escapes."""
    line = "".join(
        each if each.isprintable() else each.encode("unicode_escape", "replace").decode()
        for each in line.encode(errors="backslashreplace").decode()
    )
    errors.print(line, style=style, highlight=False, markup=False, soft_wrap=True)


def main() -> None:
    """Run the command line; errors a person can mend are one line and status 2."""
    # tifffile logs what it finds odd in a file; what matters of it is said here in one line.
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
        # A defect of platebench's own would show itself here too: its traceback can be had.
        if os.environ.get("PLATEBENCH_TRACEBACK") or error.errno is None:
            raise
        _complain(_what_the_system_said(error))
        sys.exit(MISUSED)


def _complain_of_usage(error: Any) -> None:
    """Say in one line what was typed wrong, unless typer has shown the help instead."""
    name = error.ctx.command_path if error.ctx is not None else "platebench"
    message = " ".join(error.format_message().split()).rstrip(".")
    if message:
        _complain(f"{message}; see '{name} --help'")


def _what_the_system_said(error: OSError) -> str:
    """Return in one line what the operating system refused, and what to do."""
    name = error.filename or "a file"
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.filename or 'writing'}); make room and run again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{name}: {error.strerror}; nothing was written"
    return f"{name}: {error.strerror}; name another place"
