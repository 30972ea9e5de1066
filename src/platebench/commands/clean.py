"""The command `platebench clean`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from platebench.commands.shared import console


def clean_command(
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove it. Without this option it is only listed.")
    ] = False,
    older_than: Annotated[
        float, typer.Option(min=0, help="Only what was not changed for this many days.")
    ] = 0.0,
) -> None:
    """List the content of the work folder with size and age; --yes removes it.

    platebench makes it again when needed. Results are kept elsewhere and are not removed.
    """
    from platebench.limits import gigabytes
    from platebench.running.cleaning import disk_bytes, free, kept, unmarked
    from platebench.running.places import home
    from platebench.timing.workspace import Workspace

    work = home().work
    workspace = Workspace.here(work)
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
    for folder in unmarked(work.parent):
        console.print(
            f"{folder}: {gigabytes(disk_bytes(folder))}, left by an older version of platebench;"
            " remove it yourself if you do not need it",
            highlight=False,
            soft_wrap=True,
        )
