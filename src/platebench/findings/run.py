"""A finding shown again on the libraries installed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from platebench.errors import Unsupported
from platebench.findings.finding import Demonstration, Fact, Finding, Seen
from platebench.optional import how_to_get, installed_version, missing
from platebench.temporary import temporary_folder


@dataclass(frozen=True)
class Shown:
    """What came of a finding here.

    `holds` is None when it was not tried; `why_not` then says why. `versions` are those of the
    finding's libraries that are installed.
    """

    finding: Finding
    versions: Mapping[str, str]
    holds: bool | None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    why_not: str = ""

    def as_record(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
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


def show(finding: Finding) -> Shown:
    """Show a finding in a folder of its own, which is gone afterwards.

    One that ends in an error which it does not foresee is not so here, and the error is its fact.
    """
    versions = {name: version for name in finding.libraries if (version := installed_version(name))}
    absent = missing(*finding.libraries)
    if absent:
        return Shown(finding, versions, None, why_not=how_to_get(absent))
    if finding.show is None:
        return Shown(finding, versions, None, why_not="needs other versions of the libraries")
    try:
        seen = _seen(finding.show)
    except Unsupported as reason:
        return Shown(finding, versions, None, why_not=str(reason))
    return Shown(finding, versions, seen.holds, seen.facts)


def _seen(demonstration: Demonstration) -> Seen:
    with temporary_folder() as folder:
        try:
            return demonstration(folder)
        except (Unsupported, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic in a library of Rust is no Exception
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the machine's, such as a full disk, not a library's
            return Seen({"ended with": f"{type(error).__name__}: {error}"}, holds=False)
