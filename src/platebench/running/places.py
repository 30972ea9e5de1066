"""Where runs are kept: a user's own, and those that were promoted on purpose."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from platebench.errors import UserError
from platebench.running.checkout import find_checkout

REFERENCE = "results"
"""The tracked folder of a checkout: only `platebench reference keep` adds runs to it."""


def own_results(results: Path | None = None, start: Path | None = None) -> Path:
    """Return the folder that runs are kept in and read from.

    That is `results` if it is given, `.platebench/results` in the checkout that `start` (by default
    the current folder) is in, and the user's data folder outside of one.
    """
    if results is not None:
        return results
    try:
        return find_checkout(start or Path.cwd()) / ".platebench" / "results"
    except UserError:
        return platformdirs.user_data_path("platebench", appauthor=False) / "results"


def reference_results(checkout: Path) -> Path:
    """Return the folder of the runs that the page and the README speak of."""
    return checkout / REFERENCE


def shown(path: Path) -> str:
    """Return a path as a person in the current folder would type it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
