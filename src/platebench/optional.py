"""Libraries that platebench can do without: which are absent, and what to type to have them."""

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
"""The module to import of a distribution on PyPI, where it is called otherwise."""


def installed_version(distribution: str) -> str | None:
    """Return the version of a distribution from PyPI that is installed here, None without."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def missing(*distributions: str) -> list[str]:
    """Return those that are not installed here or have no module to import. Imports none."""
    return [name for name in distributions if not _is_here(name)]


def how_to_get(absent: Iterable[str]) -> str:
    """Return that these libraries are not installed, and the command that installs them."""
    names = list(absent)
    are = "is" if len(names) == 1 else "are"
    return f"{', '.join(names)} {are} not installed; type: pip install {' '.join(names)}"


def require(what: str, *distributions: str) -> None:
    """Raise UserError, naming what `what` lacks here and what to type, unless all are here."""
    absent = missing(*distributions)
    if absent:
        raise UserError(
            f"{what} needs {', '.join(absent)}, not installed here; type:"
            f" pip install {' '.join(absent)}"
        )


def _is_here(distribution: str) -> bool:
    if installed_version(distribution) is None:
        return False
    try:
        return util.find_spec(_MODULES.get(distribution, distribution)) is not None
    except (ImportError, ValueError):
        return False
