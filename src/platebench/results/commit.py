"""The commit that was measured."""

from __future__ import annotations

from dataclasses import dataclass

CHANGES = "+changes"
"""Suffix of a commit whose files have uncommitted changes."""


@dataclass(frozen=True)
class Commit:
    """A commit, with its date in milliseconds since 1970, as asv has it."""

    hash: str
    date_ms: int
    changed: bool

    @property
    def name(self) -> str:
        """The hash, with a suffix for uncommitted changes."""
        return f"{self.hash}{CHANGES}" if self.changed else self.hash
