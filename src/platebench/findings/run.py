"""Reproduce a finding with the installed libraries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from platebench.errors import Unsupported
from platebench.findings.finding import Demonstration, Fact, Finding, Observation
from platebench.optional import how_to_get, installed_version, missing
from platebench.temporary import temporary_folder


@dataclass(frozen=True)
class FindingRun:
    """Result of reproducing a finding here.

    `holds` is None if it was not run; `why_not` is then the reason. `versions` are the installed
    versions of the finding's libraries.
    """

    finding: Finding
    versions: Mapping[str, str]
    holds: bool | None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    why_not: str = ""

    def as_record(self) -> dict[str, Any]:
        """Return the result and the finding as a JSON-compatible dict."""
        finding = self.finding
        return {
            "name": finding.name,
            "kind": finding.kind.value,
            "title": finding.title,
            "happens": finding.happens,
            "instead": finding.instead,
            "sources": [asdict(source) for source in finding.sources],
            "versions": dict(self.versions),
            "done": finding.done,
            "facts": dict(self.facts),
            "holds": self.holds,
            "why_not": self.why_not,
            "commands": finding.commands,
        }


def run_finding(finding: Finding) -> FindingRun:
    """Reproduce a finding in a temporary folder.

    A finding that ends with an unexpected error does not hold, and the error is its fact.
    """
    versions = {name: version for name in finding.libraries if (version := installed_version(name))}
    absent = missing(*finding.libraries)
    if absent:
        return FindingRun(finding, versions, None, why_not=how_to_get(absent))
    if finding.show is None:
        return FindingRun(finding, versions, None, why_not="needs other versions of the libraries")
    try:
        seen = _seen(finding.show)
    except Unsupported as reason:
        return FindingRun(finding, versions, None, why_not=str(reason))
    return FindingRun(finding, versions, seen.holds, seen.facts)


def _seen(demonstration: Demonstration) -> Observation:
    with temporary_folder() as folder:
        try:
            return demonstration(folder)
        except (Unsupported, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a Rust panic is not an Exception
            if isinstance(error, OSError) and error.errno is not None:
                raise  # an error of the machine, such as a full disk
            return Observation({"ended with": f"{type(error).__name__}: {error}"}, holds=False)
