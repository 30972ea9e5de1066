"""Zarr in an Icechunk repository, through the `icechunk` package: Zarr with commits.

- On disk, an image is a chunk of the array `images`: a file with a random name in `chunks`, which
  the snapshot's manifest names.
- One image is `zarr.open_array(session.store, path="images")[i]`, in a session of the repository.
- A random row costs the repository's state, a snapshot and a manifest, once, then one file.
- It cannot be read as Zarr without Icechunk, images of several shapes need an array each, and it
  does not take care of two writers on a local disk: platebench locks the folder for a commit.
- Python (zarr, xarray, dask), Rust and JavaScript open it: https://icechunk.io/. Use processes that
  are spawned: a fork after the first use hangs.

A version is a number in the commits' metadata. Images, their table and the tables that belong to
them are committed together, atomically. `restore` commits on the old snapshot, then moves the
branch `main` there in one step; a tag keeps the newest snapshot of before. `prune` is
`expire_snapshots`, then `garbage_collect`, which frees the bytes.

The tunings are those of `zarr`, which says why:

- `default`: `create_array` without options, in a session. zarr chooses the chunks.
- `fast`: one chunk per image, uncompressed.
- `balanced`: one chunk per image, Blosc's LZ4 after a bit shuffle.
- `small`: Zstandard level 9, chunks of a quarter by a quarter of an image. There are no shards:
  a manifest lists many chunks in one file already.

Tables that belong to the images are groups of the same repository (see `zarr_tables`).
"""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import icechunk
import numpy as np
import pyarrow as pa
import zarr

from platebench.errors import Conflict, Unsupported
from platebench.images.changed import kept
from platebench.images.imageset import IMAGE_SCHEMA, ImageSet
from platebench.stores.contract import (
    OpenStore,
    Version,
    VersionedStore,
    check_rows,
    copied_into,
    require_common_image,
)
from platebench.stores.table_files import TABLES
from platebench.stores.tables import StoredTables
from platebench.stores.together import Begun, OfStore, Together
from platebench.stores.variants import Variants, for_tables
from platebench.stores.zarr_images import (
    IMAGES,
    TOGETHER,
    OpenTuned,
    OpenZarr,
    Settings,
    assign_rows,
    blosc,
    zstd,
)
from platebench.stores.zarr_tables import ZarrTables

MAIN = "main"
NUMBER = "version"
"""The key of a commit's metadata with the number of the version."""

icechunk.set_logs_filter("error")  # it warns of every repository on a local disk

CANDIDATES: Mapping[str, Variants[Settings]] = {
    "tensor": Variants(
        {
            "default": Settings(quick_start=True),
            "uncompressed": Settings(),
            "zstd-1": zstd(1),
            "bitshuffle-lz4": blosc("lz4", 5),
            "zstd-9-tiles": zstd(9, tiles=4),
        },
        {
            "default": "default",
            "fast": "uncompressed",
            "balanced": "bitshuffle-lz4",
            "small": "zstd-9-tiles",
        },
    )
}
_TABLE_OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "fast": {"compressors": None},
    "balanced": {"compressors": zstd(1).compressor},
    "small": {"compressors": zstd(9).compressor},
}
_TABLE_ROWS = {"default": None, "fast": 65_536, "balanced": 65_536, "small": 1_048_576}


