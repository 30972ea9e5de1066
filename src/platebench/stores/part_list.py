"""platebench's part list: versions for formats that have none of their own.

A stored image set with versions is a folder:

    parts/<random name>     image sets, each as the format writes it: a file or a folder
    000001.json             version 1: when it was made, and the names of its parts in order

A version adds one part with the new images. No file is ever changed in place.

A part has the tables of its images, and those of a version are the tables of its parts, one after
another. So an old version has the rows that it had. Rows that are appended without images are a
part with tables only, and so a version.

It is published crash-safely: the part is on the disk before the version's list is, and the list is
complete before it gets its name, by a hard link that fails if the name exists. So of two writers
that add a version at the same time one is refused, and nothing is lost. Readers see the version
before or the one after, never a mixture. A killed writer leaves a part that no version names.

The list is the same for every format without versions of its own. Adding a version and opening an
old one depend on the format; listing, restoring and pruning do not, and are measured once.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, NamedTuple

import pyarrow as pa

from platebench.atomic_files import sync
from platebench.errors import Conflict, UserError
from platebench.images.changed import Replaced, without
from platebench.images.imageset import ImageSet
from platebench.stores.contract import OpenStore, Store, Version, VersionedStore
from platebench.stores.joined import Joined
from platebench.stores.name import StoreName
from platebench.stores.part_tables import TablesOfParts
from platebench.stores.rewriting import Change
from platebench.stores.stored_images import StoredImages
from platebench.stores.tables import StoredTables

NAME = "platebench's part list"
"""What these versions are called wherever they are shown."""

PARTS = "parts"

FEW_PARTS = 64
"""Parts that can be open at once without a look at the limit of open files."""


def with_versions(store: Store) -> VersionedStore:
    """Return a store that keeps versions: the store itself, or a part list of such stores."""
    return store if isinstance(store, VersionedStore) else PartList(store)


@dataclass(frozen=True, init=False)
class PartList(VersionedStore):
    """A part list whose parts are written and read by another store."""

    base: Store

    format: ClassVar[str] = "part-list"

    def __init__(self, base: Store) -> None:
        for name, value in (("layout", base.layout), ("tuning", base.tuning), ("base", base)):
            object.__setattr__(self, name, value)

    @property
    def name(self) -> StoreName:
        """The name of the store that writes the parts."""
        return self.base.name

    def write(self, images: ImageSet, path: Path) -> None:
        """Write `images` as the first version, with one part."""
        try:
            parts = [self.write_part(images, path)]
            _publish(path, 1, parts, parts)
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)  # it did not exist before
            raise

    def publish_first(self, path: Path, parts: list[str], tables: list[str]) -> int:
        """Publish version 1 of parts that are on the disk, and return its number.

        `parts` are the names of image sets below `PARTS`, in the order of their rows, and `tables`
        those of parts with tables only. Raises Conflict if there is a version.
        """
        return _publish(path, 1, parts, [*parts, *tables])

    def publish_more(self, path: Path, version: int, parts: list[str], tables: list[str]) -> int:
        """Publish a version that has the parts of `version` and then these, and return its number.

        They are on the disk, as `publish_first` says. Raises Conflict as `append` does.
        """
        newest = _newest(path)
        listed = _read(path, version)
        return _publish(
            path, newest + 1, [*listed.parts, *parts], [*listed.tables, *parts, *tables]
        )

    def open(self, path: Path, version: int | None = None) -> OpenStore:
        """Open a version, the newest by default."""
        return self._opened(path, version, self.base.open)

    @property
    def keeps_files(self) -> bool:
        """True if the parts do."""
        return self.base.keeps_files

    def open_files(self, path: Path, version: int | None = None) -> OpenStore:
        """Open a version as `open` does, for the bytes of its TIFF files."""
        return self._opened(path, version, self.base.open_files)

    def _opened(
        self, path: Path, version: int | None, open_part: Callable[[Path], OpenStore]
    ) -> OpenStore:
        listed = _read(path, _newest(path) if version is None else version)
        if len(listed.parts) > FEW_PARTS:
            _allow_files(path, len(listed.parts))
        opened = [open_part(path / PARTS / part) for part in listed.parts]
        if listed.tables == listed.parts and len(opened) == 1:
            return opened[0]
        return Joined(opened).with_tables(self._tables(path, listed))

    def tables_at(self, path: Path) -> StoredTables:
        """Return the tables of the newest version. They are added to by `append_rows` only."""
        return self._tables(path, _read(path, _newest(path)))

    def append_rows(self, name: str, rows: pa.Table, path: Path) -> None:
        """Add a version with the rows as one more part. Raises Conflict as `append` does."""
        newest = _newest(path)
        listed = _read(path, newest)
        self._tables(path, listed).check_appendable({name: rows})
        part = self._new_part(path, lambda place: self.base.tables_at(place).create(name, rows))
        self._publish_part(path, newest + 1, listed.parts, [*listed.tables, part], part)

    def append(self, images: ImageSet, path: Path) -> int:
        """Add `images` as one more part.

        Raises Conflict if another writer added a version since this call began.
        """
        newest = _newest(path)
        listed = _read(path, newest)
        self._tables(path, listed).check_appendable(images.tables)
        part = self.write_part(images, path)
        parts, tables = [*listed.parts, part], [*listed.tables, part]
        return self._publish_part(path, newest + 1, parts, tables, part)

    def versions(self, path: Path) -> list[Version]:
        """List the versions from their lists of parts."""
        return [
            Version(number, datetime.fromisoformat(_read(path, number).made))
            for number in _numbers(path)
        ]

    def restore(self, path: Path, version: int) -> int:
        """Make an old version's parts the newest version's; no pixel is copied.

        Raises Conflict as `append` does.
        """
        newest = _newest(path)
        listed = _read(path, version)
        return _publish(path, newest + 1, listed.parts, listed.tables)

    def prune(self, path: Path, keep: int) -> None:
        """Remove old lists, then the parts that only they named."""
        numbers = _numbers(path)
        removed, kept = numbers[:-keep], numbers[-keep:]
        old = {part for number in removed for part in _read(path, number).tables}
        for number in removed:
            _list_file(path, number).unlink()
        sync(path)  # no list may come back after a crash without its parts
        for part in old - {part for number in kept for part in _read(path, number).tables}:
            _remove(path / PARTS / part)
        sync(path / PARTS)

    def compact(self, path: Path) -> None:
        """Write all images of the newest version as one part, which is a new version.

        Raises Conflict as `append` does.
        """
        if len(_read(path, _newest(path)).tables) > 1:
            self._rewrite(path, lambda stored: stored)

    def replace(self, path: Path, rows: Sequence[int], images: ImageSet) -> None:
        """Write all images as one part, with the others in their place. It is a new version."""
        self._rewrite(path, lambda stored: Replaced(stored, rows, images))

    def delete(self, path: Path, rows: Sequence[int]) -> None:
        """Write the images that are left as one part, which is a new version."""
        self._numbers(path, rows)
        self._rewrite(path, lambda stored: without(stored, rows))

    def _rewrite(self, path: Path, change: Change) -> None:
        newest = _newest(path)
        with ExitStack() as stack:
            opened = stack.enter_context(self.open(path, newest))
            files = None
            if self.keeps_files:
                files = stack.enter_context(self.open_files(path, newest))
            part = self.write_part(change(StoredImages(opened, files)), path)
        self._publish_part(path, newest + 1, [part], [part], part)

    def _tables(self, path: Path, listed: _Listed) -> TablesOfParts:
        return TablesOfParts([self.base.tables_at(path / PARTS / part) for part in listed.tables])

    def write_part(self, images: ImageSet, path: Path) -> str:
        """Write a part that no version names yet, sync it to the disk, and return its name."""
        return self._new_part(path, lambda place: self.base.write(images, place))

    def _new_part(self, path: Path, write: Callable[[Path], None]) -> str:
        """Write a part, sync it to the disk, and return its name."""
        name = uuid.uuid4().hex
        part = path / PARTS / name
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(part)
        except BaseException:
            _remove(part)
            raise
        for place in (part, *part.rglob("*"), part.parent):
            sync(place)
        return name

    def _publish_part(
        self, path: Path, number: int, parts: list[str], tables: list[str], part: str
    ) -> int:
        """Add a version, or remove its new part if its number is taken."""
        try:
            return _publish(path, number, parts, tables)
        except Conflict:
            _remove(path / PARTS / part)
            raise


class _Listed(NamedTuple):
    """The list of a version: when it was made, and the names of its parts.

    `parts` have images, `tables` are all parts in the order of their rows.
    """

    made: str
    parts: list[str]
    tables: list[str]


def _allow_files(path: Path, parts: int) -> None:
    """Let this process open so many parts, of up to two files each, at the same time.

    Linux allows 1,024 files unless a process asks for more, and macOS 256. Raises UserError if the
    system does not allow as many as there are parts.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * parts + FEW_PARTS
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if allowed < parts + FEW_PARTS:
        raise UserError(
            f"{path}: this version has {parts:,} parts, and this system lets a process open"
            f" {hard:,} files; write its images anew as one part"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _list_file(path: Path, number: int) -> Path:
    return path / f"{number:06d}.json"


def _numbers(path: Path) -> list[int]:
    return sorted(int(file.stem) for file in path.glob("[0-9]*.json"))


def _newest(path: Path) -> int:
    return _numbers(path)[-1]


def _read(path: Path, number: int) -> _Listed:
    try:
        listed = json.loads(_list_file(path, number).read_text())
        found = _Listed(**{"tables": listed["parts"], **listed})
    except FileNotFoundError:
        raise KeyError(number) from None
    for part in (*found.parts, *found.tables):
        # A stored set may come from somebody else, and must not name files elsewhere.
        # Not by pathlib: listing 1,000 versions would make two million paths, in 3 s.
        if part in ("", ".", "..") or os.sep in part:
            raise UserError(f"{path}: version {number} names a part outside this folder: {part!r}")
    return found


def _publish(path: Path, number: int, parts: list[str], tables: list[str]) -> int:
    """Add a version whose parts are on the disk. Raises Conflict if its number is taken."""
    listed = _Listed(datetime.now(UTC).isoformat(), parts, tables)
    draft = path / f".{uuid.uuid4().hex}.draft"
    try:
        draft.write_text(json.dumps(listed._asdict()))
        sync(draft)
        os.link(draft, _list_file(path, number))  # unlike a rename, fails if the version exists
    except FileExistsError:
        raise Conflict(
            f"{path}: version {number} was added by another writer; nothing was changed, try again"
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    sync(path)
    return number


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)
