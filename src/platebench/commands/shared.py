"""What several commands share: the consoles, common options, and how a result is printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from platebench.errors import UserError

if TYPE_CHECKING:
    from platebench.results.tidy import CellResult

FAILED = 1
"""Exit status when a cell, a step or a finding is not as it should be."""
HELP = {"help_option_names": ["-h", "--help"]}

Results = Annotated[
    Path | None,
    typer.Option(
        "--results",
        help="Folder of runs. Default: .platebench/results in a checkout, your data folder"
        " elsewhere.",
    ),
]

console = Console()
errors = Console(stderr=True)


def split(text: str | None) -> list[str]:
    """Split at commas. Empty parts are left out."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def split_images(text: str) -> list[str]:
    """Split at commas, unless the whole text is an existing file or folder."""
    return [text] if text and Path(text).exists() else split(text)


def share(text: str) -> float:
    """Return 0.05 for 5% or 0.05. Raises UserError for any other text."""
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = 0.0
    if not 0 < number < 1:
        raise UserError(f"{text}: give a share such as 5% or 0.05")
    return number


def say(line: str) -> None:
    """Print one line as it is, without wrapping it."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def say_where(path: Path) -> None:
    """Print where the records of a run are."""
    from platebench.running.places import shown

    say(f"Kept in {shown(path)}")


def tell(line: str, style: str = "") -> None:
    """Print one line to standard error, with unprintable characters as escapes."""
    line = "".join(
        each if each.isprintable() else each.encode("unicode_escape", "replace").decode()
        for each in line.encode(errors="backslashreplace").decode()
    )
    errors.print(line, style=style, highlight=False, markup=False, soft_wrap=True)


def complain(message: str) -> None:
    """Print an error in one line."""
    tell(f"platebench: {message}", style="red")


def exit_by(cells: list[CellResult]) -> None:
    """Exit with status FAILED if a cell failed, and name the first."""
    failed = [cell for cell in cells if cell.status == "failed"]
    if failed:
        first = failed[0]
        detail = f" {first.detail}" if first.detail else ""
        complain(
            f"{len(failed)} of {len(cells)} cells failed; the first: {first.operation}{detail} of"
            f" {first.store}: {first.message}"
        )
        raise typer.Exit(FAILED)
