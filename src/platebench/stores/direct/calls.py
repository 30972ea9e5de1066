"""What a module of direct calls gives: plain functions of the library, and reasons."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from platebench.images.imageset import ImageSet
from platebench.stores import registry
from platebench.stores.name import StoreName


@dataclass(frozen=True)
class About:
    """What a person knows of their images: how many there are, their one shape and dtype."""

    images: int
    shape: tuple[int, ...]
    dtype: np.dtype

    def image(self, memory: np.ndarray, number: int = 0) -> np.ndarray:
        """Return the place in `memory` (uint8, one dimension) for one image."""
        image: np.ndarray = self.block(memory, number + 1)[number]
        return image

    def block(self, memory: np.ndarray, images: int) -> np.ndarray:
        """Return the place in `memory` for several images: (images, *shape)."""
        size = images * int(np.prod(self.shape)) * self.dtype.itemsize
        block: np.ndarray = memory[:size].view(self.dtype)
        return block.reshape(images, *self.shape)


Images = Iterator[np.ndarray]
"""Images that arrived in the given memory, each valid until the next is requested."""


@dataclass(frozen=True)
class Reading:
    """One way to read: open, then take rows or scan. Without `scan`, all rows are taken in turn."""

    says: str
    opened: Callable[[Path], AbstractContextManager[Any]]
    take: Callable[[Any, Sequence[int], About, np.ndarray], Images] | None = None
    scan: Callable[[Any, About, np.ndarray], Images] | None = None

    def read(
        self, handle: Any, rows: Sequence[int] | None, about: About, memory: np.ndarray
    ) -> Images:
        """Read these rows, or all images in order if `rows` is None."""
        if rows is None and self.scan is not None:
            return self.scan(handle, about, memory)
        if self.take is None:
            raise NotImplementedError(f"{self.says} only scans")
        return self.take(handle, range(about.images) if rows is None else rows, about, memory)


@dataclass(frozen=True)
class Writing:
    """One way to write all images and their table to a path that does not exist."""

    says: str
    write: Callable[[ImageSet, Path], None]


@dataclass(frozen=True)
class TableReading:
    """One way to read the table, from the path to an Arrow table."""

    says: str
    read: Callable[[Path], pa.Table]


@dataclass(frozen=True)
class Calls:
    """The direct calls of one store. `readings[0]` reads what each of `writings` writes."""

    writings: Sequence[Writing]
    readings: Sequence[Reading]
    tables: Sequence[TableReading]


@dataclass(frozen=True)
class Reason:
    """Why an adapter may take longer than the best direct call.

    `stores` and `operation` are patterns, as in `*:tiff:fast` and `take*`.
    """

    stores: str
    operation: str
    why: str


def has_calls(store: StoreName) -> bool:
    """Say whether a store has direct calls; imports no library of the format."""
    return importlib.util.find_spec(_name(store)) is not None


def calls_of(store: StoreName) -> Calls:
    """Return a store's direct calls. Raises ImportError for a store without any."""
    calls: Calls = importlib.import_module(_name(store)).calls(store.layout, store.tuning)
    return calls


def reason_for(store: StoreName, operation: str) -> str:
    """Return the reason that is given for a store and an operation, or an empty text."""
    module = importlib.import_module(_name(store))
    for reason in getattr(module, "REASONS", ()):
        if fnmatchcase(str(store), reason.stores) and fnmatchcase(operation, reason.operation):
            return str(reason.why)
    return ""


def _name(store: StoreName) -> str:
    return f"{__package__}.{registry.format_of(store).module}"
