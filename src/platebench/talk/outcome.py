"""Outcome of a step of the talk: then, now, and what is expected of these libraries."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

LIBRARIES = (
    "lancedb",
    "pylance",
    "pyarrow",
    "pandas",
    "numpy",
    "awkward",
    "duckdb",
    "tifffile",
    "scikit-image",
    "pillow",
)
"""Distributions whose versions determine the outcomes."""


@dataclass(frozen=True)
class Expected:
    """One expectation: a statement, the library versions it applies to, and whether it held.

    If `timed`, it also depends on the load of the machine.
    """

    statement: str
    versions: str
    holds: bool
    timed: bool = False


@dataclass(frozen=True)
class Outcome:
    """Outcome of one step.

    `calls` lists the calls, `then` says what happened in 2024, and `now` what happens here.
    `facts` are the same results as JSON-compatible values.
    """

    step: int
    title: str
    calls: str
    then: str
    now: Sequence[str]
    expected: Sequence[Expected]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """True if all expectations held."""
        return all(each.holds for each in self.expected)


@dataclass(frozen=True)
class Talk:
    """Outcomes of all steps in one environment, and its library versions by distribution."""

    images: str
    libraries: Mapping[str, str]
    outcomes: Sequence[Outcome]

    @property
    def holds(self) -> bool:
        """True if all expectations of all steps held."""
        return all(outcome.holds for outcome in self.outcomes)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Talk:
        """Build a talk from the result of `dataclasses.asdict`."""
        outcomes = [
            Outcome(**{**each, "expected": [Expected(**one) for one in each["expected"]]})
            for each in content["outcomes"]
        ]
        return cls(content["images"], content["libraries"], outcomes)


ANY = "every version tried, since 2024"
"""Versions of an expectation that does not depend on the version."""


def library_versions() -> dict[str, str]:
    """Return the installed version of each of LIBRARIES."""
    return {name: metadata.version(name) for name in LIBRARIES}


def version_of(library: str) -> tuple[int, ...]:
    """Return the version of a library as integers, such as (0, 14, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", metadata.version(library))[:3])
