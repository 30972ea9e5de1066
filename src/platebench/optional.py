"""Optional libraries: detect missing ones and name the command that installs them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata, util

from platebench.errors import UserError

_MODULES = {
    "markdown-it-py": "markdown_it",
    "pillow": "PIL",
    "pylance": "lance",
    "scikit-image": "skimage",
    "vl-convert-python": "vl_convert",
}
"""Import names of distributions that differ from their names on PyPI."""


def installed_version(distribution: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def missing(*distributions: str) -> list[str]:
    """Return the distributions that are not installed or not importable. Imports nothing."""
    return [name for name in distributions if not _is_installed(name)]


def how_to_get(absent: Iterable[str]) -> str:
    """Return a message that names missing libraries and the command that installs them."""
    names = list(absent)
    are = "is" if len(names) == 1 else "are"
    return f"{', '.join(names)} {are} not installed; type: pip install {' '.join(names)}"


def require(what: str, *distributions: str) -> None:
    """Raise UserError if `what` needs a distribution that is not installed."""
    absent = missing(*distributions)
    if absent:
        raise UserError(
            f"{what} needs {', '.join(absent)}, not installed here; type:"
            f" pip install {' '.join(absent)}"
        )


def _is_installed(distribution: str) -> bool:
    if installed_version(distribution) is None:
        return False
    try:
        return util.find_spec(_MODULES.get(distribution, distribution)) is not None
    except (ImportError, ValueError):
        return False
