"""Write one image set with several processes at once: a format's own way, or a part from each.

Apart from `together`, which stores import: figures of a format that needs no part list stay fresh
when the part list changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenStore, Store, VersionedStore
from platebench.stores.part_list import PartList
from platebench.stores.together import Begun, Together


class Parts(Together):
    """Each worker writes one part of platebench's part list, which is published at the end."""

    way = "one part each, platebench's part list"

    def __init__(self, store: Store) -> None:
        self._list = PartList(store)

    def begin(self, images: ImageSet, path: Path) -> Begun:
        """Nothing: parts have names of their own."""
        return Begun()

    def share(self, images: ImageSet, path: Path, rows: range, state: Any) -> str:
        """Write a part, which is on the disk then, and return its name."""
        return self._list.write_part(images.select(rows, first_row=rows.start), path)

    def end(self, images: ImageSet, path: Path, written: Sequence[Any]) -> None:
        """Publish the first version."""
        self._list.publish_first(path, list(written), [])

    def open(self, path: Path) -> OpenStore:
        """Open the newest version."""
        return self._list.open(path)


def together_of(store: Store) -> Together:
    """Return how several processes write into a store: its own way, or platebench's part list.

    Raises Unsupported for a format with versions of its own that has none.
    """
    own: Together | None = store.together()
    if own is not None:
        return own
    if isinstance(store, VersionedStore):
        raise Unsupported(f"{store.name.format} has no way for several writers")
    return Parts(store)
