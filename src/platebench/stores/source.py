"""The source files that a store depends on, found in the import statements of its module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "platebench.stores"
FOLDER = Path(__file__).parent


def source_files(module: str, folder: Path = FOLDER) -> list[Path]:
    """Return the file of a module of this package and of every module of it that this imports.

    `module` is a name without the package, such as `parquet`. Imports are followed to their end,
    also those inside functions. Modules of other packages are left out: the versions of libraries
    are recorded, and what an image set holds has a fingerprint of its own.
    """
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = _file(name, folder)
        if name not in found and file is not None:
            found[name] = file
            waiting += _imported(file)
    return [found[name] for name in sorted(found)]


def _file(module: str, folder: Path) -> Path | None:
    """Return the file of a module, None for a name that is not a module of the package."""
    place = folder.joinpath(*module.split("."))
    candidates = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _imported(file: Path) -> Iterator[str]:
    """Yield what a file imports from this package: modules, and names that may be modules."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = PACKAGE if node.level else ""
            source = ".".join(part for part in (start, node.module) if part)
            names = [source, *(f"{source}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (
            name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(f"{PACKAGE}.")
        )
