"""The commit that was measured."""

from __future__ import annotations

from dataclasses import dataclass

CHANGES = "+changes"
"""What is added to the name of a commit whose files were changed since."""


@dataclass(frozen=True)
class Commit:
    """A commit, and when it was made, in milliseconds since 1970 as asv counts."""

    hash: str
    date_ms: int
    changed: bool

    @property
    def name(self) -> str:
        """The hash; with changes that no commit holds, under a name of its own."""
        return f"{self.hash}{CHANGES}" if self.changed else self.hash
