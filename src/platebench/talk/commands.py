"""`platebench talk`, which gives the talk again."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from platebench.errors import UserError
from platebench.optional import require
from platebench.ownership import check_output
from platebench.running.checkout import find_checkout

if TYPE_CHECKING:
    from platebench.talk.dataset import Material
    from platebench.talk.outcome import Talk

FAILED = 1

console = Console()
errors = Console(stderr=True)


def talk_command(
    images: Annotated[
        Path | None, typer.Argument(help="A folder of TIFF files; else two are generated.")
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            help="Give it on other libraries too: then (2024), between (2025), or pins; repeat."
        ),
    ] = None,
    chart: Annotated[
        Path | None, typer.Option(help="With --over: draw the claims here, as SVG.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Outcomes as JSON, by age.")] = False,
) -> None:
    """Give the 2024 talk again: every step, what happened then and what happens now.

    Exit status 1 if a step does not come out as expected of these libraries.
    """
    from platebench.talk.outcome import LIBRARIES

    require("the talk", *LIBRARIES)
    if chart is not None:
        _check_chart(chart, over)
    from platebench.talk.environments import TODAY, check_age
    from platebench.temporary import temporary_folder

    for age in over or []:
        check_age(age)
    with temporary_folder() as scratch:
        material = _material(images, scratch)
        talks = _elsewhere(over or [], material)
        talks[TODAY] = _here(material, scratch, quiet=as_json)
    if as_json:
        sys.stdout.write(json.dumps({age: asdict(talk) for age, talk in talks.items()}) + "\n")
    elif over:
        _print_claims(talks)
    if chart is not None:
        from platebench.talk.claims import save_chart

        save_chart(talks, chart)
    _exit_by(talks)


def _check_chart(chart: Path, over: list[str] | None) -> None:
    """Raise UserError now for a chart that could not be drawn after the talk."""
    if not over or chart.suffix != ".svg":
        raise UserError(f"{chart}: a chart needs --over, and the name of an .svg in a folder")
    check_output(chart)
    require("a chart", "altair", "vl-convert-python")


def _material(images: Path | None, scratch: Path) -> Material:
    from platebench.talk.dataset import folder_material, generated_material

    if images is None:
        return generated_material(scratch / "images")
    return folder_material(images, scratch)


def _here(material: Material, scratch: Path, quiet: bool) -> Talk:
    from platebench.talk.outcome import library_versions
    from platebench.talk.printed import as_lines, as_versions
    from platebench.talk.steps import give_talk

    if quiet:
        return give_talk(material, scratch)
    console.print(as_versions(library_versions()), "")
    return give_talk(material, scratch, lambda outcome: console.print(as_lines(outcome)))


def _elsewhere(over: list[str], material: Material) -> dict[str, Talk]:
    from platebench.talk.environments import folder_of, give_talk_with, python_of
    from platebench.timing.workspace import Workspace

    if not over:
        return {}
    checkout = find_checkout(Path.cwd())
    work = Workspace.of(checkout).own().root
    talks = {}
    for age in over:
        python = python_of(age, checkout, work, _say)
        _say(f"giving the talk on the libraries of {age}")
        talks[age] = give_talk_with(python, folder_of(material))
    return talks


def _print_claims(talks: Mapping[str, Talk]) -> None:
    from platebench.talk.claims import as_table

    console.print(as_table(talks))


def _say(line: str) -> None:
    errors.print(line, highlight=False, markup=False, soft_wrap=True)


def _exit_by(talks: Mapping[str, Talk]) -> None:
    from platebench.talk.printed import failures

    failed = [f"{age}, {failure}" for age, talk in talks.items() for failure in failures(talk)]
    if failed:
        _say(f"platebench: {len(failed)} not as expected: {'; '.join(failed)}")
        raise typer.Exit(FAILED)
