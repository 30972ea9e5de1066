"""The command `platebench findings`."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from platebench.commands.shared import FAILED, console, say, tell


def findings_command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Findings to reproduce; without a name, list all.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Reproduce every finding.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List cases where a library lost data, read too much or changed, and reproduce them here.

    Exit status 1 if a finding does not hold with the installed libraries.
    """
    from platebench.findings.printed import as_lines, as_list
    from platebench.findings.registry import FINDINGS, findings_named
    from platebench.findings.run import FindingRun, run_finding

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
    shown: list[FindingRun] = []
    for finding in chosen:
        shown.append(run_finding(finding))
        if not as_json:
            console.print(as_lines(shown[-1]), highlight=False)
            say(f"$ {finding.command}\n" if finding.command else "")
    if as_json:
        records = [each.as_record() for each in shown]
        sys.stdout.write(json.dumps(records, indent=1) + "\n")
    gone = [each.finding.name for each in shown if each.holds is False]
    if gone:
        tell(f"platebench: not reproduced here: {', '.join(gone)}")
        raise typer.Exit(FAILED)
