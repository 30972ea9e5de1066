"""The command `platebench look`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from platebench.commands.shared import console
from platebench.errors import UserError


def look_command(
    store: Annotated[
        Path,
        typer.Argument(help="A store's folder, a Parquet, IPC or Lance file, or TIFF files."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path(
        "look.html"
    ),
    rows: Annotated[int, typer.Option(min=1, max=100, help="Rows on the page.")] = 100,
) -> None:
    """Write an HTML page with the first rows of a table and thumbnails of its images."""
    from platebench.atomic_files import check_output
    from platebench.viewing.look import Look
    from platebench.viewing.opened import open_table

    check_output(out)
    if out.exists() and store.exists() and out.samefile(store):
        raise UserError(f"{out}: this is the input; choose another file with -o")
    frame, total = open_table(store, rows)
    page = Look(frame, rows, total).save(out)
    size = page.stat().st_size / 1e6
    name = os.fsencode(page).decode(errors="replace")
    console.print(
        f"{name}: {min(rows, total)} of {total} rows, {size:.1f} MB",
        highlight=False,
        soft_wrap=True,
    )
