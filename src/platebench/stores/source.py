"""The source files that a store depends on, found in the import statements of its module."""

from __future__ import annotations

import ast
from functools import lru_cache
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
            waiting += _imported(file.read_text())
    return [found[name] for name in sorted(found)]


def _file(module: str, folder: Path) -> Path | None:
    """Return the file of a module, None for a name that is not a module of the package."""
    place = folder.joinpath(*module.split("."))
    candidates = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


@lru_cache(maxsize=1024)
def _imported(text: str) -> tuple[str, ...]:
    """Return what a module imports from this package: modules, and names that may be modules.

    `text` is its source. What was found in a text is kept: each cell asks for the files of its
    store, and to parse them took a fifth of a second.
    """
    found: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = PACKAGE if node.level else ""
            source = ".".join(part for part in (start, node.module) if part)
            found += [source, *(f"{source}.{alias.name}" for alias in node.names)]
    inside = f"{PACKAGE}."
    return tuple(name.removeprefix(inside) for name in found if name.startswith(inside))
