"""The files that each store makes of the same few images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from platebench.errors import Unsupported
from platebench.images.decoded_cache import DecodedImages
from platebench.stores import registry
from platebench.stores.name import StoreName
from platebench.timing.page_cache import stored_size
from platebench.timing.workspace import Workspace

SHORTENED = "…"
"""What stands for the random part of a name."""

_RANDOM = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}")


class TreeLine(NamedTuple):
    """A folder or a file in a tree: how deep it lies, its name, and a file's size in bytes."""

    depth: int
    name: str
    size: int | None


class StoredAs(NamedTuple):
    """The files that a store made, or why it made none."""

    store: StoreName
    lines: list[TreeLine]
    total_bytes: int
    why_not: str | None = None

    @property
    def text(self) -> str:
        """The tree as lines of text, sizes in a column of their own."""
        named = [(f"{'  ' * line.depth}{line.name}", line.size) for line in self.lines]
        width = max((len(name) for name, _ in named), default=0)
        digits = max((len(f"{size:,}") for _, size in named if size is not None), default=0)
        return "\n".join(
            name if size is None else f"{name:{width}}  {size:>{digits},}" for name, size in named
        )


class FormatTrees(NamedTuple):
    """The stores of a format, and what each made of the images."""

    format: str
    stores: list[StoredAs]


def file_trees(
    stores: Iterable[StoreName], images: DecodedImages, workspace: Workspace
) -> list[FormatTrees]:
    """Return what these stores make of the images, by format, in the registry's order.

    The files stay in the workspace, so that they are written once.
    """
    wanted = set(stores)
    return [
        FormatTrees(format_.name, [_stored_as(name, images, workspace) for name in mine])
        for format_ in registry.FORMATS
        if (mine := [name for name in format_.stores if name in wanted])
    ]


def _stored_as(name: StoreName, images: DecodedImages, workspace: Workspace) -> StoredAs:
    try:
        path = workspace.stored(registry.find(name), images)
    except Unsupported as reason:
        return StoredAs(name, [], 0, str(reason))
    return StoredAs(name, list(tree(path)), stored_size(path)[0])


def tree(path: Path, depth: int = 0) -> Iterator[TreeLine]:
    """Yield what a store made: its one file, or what is in its folder, folders first.

    A folder that holds only another folder shares a line with it. Random parts of names are
    shortened and ignored in the order.
    """
    if path.is_file():
        yield TreeLine(depth, shortened(path.name), path.stat().st_size)
        return
    for each in sorted(path.iterdir(), key=lambda each: (each.is_file(), shortened(each.name))):
        if each.is_file():
            yield from tree(each, depth)
            continue
        last = each
        while len(only := list(last.iterdir())) == 1 and only[0].is_dir():
            last = only[0]
        yield TreeLine(depth, f"{shortened(last.relative_to(path).as_posix())}/", None)
        yield from tree(last, depth + 1)


def shortened(name: str) -> str:
    """Return a name without its random part: a UUID, or 32 or more hexadecimal digits."""
    return _RANDOM.sub(SHORTENED, name)
