"""A room knows nothing of the rooms to its right."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import platebench

SOURCE = Path(platebench.__file__).parent
RANKS = {
    "images": 0,
    "stores": 1,
    "timing": 2,
    "results": 3,
    "running": 4,
    # Beside one another: what is kept, and what is shown of images, the talk and libraries.
    "packages": 5,
    "viewing": 5,
    "talk": 5,
    "findings": 5,
    "site": 6,
    "commands": 7,
}
OF_ALL = {
    "addresses",
    "atomic_files",
    "drafts",
    "errors",
    "folders",
    "interrupts",
    "limits",
    "locks",
    "optional",
    "ownership",
    "pool_workers",
    "temporary",
    "workers",
}
"""Modules that every room may use."""


def imported(file: Path) -> Iterator[str]:
    """Yield the modules of platebench that a file imports, `images.tiff` for instance."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else []
        )
        for name in names:
            package, _, module = name.partition(".")
            if package == "platebench" and module:
                yield module


def wrong(room: str, module: str) -> bool:
    """Say whether a room may not import a module."""
    other = module.partition(".")[0]
    if other in OF_ALL or other == room:
        return False
    return other not in RANKS or RANKS[other] >= RANKS[room]


@pytest.mark.parametrize("room", RANKS)
def test_room_imports_only_from_lower_rooms(room: str) -> None:
    found = [
        f"{file.relative_to(SOURCE)}: {module}"
        for file in sorted((SOURCE / room).rglob("*.py"))
        for module in imported(file)
        if wrong(room, module)
    ]
    assert not found


def test_every_folder_is_a_room() -> None:
    assert {file.parent.name for file in SOURCE.glob("*/__init__.py")} == set(RANKS)


@pytest.mark.parametrize(
    ("room", "module"), [("stores", "timing.clock"), ("talk", "site.build"), ("images", "cli")]
)
def test_upward_import_is_found(room: str, module: str) -> None:
    assert wrong(room, module)
