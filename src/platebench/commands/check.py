"""The command `platebench check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from platebench.commands.packaged import (
    DaskWorkers,
    PackageFolder,
    Scheduler,
    counted,
    dask_workers,
    progress,
)
from platebench.commands.shared import FAILED, say, tell

_MOST_NAMED = 100


def check_command(
    package: PackageFolder,
    sources: Annotated[
        list[Path] | None,
        typer.Argument(help="What it was packed from, to be compared.", metavar="[SOURCE...]"),
    ] = None,
    workers: DaskWorkers = None,
    scheduler: Scheduler = None,
) -> None:
    """Compare every file, image and table of a package with its digest, and with its source.

    Exit status: 0 all is as it was, 1 something differs, 2 the package or a source cannot be read.
    """
    from platebench.packages.check import check
    from platebench.packages.manifest import read_manifest

    with dask_workers(workers, scheduler) as started, progress() as show:
        found = check(package, sources or [], show, started)
    for each in found[:_MOST_NAMED]:
        tell(str(each))
    if len(found) > _MOST_NAMED:
        tell(f"and {len(found) - _MOST_NAMED:,} more")
    if found:
        tell(f"platebench: {package}: {counted(len(found), 'difference')}", style="red")
        raise typer.Exit(FAILED)
    manifest = read_manifest(package)
    also = ", equal to the source" if sources else ""
    say(
        f"{package}: whole{also}; {counted(len(manifest.files), 'file')},"
        f" {counted(manifest.images, 'image')}, {counted(len(manifest.tables), 'table')}"
    )
