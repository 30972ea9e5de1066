"""What the commands of packages share: options, and how progress and results are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platebench.commands.shared import FAILED, errors, say, tell
from platebench.errors import UserError
from platebench.ownership import PACKAGE_MANIFEST

if TYPE_CHECKING:
    from platebench.packages.manifest import LeftOut
    from platebench.packages.parts import Show
    from platebench.workers import Workers

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

_MOST_NAMED = 100

PackageFolder = Annotated[Path, typer.Argument(help="The folder of a package.", metavar="PACKAGE")]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of processes that write parts. Default: one per processor, and 1 below 4 GB.",
    ),
]
DaskWorkers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Start a Dask cluster of this many processes here. Needs platebench\\[dask].",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Use a running Dask cluster: tcp://HOST:PORT, or a scheduler file. All workers must"
        " see every folder under the same path as this process. Needs platebench\\[dask].",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue where the same command was stopped.")
]
Originals = Annotated[
    bool,
    typer.Option(
        "--originals",
        help="Also keep, byte for byte, the image files that the store does not give back.",
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        help="Names of TIFF files, such as '{well}_s{site}_w{channel}.tif', with plate, well, site,"
        " frame, channel and z; or a regular expression with such groups: '(?P<well>[A-P]\\d+)_.*'."
    ),
]
Version = Annotated[
    int | None, typer.Option("--version", min=1, help="A version's number. Default: the newest.")
]


@contextmanager
def dask_workers(
    workers: int | None, scheduler: str | None, jobs: int | None = None
) -> Iterator[Workers | None]:
    """Yield the workers of a Dask cluster if the user asked for one. Raises UserError for two."""
    given = {"--jobs": jobs, "--workers": workers, "--scheduler": scheduler}
    several = [name for name, value in given.items() if value is not None]
    if len(several) > 1:
        raise UserError(f"{' and '.join(several)} exclude each other; give one of them")
    if workers is None and scheduler is None:
        yield None
        return
    from platebench.workers import Workers

    with Workers(workers, scheduler, tell) as started:
        yield started


@contextmanager
def progress() -> Iterator[Show]:
    """Show steps on standard error, with the time left."""
    from platebench.running.progress import Bar

    with Bar(errors) as bar:
        yield bar.show


@contextmanager
def resumable(command: str) -> Iterator[None]:
    """After Ctrl-C, tell how to go on if there is something to go on with."""
    from platebench.packages.draft import Interrupted

    try:
        yield
    except Interrupted:
        tell(f"platebench: interrupted; what is done is kept. To go on: {command} --resume")
        raise typer.Exit(INTERRUPTED) from None


def name_left_out(left_out: Sequence[LeftOut]) -> None:
    """Name what was left out, and exit with status FAILED if there is anything."""
    if not left_out:
        return
    files = "file was" if len(left_out) == 1 else "files were"
    tell(f"{len(left_out):,} broken {files} left out:")
    for each in left_out[:_MOST_NAMED]:
        tell(f"  {each.path}: {each.reason}")
    if len(left_out) > _MOST_NAMED:
        tell(f"  and {len(left_out) - _MOST_NAMED:,} more")
    raise typer.Exit(FAILED)


def name_not_packed(left_out: Sequence[LeftOut]) -> None:
    """Name what files have beside the images that were taken, and what else is not packed."""
    if not left_out:
        return
    say(f"Not packed, as {PACKAGE_MANIFEST} says too:")
    for each in left_out[:_MOST_NAMED]:
        say(f"  {each.path}: {each.reason}")
    if len(left_out) > _MOST_NAMED:
        say(f"  and {len(left_out) - _MOST_NAMED:,} more")


def counted(count: int, what: str) -> str:
    """Return 1 image, or 1,024 images."""
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"


def say_not_kept(paths: Sequence[str], is_file: bool) -> None:
    """Say in one line which files are not kept as they are, and how to keep them."""
    if not paths:
        return
    what = "planes" if is_file else "pixels"
    first = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1:,} more"
    say(
        f"Kept as {what} only: {first}; --originals keeps the files too"
        + ("" if is_file else ", and --store parquet:tiff:fast those of one image each")
    )
