"""The command `platebench talk`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platebench.atomic_files import check_output
from platebench.commands.shared import FAILED, console, tell
from platebench.errors import UserError
from platebench.optional import require
from platebench.running.checkout import find_checkout

if TYPE_CHECKING:
    from platebench.talk.dataset import Dataset
    from platebench.talk.outcome import Talk


def talk_command(
    images: Annotated[
        Path | None,
        typer.Argument(help="A folder of TIFF files. Without it, two images are generated."),
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            help="Also use other libraries: then (2024), between (2025), or pins. Repeatable."
        ),
    ] = None,
    chart: Annotated[
        Path | None, typer.Option(help="With --over: write a chart of the claims here, as SVG.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the outcomes as JSON, by environment.")
    ] = False,
) -> None:
    """Repeat the 2024 talk: every step, with what happened then and what happens now.

    Exit status 1 if a step differs from what is expected of these libraries.
    """
    from platebench.talk.outcome import LIBRARIES

    require("the talk", *LIBRARIES)
    if chart is not None:
        _check_chart(chart, over)
    from platebench.talk.environments import TODAY, parse_environment
    from platebench.temporary import temporary_folder

    for environment in over or []:
        parse_environment(environment)
    with temporary_folder() as scratch:
        dataset = _dataset(images, scratch)
        talks = _elsewhere(over or [], dataset)
        talks[TODAY] = _here(dataset, scratch, quiet=as_json)
    if as_json:
        sys.stdout.write(
            json.dumps({environment: asdict(talk) for environment, talk in talks.items()}) + "\n"
        )
    elif over:
        _print_claims(talks)
    if chart is not None:
        from platebench.talk.claims import save_chart

        save_chart(talks, chart)
    _exit_by(talks)


def _check_chart(chart: Path, over: list[str] | None) -> None:
    """Raise UserError for a chart that could not be written after the talk."""
    if not over or chart.suffix != ".svg":
        raise UserError(f"{chart}: a chart needs --over and a file name that ends in .svg")
    check_output(chart)
    require("a chart", "altair", "vl-convert-python")


def _dataset(images: Path | None, scratch: Path) -> Dataset:
    from platebench.talk.dataset import folder_dataset, generated_dataset

    if images is None:
        return generated_dataset(scratch / "images")
    return folder_dataset(images, scratch)


def _here(dataset: Dataset, scratch: Path, quiet: bool) -> Talk:
    from platebench.talk.outcome import library_versions
    from platebench.talk.printed import as_lines, as_versions
    from platebench.talk.steps import give_talk

    if quiet:
        return give_talk(dataset, scratch)
    console.print(as_versions(library_versions()), "")
    return give_talk(dataset, scratch, lambda outcome: console.print(as_lines(outcome)))


def _elsewhere(over: list[str], dataset: Dataset) -> dict[str, Talk]:
    from platebench.talk.environments import common_folder, environment_python, give_talk_with
    from platebench.timing.workspace import Workspace

    if not over:
        return {}
    checkout = find_checkout(Path.cwd())
    work = Workspace.of(checkout).own().root
    talks = {}
    for environment in over:
        python = environment_python(environment, checkout, work, tell)
        tell(f"repeating the talk with the libraries of {environment}")
        talks[environment] = give_talk_with(python, common_folder(dataset))
    return talks


def _print_claims(talks: Mapping[str, Talk]) -> None:
    from platebench.talk.claims import as_table

    console.print(as_table(talks))


def _exit_by(talks: Mapping[str, Talk]) -> None:
    from platebench.talk.printed import failures

    failed = [
        f"{environment}, {failure}"
        for environment, talk in talks.items()
        for failure in failures(talk)
    ]
    if failed:
        tell(f"platebench: {len(failed)} results are not as expected: {'; '.join(failed)}")
        raise typer.Exit(FAILED)
