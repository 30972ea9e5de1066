"""The command line: the groups of commands, and how an error is shown.

The commands are in commands/. Each imports what it needs when it runs, so that --help is fast and a
missing library stops only the commands that need it.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from typing import Annotated, Any

import typer

from platebench import __version__
from platebench.commands import calibrate_stores  # noqa: F401 - adds its commands
from platebench.commands.advise import advise_command
from platebench.commands.calibrate import calibrate_app
from platebench.commands.check import check_command
from platebench.commands.clean import clean_command
from platebench.commands.compare import compare_command
from platebench.commands.convert import convert_command
from platebench.commands.findings import findings_command
from platebench.commands.info import info_command
from platebench.commands.look import look_command
from platebench.commands.make_fixtures import make_fixtures_command
from platebench.commands.pack import pack_command
from platebench.commands.reference import reference_app
from platebench.commands.report import report_command
from platebench.commands.run import run_command
from platebench.commands.shared import HELP, complain, console
from platebench.commands.site import site_app
from platebench.commands.stores import stores_command
from platebench.commands.talk import talk_command
from platebench.commands.unpack import unpack_command
from platebench.commands.versions import versions_app
from platebench.errors import UserError

MISUSED = 2
"""Exit status when something given cannot be used."""
INTERRUPTED = 130
"""Exit status that typer gives for Ctrl-C."""

KEEPING = "Keeping images"
MEASURING = "Measuring"
PUBLISHING = "Publishing figures"
STORY = "The story"

_USAGE: type[Exception] = typer.BadParameter.__mro__[1]
"""The exception of typer for a usage error; typer has no public name for the class."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)


def _show_version(asked: bool) -> None:
    if asked:
        console.print(f"platebench {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Find out by measurement which storage format suits your microscopy images.

    Exit status: 0 success, 1 a cell failed, 2 something given cannot be used.
    """


app.command(
    "advise",
    rich_help_panel=KEEPING,
    epilog="Example: platebench advise plate --reads 20 --random 75 --writes 5 --size 5TB",
)(advise_command)
app.command(
    "pack",
    rich_help_panel=KEEPING,
    epilog="Examples: platebench pack plate1 plate1.package --licence CC-BY-4.0   "
    "platebench pack /data/plate1 /data/plate1.package --scheduler tcp://10.0.0.1:8786",
)(pack_command)
app.command(
    "unpack",
    rich_help_panel=KEEPING,
    epilog="Example: platebench unpack plate1.package plate1-again",
)(unpack_command)
app.command(
    "check", rich_help_panel=KEEPING, epilog="Example: platebench check plate1.package plate1"
)(check_command)
app.command("info", rich_help_panel=KEEPING, epilog="Example: platebench info plate1.package")(
    info_command
)
app.command(
    "look",
    rich_help_panel=KEEPING,
    epilog="Example: platebench look images.parquet -o page.html",
)(look_command)
app.command(
    "convert",
    rich_help_panel=KEEPING,
    epilog="Example: platebench convert plate1.package smaller --store zarr:tensor:small",
)(convert_command)
app.add_typer(versions_app, name="versions", rich_help_panel=KEEPING)
app.command(
    "make-fixtures",
    rich_help_panel=MEASURING,
    epilog="Examples: platebench make-fixtures --images 32 --ch5 --tables --out fixtures   "
    "platebench make-fixtures --profile channels --images 60 --out fixtures5",
)(make_fixtures_command)
app.command(
    "run",
    rich_help_panel=MEASURING,
    epilog="Examples: platebench run --stores 'parquet,zarr:*:fast' --images 128   "
    "platebench run --images plate --pattern '{well}_s{site}_w{channel}.tif'   "
    "platebench run --images channels-60",
)(run_command)
app.command(
    "compare",
    rich_help_panel=MEASURING,
    epilog="Examples: platebench compare HEAD~1 .   "
    "platebench compare HEAD 'pyarrow==16.1.0,numpy<2' --stores parquet:pixels:default   "
    "platebench compare HEAD 'as of 2025-06-08'",
)(compare_command)
app.command(
    "report",
    rich_help_panel=MEASURING,
    epilog="Examples: platebench report --format csv > figures.csv   "
    "platebench report --results results --size 5TB --reads 15 --random 80 --versions",
)(report_command)
app.command(
    "stores",
    rich_help_panel=MEASURING,
    epilog="Examples: platebench stores --json | jq '.[].name'   "
    "platebench stores --install iceberg,icechunk",
)(stores_command)
app.add_typer(reference_app, name="reference", rich_help_panel=PUBLISHING)
app.add_typer(calibrate_app, name="calibrate", rich_help_panel=PUBLISHING)
app.add_typer(site_app, name="site", rich_help_panel=PUBLISHING)
app.command(
    "talk",
    rich_help_panel=STORY,
    epilog="Example: platebench talk --over then --over between",
)(talk_command)
app.command("findings", rich_help_panel=STORY, epilog="Example: platebench findings --all")(
    findings_command
)
app.command(
    "clean", rich_help_panel=MEASURING, epilog="Example: platebench clean --older-than 30 --yes"
)(clean_command)


def main() -> None:
    """Run the command line. An error that the user can fix is one line, and exit status 2."""
    # tifffile logs what it finds odd in a file. platebench says what matters of it in one line.
    logging.getLogger("tifffile").disabled = True
    try:
        status = app(prog_name="platebench", standalone_mode=False)
        if status == INTERRUPTED:
            complain("interrupted")
        sys.exit(status or 0)
    except typer.Abort:
        complain("interrupted")
        sys.exit(INTERRUPTED)
    except _USAGE as error:
        _complain_of_usage(error)
        sys.exit(MISUSED)
    except UserError as error:
        complain(str(error))
        sys.exit(MISUSED)
    except OSError as error:
        # This may be a bug of platebench's own; PLATEBENCH_TRACEBACK shows where.
        if os.environ.get("PLATEBENCH_TRACEBACK") or error.errno is None:
            raise
        complain(_what_the_system_said(error))
        sys.exit(MISUSED)


def _complain_of_usage(error: Any) -> None:
    """Print a usage error in one line, unless typer has shown the help instead."""
    name = error.ctx.command_path if error.ctx is not None else "platebench"
    message = " ".join(error.format_message().split()).rstrip(".")
    if message:
        complain(f"{message}; see '{name} --help'")


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
