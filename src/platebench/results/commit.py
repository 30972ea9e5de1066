"""The commit that was measured."""

from __future__ import annotations

from dataclasses import dataclass

CHANGES = "+changes"
"""Suffix of a commit whose files have uncommitted changes."""


@dataclass(frozen=True)
class Commit:
    """A commit, with its date in milliseconds since 1970, as asv has it.

    Of an installed package it is the version that was released (`is_release`), since there is no
    git history.
    """

    hash: str
    date_ms: int
    changed: bool
    is_release: bool = False

    @property
    def name(self) -> str:
        """The hash, with a suffix for uncommitted changes."""
        return f"{self.hash}{CHANGES}" if self.changed else self.hash
