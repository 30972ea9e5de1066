"""The command `platebench pack`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from platebench.commands.packaged import (
    DaskWorkers,
    Jobs,
    Originals,
    Pattern,
    Resume,
    Scheduler,
    counted,
    dask_workers,
    name_left_out,
    name_not_packed,
    progress,
    resumable,
    say_not_kept,
)
from platebench.commands.shared import say


class OnError(StrEnum):
    """What to do about a broken file."""

    stop = "stop"
    skip = "skip"


def pack_command(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Folders, TIFF, CH5, OME-Zarr, or an OME-IRIS manifest.", metavar="SOURCE..."
        ),
    ],
    destination: Annotated[Path, typer.Argument(help="The new package.", metavar="DEST")],
    store: Annotated[
        str | None,
        typer.Option(
            help="FORMAT:LAYOUT:TUNING. Default: the balanced choice of 'platebench advise' for"
            " SOURCE; if that was not run, of the reference run."
        ),
    ] = None,
    jobs: Jobs = None,
    workers: DaskWorkers = None,
    scheduler: Scheduler = None,
    on_error: Annotated[
        OnError,
        typer.Option(
            help="stop: a broken file ends it. skip: decode every image first, leave broken files"
            " out, list them, and exit with 1."
        ),
    ] = OnError.stop,
    originals: Originals = False,
    resume: Resume = False,
    name: Annotated[str, typer.Option(help="Name of the package. Default: the source's.")] = "",
    licence: Annotated[str, typer.Option(help="Such as CC-BY-4.0.")] = "",
    citation: Annotated[str, typer.Option(help="How to cite the data.")] = "",
    author: Annotated[str, typer.Option(help="Who made the data.")] = "",
    pattern: Pattern = None,
) -> None:
    """Pack folders of images, tables and other files into one package that can be checked.

    TIFF, OME-TIFF, OME-Zarr and CH5 become images. CSV, TSV and TXT files become tables, gzipped
    and in ZIP archives too. All files that hold no images are kept byte for byte. SOURCE is never
    changed. DEST is whole or not there.
    """
    from platebench.images.folder import FolderImages
    from platebench.limits import gigabytes
    from platebench.packages.pack import PackSettings, pack
    from platebench.running.places import kept_advice
    from platebench.stores.name import StoreName

    def advised(images: FolderImages) -> StoreName | None:
        from platebench.packages.default_store import choose  # imports SciPy, which takes 0.4 s

        chosen = choose(sources, images, kept_advice())
        if chosen is None:
            return None
        say(f"Store {chosen.why}")
        return chosen.store

    settings = PackSettings(
        choose=advised,
        store=StoreName.parse(store) if store else None,
        jobs=jobs,
        on_error="skip" if on_error is OnError.skip else "stop",
        originals=originals,
        resume=resume,
        name=name,
        licence=licence,
        citation=citation,
        author=author,
        pattern=pattern,
    )
    command = shlex.join(["platebench", *(each for each in sys.argv[1:] if each != "--resume")])
    with (
        resumable(command),
        dask_workers(workers, scheduler, jobs) as started,
        progress() as show,
    ):
        packed = pack(sources, destination, replace(settings, workers=started), show)
    manifest = packed.package.manifest
    size = sum(file.size for file in manifest.files)
    parts = [
        counted(manifest.images, "image"),
        counted(len(manifest.tables), "table"),
        f"{counted(len(manifest.newest.sources), 'other file')} byte for byte",
    ]
    say(f"{destination}: {', '.join(parts)}; {gigabytes(size)}, {manifest.store}")
    for note in packed.notes:
        say(f"{note[0].upper()}{note[1:]}")
    for table in manifest.tables:
        keys = f"joined by {', '.join(table.keys)}" if table.keys else "has no key of an image"
        say(f"Table {table.name}: {counted(table.rows, 'row')}, {keys}")
    say_not_kept(packed.planes_only, manifest.digest_of == "file")
    name_not_packed(manifest.left_out[: len(manifest.left_out) - len(packed.refused)])
    name_left_out(packed.refused)
