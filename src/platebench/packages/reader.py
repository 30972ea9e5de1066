"""Read a stored image set from several threads and processes, and refuse what it only claims.

A store's own reader belongs to one thread. A `Reader` opens the image set once in each thread that
reads, and again in a process that got it by pickle or by fork. So the lazy arrays that `opened`
gives work with the threads of dask and the workers of PyTorch.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from platebench.errors import Unsupported, UserError
from platebench.limits import gigabytes, memory_bytes, refuse_larger_than_memory
from platebench.stores import registry
from platebench.stores.contract import OpenStore, Version, VersionedStore
from platebench.stores.name import StoreName
from platebench.stores.part_list import PartList

TOGETHER = 64 << 20
"""Bytes of pixels that are requested from a store in one call."""

_DTYPE_KINDS = "buifc"

Kind = tuple[tuple[int, ...], np.dtype]
"""Shape and dtype of an image."""

RowNumbers = Sequence[int] | np.ndarray


@dataclass(frozen=True)
class StoredSet:
    """Where one version of an image set is stored, and how: all that a process needs to open it.

    `parts`: the store has no versions of its own, and the image set is a part list. `version` is
    that of the store, None for the newest. `title` is what messages call it. `images` and `listed`
    are the number of images and the versions that the package's manifest declares. `identity` tells
    apart what was at the same path at different times.
    """

    store: StoreName
    path: Path
    title: str
    parts: bool = False
    version: int | None = None
    images: int | None = None
    listed: tuple[Version, ...] = ()
    identity: str = ""

    def open(self) -> OpenStore:
        """Open it. Raises UserError if it cannot be read, or without the format's library."""
        with refusing(self.title):
            if not self.path.exists():
                raise UserError(f"{self.title}: {self.path} is missing")
            store = registry.find(self.store)
            if self.parts:
                store = PartList(store)
            if self.version is None:
                return store.open(self.path)
            assert isinstance(store, VersionedStore)
            try:
                return store.open(self.path, self.version)
            except KeyError:
                raise UserError(f"{self.title}: has no version {self.version}") from None

    def versions(self) -> list[Version]:
        """Return the versions, oldest first: of the package, or that the store keeps."""
        if self.listed:
            return list(self.listed)
        with refusing(self.title):
            store = registry.find(self.store)
            if self.parts:
                store = PartList(store)
            return store.versions(self.path) if isinstance(store, VersionedStore) else []


