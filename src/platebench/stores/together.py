"""Write one image set with several processes at once, in the way that each format documents.

One process coordinates. It calls `begin`, has every worker call `share` with rows of its own, and
then calls `end` with what the workers returned:

    begun = together.begin(images, path)
    written = [together.share(images, path, rows, begun.state) for rows in shares(...)]   # workers
    together.end(images, path, written)

What is sent between processes can be pickled. Until `end` returns nothing need be readable.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenStore, Store


@dataclass(frozen=True)
class Begun:
    """What `begin` returns: what every worker needs, and how many rows must not be divided.

    A chunk or shard that spans several images is written by one process: a share begins at a
    multiple of `unit`.
    """

    state: Any = None
    unit: int = 1


class Together(ABC):
    """How several processes write one image set into one store."""

    way: ClassVar[str]
    """In a few words, for tables."""

    @abstractmethod
    def begin(self, images: ImageSet, path: Path) -> Begun:
        """Make what the workers write to. Raises as `Store.write` does."""

    @abstractmethod
    def share(self, images: ImageSet, path: Path, rows: range, state: Any) -> Any:
        """Write the images of `rows`, in a worker, and return what `end` needs to know of them."""

    @abstractmethod
    def end(self, images: ImageSet, path: Path, written: Sequence[Any]) -> None:
        """Make one image set of what was written. `written` is in the order of the shares."""

    @abstractmethod
    def open(self, path: Path) -> OpenStore:
        """Open what `end` made."""


class OfStore(Together):
    """Workers write into one store, which is opened as if one process had written it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, path: Path) -> OpenStore:
        """Open the store."""
        return self._store.open(path)


def shares(images: int, writers: int, unit: int) -> list[range]:
    """Divide so many rows among the writers, in order, at multiples of `unit`.

    Raises Unsupported if there are not enough units for all of them.
    """
    units = -(-images // unit)
    if units < writers:
        raise Unsupported(
            f"{images} images in blocks of {unit} cannot be divided among {writers} writers"
        )
    edges = [min(images, unit * (units * place // writers)) for place in range(writers + 1)]
    return [range(start, end) for start, end in itertools.pairwise(edges)]
