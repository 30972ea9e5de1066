"""What a step of the talk comes to: then, now, and what was expected of these libraries."""

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
"""The distributions whose versions decide what a step comes to."""


@dataclass(frozen=True)
class Expected:
    """One expectation: what it says, which library versions it is said of, whether it held.

    One that is `timed` depends on the machine's mood too.
    """

    says: str
    of: str
    holds: bool
    timed: bool = False


@dataclass(frozen=True)
class Outcome:
    """What one step came to.

    `done` is what was called; `then` what happened in 2024; `now` what happens here, a sentence
    each; `facts` the same as numbers and words, JSON-ready, for tables over library versions.
    """

    step: int
    title: str
    done: str
    then: str
    now: Sequence[str]
    expected: Sequence[Expected]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether all expectations held."""
        return all(each.holds for each in self.expected)


@dataclass(frozen=True)
class Talk:
    """The outcome of every step on one set of libraries, named by distribution and version."""

    images: str
    libraries: Mapping[str, str]
    outcomes: Sequence[Outcome]

    @property
    def holds(self) -> bool:
        """Whether every step came out as expected."""
        return all(outcome.holds for outcome in self.outcomes)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Talk:
        """Return the talk that `dataclasses.asdict` took apart."""
        outcomes = [
            Outcome(**{**each, "expected": [Expected(**one) for one in each["expected"]]})
            for each in content["outcomes"]
        ]
        return cls(content["images"], content["libraries"], outcomes)


ANY = "every version tried, since 2024"
"""What an expectation is said of when no version made a difference."""


def library_versions() -> dict[str, str]:
    """Return the version of each of LIBRARIES that is installed."""
    return {name: metadata.version(name) for name in LIBRARIES}


def version_of(library: str) -> tuple[int, ...]:
    """Return a library's version as numbers: (0, 14, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", metadata.version(library))[:3])
