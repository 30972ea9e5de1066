"""The command `platebench unpack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from platebench.commands.packaged import (
    DaskWorkers,
    PackageFolder,
    Scheduler,
    Version,
    counted,
    dask_workers,
    progress,
)
from platebench.commands.shared import say


def unpack_command(
    package: PackageFolder,
    destination: Annotated[Path, typer.Argument(help="The new folder.", metavar="DEST")],
    version: Version = None,
    workers: DaskWorkers = None,
    scheduler: Scheduler = None,
) -> None:
    """Write the files that a package was made of.

    TIFF files that the store keeps, and all other files, are the same byte for byte, with their
    names and folders. Otherwise images become uncompressed TIFF files of the same pixels.
    """
    from platebench.packages.unpack import unpack

    with dask_workers(workers, scheduler) as started, progress() as show:
        written = unpack(package, destination, version, show, started)
    how = "byte for byte" if written.byte_for_byte else "as their pixels"
    say(
        f"{destination}: {counted(written.images, 'image')} {how},"
        f" {counted(written.sources, 'other file')} byte for byte"
    )
    if written.tables:
        say(f"{counted(written.tables, 'table')} of CH5 files as CSV")
