"""The newest release of each library on the day of a run: was an older one measured?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.version import InvalidVersion, Version

from platebench.optional import installed_version, is_on_pypi

NEWEST_PYTHON = "3.13"
"""Releases for this Python count, whichever one measures: an older Python holds libraries back."""

_SECONDS = 60

UNKNOWN = "It is not known whether newer releases of these libraries existed on the day of the run."


def newest_versions(names: Sequence[str]) -> dict[str, str] | None:
    """Ask the package index, through uv, for the newest release of each library.

    Returns None where uv is absent or the index does not answer. Names that are not installed
    from the index, such as a part of Python itself, are not asked for.
    """
    names = [name for name in names if is_on_pypi(name) and installed_version(name)]
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        return None
    # --no-deps: each name by itself, so that no library is held back by another.
    asking = [uv, "pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-annotate"]
    asking += ["--python-version", NEWEST_PYTHON, "-"]
    try:
        said = subprocess.run(
            asking,
            input="\n".join(names),
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS,
            cwd=os.sep,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    pairs = (line.partition(" ")[0].partition("==") for line in said.splitlines())
    return {name: version for name, _, version in pairs if version}


def newer_releases(libraries: Mapping[str, str], newest: Mapping[str, str] | None) -> str:
    """Return one sentence: which libraries were not the newest of the day, or that it is unknown.

    `libraries` are the versions that were measured.
    """
    if newest is None:
        return UNKNOWN
    older = [
        f"{name} {newest[name]} (measured: {version})"
        for name, version in sorted(libraries.items())
        if name in newest and _is_newer(newest[name], version)
    ]
    unknown = sorted(filter(is_on_pypi, libraries.keys() - newest.keys()))
    said = (
        f"Newer releases existed on the day of the run: {', '.join(older)}."
        if older
        else "Every library was the newest release of the day."
        if not unknown
        else "No newer release was found."
    )
    return f"{said} Newest unknown: {', '.join(unknown)}." if unknown else said


def _is_newer(one: str, other: str) -> bool:
    try:
        return Version(one) > Version(other)
    except InvalidVersion:
        return False
