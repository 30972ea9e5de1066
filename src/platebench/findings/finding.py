"""What a finding is: words, where they come from, and a function that shows it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

Fact = int | str | list[int]
"""Something counted or named: bytes, rows, a shape, a type. Never a time."""


class Kind(StrEnum):
    """What sort of thing was found, in the order in which findings are listed."""

    LOST_DATA = "lost data"
    READ_MORE = "read more than was asked for"
    MORE_BYTES = "more bytes than the pixels"
    OTHER_ANSWER = "another answer than expected"
    CHANGED = "changed between versions"


@dataclass(frozen=True)
class Source:
    """Where something is said of it: a few words, and the address of the issue or page."""

    says: str
    address: str


@dataclass(frozen=True)
class Seen:
    """What a demonstration saw, and whether that is what the finding says."""

    facts: Mapping[str, Fact]
    holds: bool


Demonstration = Callable[[Path], Seen]
"""Does it on small images in an empty folder.

Raises Unsupported where a library is too old to have what the finding is of.
"""


@dataclass(frozen=True)
class Finding:
    """One finding.

    `libraries` are the distributions whose versions decide it. `done` says what `show` calls; a
    finding without `show` needs libraries other than those installed, and `command` is what shows
    it. `command` stands beside `show` where only the comparison with other versions is missing.
    """

    name: str
    title: str
    kind: Kind
    libraries: Sequence[str]
    happens: str
    instead: str
    sources: Sequence[Source] = ()
    done: str = ""
    show: Demonstration | None = None
    command: str = ""

    @property
    def commands(self) -> list[str]:
        """The commands that show it again, whole."""
        here = [f"platebench findings {self.name}"] if self.show else []
        return here + ([self.command] if self.command else [])