@contextmanager
def refusing(title: str) -> Iterator[None]:
    """Convert any exception of a format's library to UserError with its message in one line."""
    try:
        yield
    except (UserError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except Unsupported as reason:
        raise UserError(f"{title}: {reason}") from reason
    except BaseException as error:  # a Rust panic is not an Exception
        line = (str(error).splitlines() or [""])[0][:200]
        what = f"{type(error).__name__}: {line}" if line else type(error).__name__
        raise UserError(f"{title}: cannot be read ({what})") from error


class Kinds:
    """Shape and dtype of every image, as the image table declares them, checked."""

    def __init__(self, table: pa.Table, title: str) -> None:
        self._title = title
        self._shapes: list[Any] = table["shape"].to_pylist()
        texts = table["dtype"].to_pylist()
        dtypes = {text: _dtype(text) for text in set(texts)}
        self._dtypes = [dtypes[text] for text in texts]

    def __getitem__(self, row: int) -> Kind:
        shape, dtype = self._shapes[row], self._dtypes[row]
        if dtype is None or shape is None or any(side is None or side < 0 for side in shape):
            raise UserError(f"{self._title}: image {row} has no valid shape and dtype")
        return tuple(shape), dtype

    def nbytes(self, row: int) -> int:
        """Return the size of an image in bytes."""
        shape, dtype = self[row]
        size = dtype.itemsize
        for side in shape:  # Python's integers do not overflow
            size *= side
        return size

    def total(self, rows: RowNumbers) -> int:
        """Return the size of these images together, in bytes."""
        return sum(map(self.nbytes, rows))

    def common(self, rows: RowNumbers, what: str) -> Kind:
        """Return the shape and dtype that all these images share.

        Raises UserError, which says that `what` needs one, if they differ or there is no image.
        """
        if not len(rows):
            raise UserError(f"{self._title}: {what} needs at least one image")
        first = self[rows[0]]
        for row in rows:
            if self[row] != first:
                raise UserError(
                    f"{self._title}: {what} needs images of one shape and dtype; image {rows[0]} is"
                    f" {kind_text(first)}, image {row} {kind_text(self[row])}: choose with rows=,"
                    " or use package.images"
                )
        return first


def kind_text(kind: Kind) -> str:
    """Write a shape and dtype: 24 × 36 uint8."""
    shape, dtype = kind
    return f"{' × '.join(map(str, shape))} {dtype}"


def _dtype(text: object) -> np.dtype | None:
    """Return the dtype that a text names, in native byte order; None unless it is of numbers."""
    try:
        dtype = np.dtype(str(text)).newbyteorder("=")
    except (TypeError, ValueError, SyntaxError):
        return None
    return dtype if dtype.kind in _DTYPE_KINDS and dtype.subdtype is None else None


def require_memory(size: int, advice: str) -> None:
    """Raise UserError, with advice, for more than half of this machine's memory."""
    most = memory_bytes() // 2
    if size > most:
        raise UserError(
            f"the images take {gigabytes(size)}, of {gigabytes(most)} that may be used here;"
            f" {advice}"
        )


class _Handle:
    """An image set that one thread of one process has open. It is closed when nothing refers to it.

    At the end of the process, too: some formats keep files that Python does not close by itself.
    """

    def __init__(self, stored: StoredSet) -> None:
        self.process = os.getpid()
        self.opened = stored.open()
        weakref.finalize(self, _close, self.opened, self.process)


def _close(opened: OpenStore, process: int) -> None:
    """Close an image set, unless another process opened it."""
    if process == os.getpid():
        opened.close()


_inherited: list[_Handle] = []
"""Handles of the parent process. Some libraries hang if a fork closes what its parent opened."""


class Reader:
    """Reads one stored image set. It may be used by several threads, and pickled."""

    def __init__(self, stored: StoredSet) -> None:
        self.stored = stored
        self._local = threading.local()
        self._closed = False

    def __reduce__(self) -> tuple[Any, ...]:
        return shared_reader, (self.stored,)

    @property
    def opened(self) -> OpenStore:
        """The image set, open in this thread. Raises UserError after `close`."""
        if self._closed:
            raise UserError(f"{self.stored.title}: is closed; open it again")
        handle: _Handle | None = getattr(self._local, "handle", None)
        if handle is not None and handle.process != os.getpid():
            _inherited.append(handle)
            handle = None
        if handle is None:
            handle = self._local.handle = _Handle(self.stored)
        return handle.opened

    def close(self) -> None:
        """Close the image set in this thread; another thread's is closed when the thread ends."""
        self._closed = True
        if hasattr(self._local, "handle"):
            del self._local.handle

    @cached_property
    def table(self) -> pa.Table:
        """One row per image, without pixels."""
        with refusing(self.stored.title):
            table = self.opened.table()
            table.validate(full=True)  # offsets out of range would crash the process
            if table.num_rows != len(self.opened):
                raise UserError(
                    f"{self.stored.title}: has {len(self.opened)} images and a table of"
                    f" {table.num_rows}; the data are damaged"
                )
            return table

    @cached_property
    def kinds(self) -> Kinds:
        """The shape and dtype of every image."""
        return Kinds(self.table, self.stored.title)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def read(self, rows: RowNumbers) -> Iterator[np.ndarray]:
        """Yield the images of `rows`, each as an array of its own, C-contiguous and writable.

        The rows exist. They are requested from the store in batches of `TOGETHER` bytes, so that
        memory is bounded for every store; all images in row order are scanned. Raises UserError
        for an image that is larger than memory, or not as the table declares it.
        """
        if isinstance(rows, range) and rows == range(len(self)):
            yield from self._owned(rows, self.opened.scan)
            return
        for batch in self._batches(rows):
            yield from self._owned(batch, partial(self.opened.take, batch))

    def _batches(self, rows: RowNumbers) -> Iterator[list[int]]:
        batch: list[int] = []
        size = 0
        for row in rows:
            more = self._size(row)
            if batch and size + more > TOGETHER:
                yield batch
                batch, size = [], 0
            batch.append(int(row))
            size += more
        if batch:
            yield batch

    def _owned(
        self, rows: RowNumbers, read: Callable[[], Iterator[np.ndarray]]
    ) -> Iterator[np.ndarray]:
        title = self.stored.title
        with refusing(title):
            images = read()
            for row in rows:
                self._size(row)
                image = next(images, None)
                if image is None:
                    raise UserError(f"{title}: image {row} is missing; the data are damaged")
                if (image.shape, image.dtype) != self.kinds[row]:
                    raise UserError(
                        f"{title}: image {row} is {kind_text((image.shape, image.dtype))}, but"
                        f" {kind_text(self.kinds[row])} in the table; the data are damaged"
                    )
                owned = np.array(image, order="C")
                del image  # the store's memory is its own again
                yield owned

    def _size(self, row: int) -> int:
        """Return the bytes that the table declares of an image. Raises UserError if too many."""
        size = self.kinds.nbytes(row)
        refuse_larger_than_memory(f"{self.stored.title}: image {row}", size)
        return size


@lru_cache(maxsize=4)
def shared_reader(stored: StoredSet) -> Reader:
    """Return this process's reader of what another process sent, so that it is opened once."""
    return Reader(stored)
