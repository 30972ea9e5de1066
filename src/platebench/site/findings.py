"""The findings: what libraries did to images, with the command that reproduces it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from platebench.findings.finding import Finding
from platebench.findings.printed import as_text
from platebench.findings.registry import FINDINGS
from platebench.site.section import Section, render

KEPT = "findings.json"
"""In docs/: the last kept output of `platebench findings --all --json`."""


@dataclass(frozen=True)
class _Told:
    """A finding, the versions it was seen on, and its facts by label.

    `holds` is None if it was not reproduced; `why_not` has the reason.
    """

    finding: Finding
    versions: str
    seen: Sequence[tuple[str, str]]
    holds: bool | None
    why_not: str


def section(docs: Path) -> Section:
    """Return the findings by kind, with their facts from `docs`.

    None of them is reproduced here. A finding without kept facts says so.
    """
    kept = _kept(docs / KEPT)
    told = [_told(finding, kept.get(finding.name)) for finding in FINDINGS]
    by_kind = groupby(told, key=lambda each: each.finding.kind.value)
    html = render("findings.html", kinds=[(kind, list(alike)) for kind, alike in by_kind])
    return Section("findings", "Findings", html)


def _kept(file: Path) -> Mapping[str, Mapping[str, Any]]:
    if not file.exists():
        return {}
    return {record["name"]: record for record in json.loads(file.read_text())}


def _told(finding: Finding, record: Mapping[str, Any] | None) -> _Told:
    if record is None:
        return _Told(finding, "", (), None, "no result is kept")
    return _Told(
        finding,
        ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        [(label, as_text(fact)) for label, fact in record["facts"].items()],
        record["holds"],
        record["why_not"],
    )
