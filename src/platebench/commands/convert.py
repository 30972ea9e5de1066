"""The command `platebench convert`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from platebench.commands.packaged import (
    DaskWorkers,
    Jobs,
    PackageFolder,
    Resume,
    Scheduler,
    Version,
    counted,
    dask_workers,
    progress,
    resumable,
)
from platebench.commands.shared import say


def convert_command(
    package: PackageFolder,
    destination: Annotated[Path, typer.Argument(help="The new package.", metavar="DEST")],
    store: Annotated[str, typer.Option(help="FORMAT:LAYOUT:TUNING, as 'platebench stores' lists.")],
    version: Version = None,
    jobs: Jobs = None,
    workers: DaskWorkers = None,
    scheduler: Scheduler = None,
    resume: Resume = False,
) -> None:
    """Make a new package from another one, in another store. The old one stays as it is."""
    from platebench.limits import gigabytes
    from platebench.packages.convert import convert
    from platebench.stores.name import StoreName

    command = shlex.join(["platebench", *(each for each in sys.argv[1:] if each != "--resume")])
    name = StoreName.parse(store)
    with (
        resumable(command),
        dask_workers(workers, scheduler, jobs) as started,
        progress() as show,
    ):
        manifest = convert(package, destination, name, version, jobs, resume, show, workers=started)
    size = sum(file.size for file in manifest.files)
    say(f"{destination}: {counted(manifest.images, 'image')}, {gigabytes(size)}, {manifest.store}")