class Icechunk(VersionedStore):
    """A repository with a group of one array, and a group for each table."""

    format = "icechunk"

    reading: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tensor": {
            "Python": """
import icechunk, zarr
repository = icechunk.Repository.open(icechunk.local_filesystem_storage(place))
session = repository.readonly_session("main")
print(zarr.open_array(session.store, path="images", mode="r")[0])
""",
        },
    }

    @property
    def _settings(self) -> Settings:
        return CANDIDATES[self.layout].of(self.tuning)

    def write(self, images: ImageSet, path: Path) -> None:
        """Create the repository, and commit the images and their tables."""
        with self.created(images, path) as (store, array):
            self._fill(array, images, 0)
            self.tables_in(path, store).write(images.tables)

    @contextmanager
    def created(self, images: ImageSet, path: Path) -> Iterator[tuple[Any, zarr.Array]]:
        """Create the repository with an empty array; yield its store and it, and then commit."""
        shape, dtype = require_common_image(images, self.layout)
        self.tables_in(path, None).check_all(images.tables)
        path.mkdir(parents=True, exist_ok=True)
        repository = icechunk.Repository.create(_storage(path))
        with _changed(path, repository, 1) as store:
            group = zarr.create_group(store, attributes={IMAGES: images.table.to_pylist()})
            options = self._settings.options(shape, dtype)
            yield (
                store,
                group.create_array(IMAGES, shape=(len(images), *shape), dtype=dtype, **options),
            )

    def together(self) -> Together:
        """Have each process write to a fork of one session, which are merged and committed."""
        return IcechunkForks(self)

    def fill_fork(self, fork: bytes, images: ImageSet, rows: range) -> bytes:
        """Write images to a fork of a session, and return the fork."""
        session = pickle.loads(fork)
        array = zarr.open_array(session.store, path=IMAGES, mode="r+")
        self._fill(array, images.select(rows), rows.start)
        return pickle.dumps(session)

    def _fill(self, array: zarr.Array, images: ImageSet, first: int) -> None:
        """Write images, one block of whole chunks at a time, from a row on."""
        block = array.chunks[0]
        if self._settings.compresses:
            block *= -(-TOGETHER // block)
        for start in range(0, len(images), block):
            rows = range(start, min(start + block, len(images)))
            array[first + start : first + rows.stop] = np.stack(
                [images.pixels(row) for row in rows]
            )

    def open(self, path: Path, version: int | None = None) -> OpenStore:
        """Open a version in a session for reading."""
        store = _store(path, version)
        opened = _OpenDefault if self._settings.quick_start else _OpenFast
        return opened(store).with_tables(self.tables_in(path, store))

    def tables_at(self, path: Path) -> StoredTables:
        """Keep tables in the same repository. What is added is one commit."""
        return self.tables_in(path, None)

    def tables_in(self, path: Path, store: Any) -> IcechunkTables:
        """Return the tables in a Zarr store of the repository; of the newest version without it."""
        return IcechunkTables(
            path,
            store,
            for_tables(_TABLE_OPTIONS, self.tuning),
            for_tables(_TABLE_ROWS, self.tuning),
        )

    def append(self, images: ImageSet, path: Path) -> int:
        """Commit a longer array. Raises Unsupported for images of another shape or dtype."""
        shape, dtype = require_common_image(images, self.layout)
        self.tables_in(path, _store(path)).check_appendable(images.tables)
        repository = _repository(path)
        with _locked(path):
            number = _newest(repository) + 1
            with _changed(path, repository, number, locked=True) as store:
                array = zarr.open_array(store, path=IMAGES, mode="r+")
                if (array.shape[1:], array.dtype) != (shape, dtype):
                    raise Unsupported(f"{images.name} differs in shape or dtype from the images")
                first = array.shape[0]
                array.resize((first + len(images), *shape))
                self._fill(array, images, first)
                group = zarr.open_group(store, mode="r+")
                group.attrs[IMAGES] = [*group.attrs[IMAGES], *images.table.to_pylist()]
                self.tables_in(path, store).append_all(images.tables)
        return number

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Assign rows of the array and of the table, in one commit."""
        repository = _repository(path)
        with _locked(path):
            number = _newest(repository) + 1
            with _changed(path, repository, number, locked=True) as store:
                array = zarr.open_array(store, path=IMAGES, mode="r+")
                assign_rows(zarr.open_group(store, mode="r+"), array, rows, images)

    def delete(self, path: Path, rows: Sequence[int]) -> None:
        """Have Icechunk count the chunks anew, which copies none, in one commit.

        Where a chunk spans several images, the images after a deleted one are written again.
        """
        repository = _repository(path)
        with _locked(path):
            number = _newest(repository) + 1
            with _changed(path, repository, number, locked=True) as store:
                array = zarr.open_array(store, path=IMAGES, mode="r+")
                check_rows(rows, array.shape[0])
                left = kept(array.shape[0], rows)
                if array.chunks[0] == 1:
                    _count_anew(store.session, left)
                else:
                    for place, row in enumerate(left):
                        if place != row:
                            array[place] = array[row]
                array.resize((len(left), *array.shape[1:]))
                group = zarr.open_group(store, mode="r+")
                table = group.attrs[IMAGES]
                group.attrs[IMAGES] = [table[row] for row in left]

    def versions(self, path: Path) -> list[Version]:
        """List the numbers in the commits of the branch and of the tags."""
        snapshots = _snapshots(_repository(path))
        return [
            Version(number, snapshot.written_at.astimezone(UTC))
            for number, snapshot in sorted(snapshots.items())
        ]

    def restore(self, path: Path, version: int) -> int:
        """Commit on the old version, and move the branch there."""
        repository = _repository(path)
        with _locked(path):
            snapshots = _snapshots(repository)
            number = max(snapshots) + 1
            tip = repository.lookup_branch(MAIN)
            branch = f"restore-{number}"
            if branch in repository.list_branches():  # of a call that was killed
                repository.delete_branch(branch)
            repository.create_branch(branch, snapshots[version].id)
            session = repository.writable_session(branch)
            made = session.commit(
                f"Restore version {version}", metadata={NUMBER: number}, allow_empty=True
            )
            if (tag := f"before-{number}") not in repository.list_tags():
                repository.create_tag(tag, tip)
            repository.reset_branch(MAIN, made)
            repository.delete_branch(branch)
        return number

    def compact(self, path: Path) -> None:
        """Merge small manifests with Icechunk's `rewrite_manifests`, in one commit.

        Chunks stay as they are.
        """
        repository = _repository(path)
        with _locked(path):
            number = _newest(repository) + 1
            repository.rewrite_manifests(
                f"Version {number}", branch=MAIN, metadata={NUMBER: number}
            )

    def prune(self, path: Path, keep: int) -> None:
        """Expire the snapshots before the kept ones, and collect what only they needed."""
        repository = _repository(path)
        with _locked(path):
            kept = sorted(_snapshots(repository).items())[-keep:]
            oldest = min(snapshot.written_at for _, snapshot in kept)
            # Older releases also expire a snapshot of the very time.
            repository.expire_snapshots(
                oldest - timedelta(microseconds=1), delete_expired_tags=True
            )
            repository.garbage_collect(datetime.now(UTC))


class IcechunkForks(OfStore):
    """Each process writes to a fork of one session; they are merged and committed.

    A session with changes cannot be forked, so version 1 is the array before it is filled.
    """

    way = "forks of one session, one commit"

    def __init__(self, store: Icechunk) -> None:
        super().__init__(store)
        self._icechunk = store
        self._session: Any = None

    def begin(self, images: ImageSet, path: Path) -> Begun:
        """Commit an empty array, and fork a session."""
        with self._icechunk.created(images, path) as (store, array):
            self._icechunk.tables_in(path, store).write(images.tables)
        self._session = _repository(path).writable_session(MAIN)
        return Begun(pickle.dumps(self._session.fork()), array.chunks[0])

    def share(self, images: ImageSet, path: Path, rows: range, state: Any) -> bytes:
        """Write to the fork and return it."""
        return self._icechunk.fill_fork(state, images, rows)

    def end(self, images: ImageSet, path: Path, written: Sequence[Any]) -> None:
        """Merge the forks into the session, and commit it."""
        self._session.merge(*map(pickle.loads, written))
        self._session.commit("Version 2", metadata={NUMBER: 2})


def _count_anew(session: Any, left: Sequence[int]) -> None:
    """Move the chunks of the images that are left to the beginning, each chunk of one image."""
    places = {row: place for place, row in enumerate(left)}

    def forward(chunk: Sequence[int]) -> list[int] | None:
        place = places.get(chunk[0])
        return None if place is None else [place, *chunk[1:]]

    def backward(chunk: Sequence[int]) -> list[int] | None:
        return [left[chunk[0]], *chunk[1:]] if chunk[0] < len(left) else None

    session.reindex_array(f"/{IMAGES}", forward, backward)


def _storage(path: Path) -> Any:
    return icechunk.local_filesystem_storage(str(path))


def _repository(path: Path) -> Any:
    return icechunk.Repository.open(_storage(path))


def _snapshots(repository: Any) -> dict[int, Any]:
    """Return the newest snapshot of each version, by the version's number."""
    found: dict[int, Any] = {}
    histories = [repository.ancestry(branch=MAIN)]
    histories += [repository.ancestry(tag=tag) for tag in sorted(repository.list_tags())]
    for history in histories:
        for snapshot in history:
            number = snapshot.metadata.get(NUMBER)
            if number is None:
                continue
            if number not in found or snapshot.written_at > found[number].written_at:
                found[number] = snapshot
    return found


def _newest(repository: Any) -> int:
    return max(_snapshots(repository), default=1)


def _store(path: Path, version: int | None = None) -> Any:
    """Return the Zarr store of a version. Raises KeyError if there is none."""
    repository = _repository(path)
    if version is None:
        return repository.readonly_session(MAIN).store
    return repository.readonly_session(snapshot_id=_snapshots(repository)[version].id).store


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder's lock: Icechunk's storage on a local disk does not order commits."""
    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@contextmanager
def _changed(path: Path, repository: Any, number: int, locked: bool = False) -> Iterator[Any]:
    """Yield a store to write to, and commit what was written, if anything, as a version."""
    with nullcontext() if locked else _locked(path):
        session = repository.writable_session(MAIN)
        yield session.store
        try:
            session.commit(f"Version {number}", metadata={NUMBER: number}, allow_empty=True)
        except icechunk.ConflictError as error:
            raise Conflict(
                f"{path}: another writer added a version; nothing was changed, try again"
            ) from error


class _OpenDefault(OpenZarr):
    """The array in a session."""

    def __init__(self, store: Any) -> None:
        self._store = store

    @cached_property
    def _array(self) -> zarr.Array:
        return zarr.open_array(self._store, path=IMAGES, mode="r")

    def table(self) -> pa.Table:
        group = zarr.open_group(self._store, mode="r")
        return pa.Table.from_pylist(group.attrs[IMAGES], IMAGE_SCHEMA)


class _OpenFast(_OpenDefault, OpenTuned):
    """The same, read as `zarr`'s tuned stores are."""

    def scan_into(self, memory: np.ndarray) -> Iterator[np.ndarray]:
        """Read several images at once; by a request each where an image has several chunks.

        Those take 0.9 of the time of one request for all (icechunk 2.3, zarr 3.4).
        """
        if self._array.chunks[1:] == self._array.shape[1:]:
            return super().scan_into(memory)
        return copied_into(memory, self._gathered(range(len(self))))


class IcechunkTables(ZarrTables):
    """The tables of a session's store, or of the newest version if `store` is None."""

    def __init__(self, path: Path, store: Any, options: dict[str, Any], chunk: int | None) -> None:
        super().__init__(path / TABLES, options, chunk)
        self._path = path
        self._session_store = store

    @property
    def _store(self) -> Any:
        return _store(self._path) if self._session_store is None else self._session_store

    def append(self, name: str, rows: pa.Table) -> None:
        """Add rows in one commit, which belongs to the newest version."""
        IcechunkTables(self._path, self._store, self._options, self._chunk).check_appendable(
            {name: rows}
        )
        repository = _repository(self._path)
        with (
            _locked(self._path),
            _changed(self._path, repository, _number(repository), locked=True) as store,
        ):
            IcechunkTables(self._path, store, self._options, self._chunk).append_all({name: rows})

    def names(self) -> list[str]:
        """List the groups."""
        if not self._has():
            return []
        return sorted(self._open_group().group_keys())

    def schema(self, name: str) -> pa.Schema:
        """Read the attribute of the group."""
        if name not in self.names():
            raise KeyError(name)
        return super().schema(name)

    def _has(self, *parts: str) -> bool:
        try:
            zarr.open(self._store, path=_place(*parts), mode="r")
        except (FileNotFoundError, KeyError):
            return False
        return True

    def _create_group(self, *parts: str, attributes: dict[str, Any] | None = None) -> None:
        zarr.create_group(self._store, path=_place(*parts), attributes=attributes)

    def _open_group(self, *parts: str) -> zarr.Group:
        return zarr.open_group(self._store, path=_place(*parts), mode="r")

    def _create_array(self, parts: tuple[str, ...], **options: Any) -> zarr.Array:
        return zarr.create_array(self._store, name=_place(*parts), **options)

    def _open_array(self, parts: tuple[str, ...], mode: Literal["r", "r+"] = "r") -> zarr.Array:
        return zarr.open_array(self._store, path=_place(*parts), mode=mode)


def _number(repository: Any) -> int:
    """Return the number of the version at the branch's tip."""
    return int(next(iter(repository.ancestry(branch=MAIN))).metadata[NUMBER])


def _place(*parts: str) -> str:
    return "/".join((TABLES, *parts))
