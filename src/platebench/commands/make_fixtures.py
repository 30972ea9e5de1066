"""The command `platebench make-fixtures`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from platebench.commands.packaged import DaskWorkers, Scheduler, dask_workers
from platebench.commands.shared import console, errors


class Profile(StrEnum):
    """Appearance of generated images."""

    raw = "raw"
    ic = "ic"
    raw16 = "raw16"
    channels = "channels"
    zstack = "zstack"
    mixed = "mixed"
    crops = "crops"


def make_fixtures_command(
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    images: Annotated[int, typer.Option(help="Number of images, 1 or more.")] = 32,
    profile: Annotated[
        Profile,
        typer.Option(
            help="raw: as acquired, 8 bits. ic: background subtracted, 8 bits."
            " raw16: as acquired with 12 bits, in uint16. channels: five per site, as in Cell"
            " Painting. zstack: 8 planes per site. mixed: several shapes and dtypes. crops: cells,"
            " 5 x 64 x 64."
        ),
    ] = Profile.raw,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    ch5: Annotated[bool, typer.Option("--ch5", help="Also write CellH5 files.")] = False,
    tables: Annotated[
        bool, typer.Option("--tables", help="Also write CSV, TSV and TXT tables.")
    ] = False,
    workers: DaskWorkers = None,
    scheduler: Scheduler = None,
) -> None:
    """Generate TIFF files of nuclei, and CellH5 files and tables with the same content."""
    from platebench.images.fixtures import make_fixtures
    from platebench.running.progress import FixtureBar

    with dask_workers(workers, scheduler) as started, FixtureBar(errors) as bar:
        made = make_fixtures(
            out,
            images,
            profile.value,
            seed,
            ch5=ch5,
            tables=tables,
            progress=bar.update,
            workers=started,
        )
    console.print(f"{images} images in {made}", highlight=False, soft_wrap=True)
