"""The command `platebench stores`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from platebench.commands.shared import console, errors, say, split
from platebench.errors import UserError


def stores_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    formats: Annotated[
        str | None,
        typer.Option(
            "--install",
            metavar="FORMAT,...",
            help="Install what these formats need into this environment. What is installed keeps"
            " its version.",
        ),
    ] = None,
) -> None:
    """List the stores, why some cannot be measured here, and what opens their files.

    A store is FORMAT:LAYOUT:TUNING. `default` is what the library's quick start gives, `fast` the
    best known for speed, `small` for size. `balanced` is for daily work: images that are read one
    by one, lightly compressed. A tuning that would change nothing is not listed. At the end are the
    formats that were left out, and why.
    """
    from platebench.stores import registry
    from platebench.stores.left_out import LEFT_OUT

    if formats is not None:
        _install(split(formats))
        return
    stores = [(each, name) for each in registry.FORMATS for name in each.stores]
    if as_json:
        rows = [
            {
                "name": str(name),
                "native_versions": each.native_versions,
                "opened_by": each.openers(name),
                "why_not": registry.why_not(name),
            }
            for each, name in stores
        ]
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    table = Table(box=None)
    for head in ("store", "versions", "here", "opened by"):
        table.add_column(head)
    reasons: dict[str, list[str]] = {}
    for each, name in stores:
        versions = "native" if each.native_versions else "part list"
        why_not = registry.why_not(name)
        if why_not:
            reasons.setdefault(why_not, []).append(str(name))
        table.add_row(
            str(name), versions, "no" if why_not else "yes", ", ".join(each.openers(name))
        )
    console.print(table)
    say("Versions: native, by the format itself; part list, by platebench's list of files.")
    for why_not, absent in reasons.items():
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        say(f"{absent[0]}{more}: {why_not}")
    formats_absent = sorted({each.name for each, name in stores if registry.why_not(name)})
    if formats_absent:
        say(f"To install what they need: platebench stores --install {','.join(formats_absent)}")
    say("Formats that were looked at and left out:")
    for left_out in LEFT_OUT:
        say(f"{left_out.title}: {left_out.why}")


def _install(names: list[str]) -> None:
    """Install what formats need, one after another; nothing if one of the names is wrong."""
    from platebench.running.checkout import find_checkout
    from platebench.running.installing import format_named, install, lacking

    if not names:
        raise UserError("--install needs the name of a format; 'platebench stores' lists them")
    try:
        constraints = find_checkout(Path(__file__)) / "constraints.txt"
    except UserError:
        constraints = None
    wanted = {name: lacking(format_named(name)) for name in names}
    for name, requirements in wanted.items():
        if not requirements:
            say(f"{name}: all that it needs is installed")
            continue
        with errors.status(f"Installing {', '.join(requirements)}"):
            install(requirements, constraints)
        say(f"{name}: installed {', '.join(requirements)}")
