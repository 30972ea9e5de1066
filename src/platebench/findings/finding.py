"""A finding: its description, its sources, and a function that reproduces it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

Fact = int | str | list[int]
"""A count or a name: bytes, rows, a shape, a type. Never a time, which is not reproducible."""


class Kind(StrEnum):
    """Category of a finding, in listing order."""

    LOST_DATA = "lost data"
    READ_MORE = "read more than was asked for"
    MORE_BYTES = "more bytes than the pixels"
    OTHER_ANSWER = "another answer than expected"
    CHANGED = "changed between versions"


@dataclass(frozen=True)
class Source:
    """A reference: a short label, and the address of the issue or page."""

    says: str
    address: str


@dataclass(frozen=True)
class Observation:
    """Facts that a demonstration observed, and whether they agree with the finding."""

    facts: Mapping[str, Fact]
    holds: bool


Demonstration = Callable[[Path], Observation]
"""Function that reproduces a finding on small images in an empty folder.

Raises Unsupported if a library is too old for it.
"""


@dataclass(frozen=True)
class Finding:
    """One finding.

    `libraries` are the distributions whose versions it depends on, `formats` the names of the
    storage formats that it is about. `happens` describes it and `instead` the workaround. `done`
    lists the calls of `show`. A finding without `show` needs other library versions than those
    installed; `command` then reproduces it. A finding with both needs `command` only for the
    comparison with other versions.
    """

    name: str
    title: str
    kind: Kind
    libraries: Sequence[str]
    formats: Sequence[str]
    happens: str
    instead: str
    sources: Sequence[Source] = ()
    done: str = ""
    show: Demonstration | None = None
    command: str = ""

    @property
    def commands(self) -> list[str]:
        """Commands that reproduce the finding."""
        here = [f"platebench findings {self.name}"] if self.show else []
        return here + ([self.command] if self.command else [])
