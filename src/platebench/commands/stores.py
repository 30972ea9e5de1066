"""The command `platebench stores`."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.table import Table

from platebench.commands.shared import console


def stores_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the stores, and why some cannot be measured here.

    A store is FORMAT:LAYOUT:TUNING. `default` is what the library's quick start gives, `fast` the
    best known for speed, `small` for size. `balanced` is for daily work: images that are read one
    by one, lightly compressed. A tuning that would change nothing is not listed.
    """
    from platebench.stores import registry

    rows = [
        {
            "name": str(name),
            "native_versions": each.native_versions,
            "why_not": registry.why_not(name),
        }
        for each in registry.FORMATS
        for name in each.stores
    ]
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    table = Table(box=None)
    for head in ("store", "native versions", "here"):
        table.add_column(head)
    for row in rows:
        here = str(row["why_not"] or "yes")
        table.add_row(str(row["name"]), "yes" if row["native_versions"] else "", here)
    console.print(table)
