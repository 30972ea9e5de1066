"""Install the libraries of a format into the environment that platebench runs in.

An extra of platebench, named like the format, lists them. Whatever is installed keeps its version:
the installer gets it as a constraint, and in a checkout also the versions of constraints.txt. A
format whose libraries need other versions is not installed, and nothing is changed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from importlib import metadata, util
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from platebench.errors import UserError
from platebench.optional import how_to_get, is_on_pypi, missing
from platebench.stores import registry
from platebench.stores.registry import Format

DISTRIBUTION = "platebench"


def format_named(name: str) -> Format:
    """Return a format. Raises UserError for another name."""
    found = [each for each in registry.FORMATS if each.name == name]
    if not found:
        names = ", ".join(each.name for each in registry.FORMATS)
        raise UserError(f"{name}: no such format; choose from {names}")
    return found[0]


def lacking(format_: Format) -> list[str]:
    """Return what to install for a format, as requirements; nothing if all is here.

    Raises UserError for what pip does not install, and for a format that this Python has not.
    """
    absent = missing(*format_.all_needs)
    for name in absent:
        if not is_on_pypi(name):
            raise UserError(how_to_get([name]))
    if not absent:
        return []
    requirements = _extra(format_.name)
    if not requirements:
        return absent
    here = [each for each in requirements if each.marker is None or _applies(each, format_.name)]
    if not here:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise UserError(f"{format_.name}: its libraries need another Python than {version}")
    return [_plain(each) for each in here]


def install(requirements: Sequence[str], constraints: Path | None = None) -> None:
    """Install requirements beside what is here, whose versions stay.

    `constraints` is a file of pins, whose hashes are left out. Raises UserError, with the
    installer's reason, if they cannot be installed; then nothing is changed.
    """
    with TemporaryDirectory() as folder:
        kept = Path(folder) / "kept.txt"
        kept.write_text("\n".join(kept_versions(constraints)) + "\n")
        command = [*_installer(), "--constraint", str(kept), *requirements]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise UserError(f"{', '.join(requirements)}: not installed. {_reason(said)}")


def kept_versions(constraints: Path | None) -> list[str]:
    """Return pins of what is installed, and those of `constraints` for what is not."""
    here = {
        canonicalize_name(each.metadata["Name"]): each.version
        for each in metadata.distributions()
        if each.metadata["Name"] != DISTRIBUTION
    }
    pins = [f"{name}=={version}" for name, version in sorted(here.items())]
    if constraints is not None and constraints.is_file():
        for line in constraints.read_text().splitlines():
            pin = re.match(r"([A-Za-z0-9._-]+)(\[.*\])?==[^\\]+", line)
            if pin is not None and canonicalize_name(pin[1]) not in here:
                pins.append(pin[0].strip())
    return pins


def _extra(name: str) -> list[Requirement]:
    """Return the requirements of an extra, without those of others."""
    requirements = [Requirement(each) for each in metadata.requires(DISTRIBUTION) or ()]
    return [
        each
        for each in requirements
        if each.marker is not None
        and not each.marker.evaluate({"extra": ""})
        and re.search(rf"extra == ['\"]{re.escape(name)}['\"]", str(each.marker))
    ]


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _plain(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _installer() -> list[str]:
    """Return the command of uv, which tells of conflicts in a second, or of pip."""
    uv = shutil.which("uv", path=sysconfig.get_path("scripts")) or shutil.which("uv")
    if uv is not None:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    if util.find_spec("pip") is None:
        raise UserError("neither uv nor pip is installed here; type: python -m ensurepip")
    return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _reason(said: Sequence[str]) -> str:
    words = " ".join(said) or "The installer gave no reason."
    return words if len(words) <= 600 else f"{words[:600]}..."
