"""The commands `platebench versions list`, `add` and `restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from platebench.commands.packaged import (
    Jobs,
    Originals,
    PackageFolder,
    Pattern,
    counted,
    name_not_packed,
    progress,
)
from platebench.commands.shared import HELP, say

versions_app = typer.Typer(
    help="List the versions of a package, add one, or go back to one.",
    no_args_is_help=True,
    context_settings=HELP,
)


@versions_app.command("list", epilog="Example: platebench versions list plate1.package")
def list_command(package: PackageFolder) -> None:
    """List the versions of a package, oldest first."""
    from platebench.packages.manifest import read_manifest

    manifest = read_manifest(package)
    for each in manifest.versions:
        parts = [counted(each.images, "image"), counted(len(each.tables), "table"), each.note]
        say(f"{each.number:>4}  {each.created}  {', '.join(parts)}")


@versions_app.command("add", epilog="Example: platebench versions add plate1.package plate2")
def add_command(
    package: PackageFolder,
    sources: Annotated[
        list[Path],
        typer.Argument(help="Folders, OME-Zarr, or TIFF and CH5 files.", metavar="SOURCE..."),
    ],
    jobs: Jobs = None,
    originals: Originals = False,
    pattern: Pattern = None,
) -> None:
    """Add images, rows of tables and files as a new version. Older versions stay readable."""
    from platebench.packages.manifest import read_manifest
    from platebench.packages.versions import add

    before = len(read_manifest(package).left_out)
    with progress() as show:
        version = add(package, sources, jobs, originals, pattern, show)
    say(f"{package}: version {version.number} has {counted(version.images, 'image')}")
    name_not_packed(read_manifest(package).left_out[before:])


@versions_app.command("restore", epilog="Example: platebench versions restore plate1.package 1")
def restore_command(
    package: PackageFolder,
    version: Annotated[int, typer.Argument(min=1, help="The number of the version.")],
) -> None:
    """Make an old version the newest again. No image is copied, and no version is lost."""
    from platebench.packages.versions import restore

    made = restore(package, version)
    say(f"{package}: version {made.number} is version {version} again")
