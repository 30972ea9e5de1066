"""Optional libraries: detect missing ones and name the command that installs them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module, metadata, util
from pathlib import Path
from typing import NamedTuple

from platebench.errors import UserError

_MODULES = {
    "markdown-it-py": "markdown_it",
    "ngff-zarr": "ngff_zarr",
    "pillow": "PIL",
    "pylance": "lance",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
    "virtual-tiff": "virtual_tiff",
    "vl-convert-python": "vl_convert",
    "vortex-data": "vortex",
}
"""The module of a distribution on PyPI, where the two names differ."""

_EXTRAS = {
    "aiohttp": "remote",
    "dask": "dask",
    "distributed": "dask",
    "fsspec": "remote",
    "torch": "torch",
    "xarray": "xarray",
}
"""The extra of platebench that has a library which only some commands and methods need."""


class _NotOnPyPI(NamedTuple):
    """A library that pip does not install: where its version is, and where the library is from."""

    module: str
    version: str
    comes_with: str


_NOT_ON_PYPI = {
    "sqlite3": _NotOnPyPI("sqlite3", "sqlite_version", "a Python that was built with SQLite"),
}
"""Libraries that are not distributions. `version` is an attribute of the module."""


def is_on_pypi(library: str) -> bool:
    """Say whether pip installs this library."""
    return library not in _NOT_ON_PYPI


def module_of(library: str) -> str:
    """Return the name of the module to import of a library."""
    other = _NOT_ON_PYPI.get(library)
    return other.module if other else _MODULES.get(library, library)


def installed_version(library: str) -> str | None:
    """Return the version of a library that is installed here, None without it.

    `library` is a distribution on PyPI, or one of the few that are not on PyPI (`sqlite3`).
    """
    other = _NOT_ON_PYPI.get(library)
    try:
        if other is not None:
            return str(getattr(import_module(other.module), other.version))
        return metadata.version(library)
    except (ImportError, AttributeError):  # metadata.PackageNotFoundError is an ImportError
        return None


def missing(*libraries: str) -> list[str]:
    """Return those that are not installed here. Imports no distribution of PyPI."""
    return [name for name in libraries if not _is_here(name)]


def lacks_module(library: str, module: str) -> bool:
    """Say whether the installed version of a library has no such module. Imports nothing."""
    spec = util.find_spec(module_of(library))
    places = spec.submodule_search_locations if spec is not None else None
    return not any(Path(place, f"{module}.py").is_file() for place in places or ())


def how_to_get(absent: Iterable[str]) -> str:
    """Return a message that names missing libraries and the command that installs them."""
    names = list(absent)
    are = "is" if len(names) == 1 else "are"
    return f"{', '.join(names)} {are} not installed; {_advice(names)}"


def require(what: str, *libraries: str) -> None:
    """Raise UserError, naming what `what` lacks here and what to type, unless all are here."""
    absent = missing(*libraries)
    if absent:
        raise UserError(f"{what} needs {', '.join(absent)}, not installed here; {_advice(absent)}")


def _advice(absent: Iterable[str]) -> str:
    names = list(absent)
    from_pypi = [_to_install(name) for name in names if is_on_pypi(name)]
    advice = [
        f"{name} comes with {_NOT_ON_PYPI[name].comes_with}"
        for name in names
        if not is_on_pypi(name)
    ]
    return "; ".join(
        [
            *advice,
            *([f"type: pip install {' '.join(dict.fromkeys(from_pypi))}"] if from_pypi else []),
        ]
    )


def _to_install(name: str) -> str:
    return f'"platebench[{_EXTRAS[name]}]"' if name in _EXTRAS else name


def _is_here(library: str) -> bool:
    if installed_version(library) is None:
        return False
    try:
        return util.find_spec(module_of(library)) is not None
    except (ImportError, ValueError):
        return False
