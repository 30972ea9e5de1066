"""`platebench findings`, which lists what was found and shows it again."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

FAILED = 1

_AS_IT_IS: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}

console = Console()
errors = Console(stderr=True)


def findings_command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Findings to show again; none lists them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show every finding again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON list.")] = False,
) -> None:
    """List where a library lost data, read too much or changed, or show it again here.

    Exit status 1 if one is not so, or no longer, with the libraries installed here.
    """
    from platebench.findings.printed import as_lines, as_list
    from platebench.findings.registry import FINDINGS, findings_named
    from platebench.findings.run import Shown, show

    chosen = list(FINDINGS) if everything else findings_named(names or [])
    if not chosen:
        if as_json:
            listed = [
                {
                    "name": each.name,
                    "kind": each.kind.value,
                    "libraries": list(each.libraries),
                    "title": each.title,
                }
                for each in FINDINGS
            ]
            sys.stdout.write(json.dumps(listed, indent=1) + "\n")
        else:
            console.print(as_list(FINDINGS), highlight=False)
        return
    shown: list[Shown] = []
    for finding in chosen:
        shown.append(show(finding))
        if not as_json:
            console.print(as_lines(shown[-1]), highlight=False)
            console.print(f"$ {finding.command}\n" if finding.command else "", **_AS_IT_IS)
    if as_json:
        records = [each.as_record() for each in shown]
        sys.stdout.write(json.dumps(records, indent=1) + "\n")
    gone = [each.finding.name for each in shown if each.holds is False]
    if gone:
        errors.print(f"platebench: not so here: {', '.join(gone)}", **_AS_IT_IS)
        raise typer.Exit(FAILED)
