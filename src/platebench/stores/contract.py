"""What every store does. A format that keeps this contract is measured like all others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported
from platebench.images.imageset import ImageSet


@dataclass(frozen=True)
class Version:
    """One version of a stored image set: its number (1 is the first) and when it was made (UTC)."""

    number: int
    made: datetime


class OpenStore(ABC):
    """A stored image set, open for reading. A context manager."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - most stores have nothing to close
        """Let go of files and handles."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @abstractmethod
    def scan(self) -> Iterator[np.ndarray]:
        """Yield every image in row order, in bounded memory.

        An array has the image's own shape and dtype. It may be a view of the store's memory, and
        is valid until the next one is asked for.
        """

    @abstractmethod
    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield the images of `rows`, in the order asked for, duplicates kept.

        Raises IndexError, before the first image, for a row below 0 or beyond the last.
        """

    @abstractmethod
    def table(self) -> pa.Table:
        """Return the columns that are not pixels, as `ImageSet.table` has them."""


class OpenByRow(OpenStore):
    """A stored image set whose images are read one by one, each by its row."""

    def scan(self) -> Iterator[np.ndarray]:
        """Read all rows, one after another."""
        return self.images_of(range(len(self)))

    def take(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Read these rows, one after another."""
        check_rows(rows, len(self))
        return self.images_of(rows)

    @abstractmethod
    def images_of(self, rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield the images of rows that are there, in the order given."""


@dataclass(frozen=True)
class Store(ABC):
    """A format, a layout and a tuning: one way of keeping images."""

    layout: str
    tuning: str

    format: ClassVar[str]

    @property
    def name(self) -> str:
        """`format:layout:tuning`, as in `parquet:tiff:fast`."""
        return f"{self.format}:{self.layout}:{self.tuning}"

    @abstractmethod
    def write(self, images: ImageSet, path: Path) -> None:
        """Write `images` to `path`, which does not exist yet, one image or batch at a time.

        Raises Unsupported when the format cannot hold them, before anything is written.
        """

    @abstractmethod
    def open(self, path: Path) -> OpenStore:
        """Open what `write` made, for reading."""


class VersionedStore(Store):
    """A store that keeps older versions of itself. Files once written are never changed in place,
    so a copy of a stored image set may share its files by hard links.
    """

    @abstractmethod
    def open(self, path: Path, version: int | None = None) -> OpenStore:
        """Open a version (the newest by default). Raises KeyError when there is no such version."""

    @abstractmethod
    def append(self, images: ImageSet, path: Path) -> int:
        """Add `images` as further rows and return the number of the version this makes."""

    @abstractmethod
    def versions(self, path: Path) -> list[Version]:
        """List the versions that can be opened, oldest first."""

    @abstractmethod
    def restore(self, path: Path, version: int) -> int:
        """Make an old version the newest again and return the number of the version this makes."""

    @abstractmethod
    def prune(self, path: Path, keep: int) -> None:
        """Remove all but the newest `keep` versions, and the bytes only they needed."""


def check_rows(rows: Sequence[int], images: int) -> None:
    """Raise IndexError for a row that is not there."""
    for row in rows:
        if not 0 <= row < images:
            raise IndexError(f"row {row} of {images} images")


def common_image(images: ImageSet) -> tuple[tuple[int, ...], np.dtype] | None:
    """Return the one shape and dtype that all images share, or None when they differ."""
    kinds = set(zip(images.shapes, images.dtypes, strict=True))
    return next(iter(kinds)) if len(kinds) == 1 else None


def require_common_image(images: ImageSet, layout: str) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape and dtype that all images share; raise Unsupported when they differ."""
    common = common_image(images)
    if common is None:
        raise Unsupported(f"images of {images.name} differ in shape or dtype; {layout} needs one")
    return common
