"""The command `platebench look`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platebench.commands.shared import console
from platebench.errors import UserError
from platebench.ownership import PACKAGE_MANIFEST

if TYPE_CHECKING:
    import pandas as pd


def look_command(
    store: Annotated[
        Path,
        typer.Argument(
            help="A package, a store's folder, a Parquet, IPC or Lance file, or TIFF files."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path(
        "look.html"
    ),
    rows: Annotated[int, typer.Option(min=1, max=100, help="Rows on the page.")] = 100,
) -> None:
    """Write an HTML page with the first rows of a table and thumbnails of its images."""
    from platebench.atomic_files import check_output
    from platebench.viewing.look import Look

    check_output(out)
    if out.exists() and store.exists() and out.samefile(store):
        raise UserError(f"{out}: this is the input; choose another file with -o")
    frame, total = _first_rows(store, rows)
    page = Look(frame, rows, total).save(out)
    size = page.stat().st_size / 1e6
    name = os.fsencode(page).decode(errors="replace")
    console.print(
        f"{name}: {min(rows, total)} of {total} rows, {size:.1f} MB",
        highlight=False,
        soft_wrap=True,
    )


def _first_rows(store: Path, rows: int) -> tuple[pd.DataFrame, int]:
    """Return the first rows, with images, and the number of all rows."""
    from platebench.optional import require
    from platebench.packages.located import locate
    from platebench.packages.opened import OpenPackage
    from platebench.viewing.opened import open_table

    require("look", "pandas")
    try:
        is_package = (store / PACKAGE_MANIFEST).is_file()
    except OSError:  # an overlong name, for instance, of which open_table says more
        is_package = False
    if not is_package:
        return open_table(store, rows)
    with OpenPackage(locate(store)) as package:
        return package.first_images(rows), len(package)
