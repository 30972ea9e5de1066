"""SHA-256 of images and files, computed beside the writing."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import tifffile

from platebench.atomic_files import sync
from platebench.errors import UserError
from platebench.images.imageset import ImageSet
from platebench.packages.manifest import DigestOf, StoredFile
from platebench.stores.plain_tiff import native, plain_page, read_tiff

_AHEAD = 3
"""Images that may wait for their digest. Each holds its memory as long."""

_PIECE = 2**22


def pixel_digest(array: np.ndarray) -> str:
    """Return the SHA-256 of an image's pixels: C order, little-endian, as 64 hex digits."""
    return hashlib.sha256(_pixel_bytes(array)).hexdigest()


def _pixel_bytes(array: np.ndarray) -> memoryview:
    big = array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big")
    little = array.astype(array.dtype.newbyteorder("<")) if big else array
    return np.ascontiguousarray(little).reshape(-1).view(np.uint8).data


class HashedImages(ImageSet):
    """An image set that notes the SHA-256 of each image when a store reads it.

    With `digest_of` "file" it is that of the TIFF file, and each file is decoded once, so that no
    package has an image that nobody can read. One thread computes the digests; hashlib lets other
    threads run meanwhile. `counted` is called after each image.
    """

    def __init__(
        self, source: ImageSet, digest_of: DigestOf, counted: Callable[[int], None]
    ) -> None:
        self._source = source
        self._digest_of = digest_of
        self._counted = counted
        self._digests: list[str | Future[str] | None] = [None] * len(source)
        self._waiting: deque[Future[str]] = deque()
        self._thread = ThreadPoolExecutor(1)
        self._paths = source.table["path"].to_pylist()
        self._sizes = source.table["filesize_bytes"].to_pylist()
        self.failure: BaseException | None = None
        """What a read has raised. A library that streams may hide it behind an error of its own."""
        self.name = source.name
        self.table = source.table

    tables: Mapping[str, pa.Table] = {}

    def pixels(self, row: int) -> np.ndarray:
        """Return image `row`."""
        with self._noted():
            array = self._source.pixels(row)
            if self._digest_of == "pixels":
                self._note(row, _pixel_bytes(array))
            return array

    def file(self, row: int) -> bytes | memoryview:
        """Return the TIFF file of image `row`. Raises UserError if it cannot be decoded."""
        with self._noted():
            data = self._source.file(row)
            if self._digest_of == "file":
                if self._digests[row] is None:
                    self._require_image(row, data)
                self._note(row, data)
            return data

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.failure = self.failure or error
            raise

    def digests(self) -> Sequence[str]:
        """Return the digests of `images.imageset.digest`."""
        return self._source.digests()

    def finish(self) -> list[str]:
        """Return the SHA-256 of every image, in row order, and end the thread."""
        for row, digest in enumerate(self._digests):
            if digest is None:  # a store that has not asked for the image itself
                self.file(row) if self._digest_of == "file" else self.pixels(row)
        try:
            return [_result(digest) for digest in self._digests]
        finally:
            self.close()

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    def _note(self, row: int, data: bytes | memoryview) -> None:
        if self._digests[row] is not None:
            return
        while len(self._waiting) >= _AHEAD:
            self._waiting.popleft().result()
        digest = self._thread.submit(_hexdigest, data)
        self._digests[row] = digest
        self._waiting.append(digest)
        self._counted(1)

    def _require_image(self, row: int, data: bytes | memoryview) -> None:
        shape, dtype = self.shapes[row], self.dtypes[row]
        path, size = self._paths[row], self._sizes[row]
        if len(data) != size:
            raise UserError(f"{path}: has {len(data)} bytes, not {size}; it changed while in use")
        try:
            image = _decoded(data)
        except Exception as error:  # on damaged bytes the decoders may raise any exception
            reason = str(error).strip().split("\n", maxsplit=1)[0][:200]
            raise UserError(
                f"{path}: cannot be decoded ({reason or type(error).__name__})"
            ) from error
        if image.size != np.prod(shape, dtype=np.int64) or image.dtype != dtype:
            raise UserError(
                f"{path}: decodes to {image.dtype} {image.shape}, but its header claims {dtype}"
                f" {shape}"
            )


def _decoded(data: bytes | memoryview) -> np.ndarray:
    """Decode a TIFF file, strictly.

    libtiff, by which stores read compressed files, returns what it has of a damaged strip and says
    nothing; the codecs that tifffile calls raise an error.
    """
    page = plain_page(data)
    if page is not None and page.offset is not None and page.offset + page.size <= len(data):
        return read_tiff(data)
    return native(tifffile.imread(io.BytesIO(data)))


def _hexdigest(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _result(digest: str | Future[str] | None) -> str:
    assert digest is not None
    return digest if isinstance(digest, str) else digest.result()


def file_digest(file: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def files_below(folder: Path) -> list[Path]:
    """Return the files below `folder`, or the file itself, sorted. Links count as files."""
    if not folder.is_dir() or folder.is_symlink():
        return [folder]
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        found += [Path(place, name) for name in names]
        found += [Path(place, name) for name in folders if Path(place, name).is_symlink()]
    return sorted(found)


def settled(place: Path, package: Path) -> list[StoredFile]:
    """Have the files below `place`, or the file, and their names on the disk; return digests.

    Paths are those below `package`.
    """
    with ThreadPoolExecutor(1) as thread:  # one waits for the disk, the other one computes
        synced = thread.submit(_sync_files, place)
        files = [stored_file(file, package) for file in files_below(place)]
        synced.result()
    sync_folders(place)
    return files


def _sync_files(place: Path) -> None:
    for file in files_below(place):
        sync(file)


def stored_file(file: Path, package: Path) -> StoredFile:
    """Return a file's path below `package`, its size and digest."""
    path = file.relative_to(package).as_posix()
    return StoredFile(path, file.stat().st_size, file_digest(file))


def sync_folders(place: Path) -> None:
    """Have the names in a folder and in all below it on the disk."""
    if place.is_dir():
        for folder, _, _ in os.walk(place, topdown=False):
            sync(Path(folder))


def copy_hashed(file: Path, target: Path, package: Path) -> StoredFile:
    """Copy a file to the disk and compute its digest meanwhile. Creates the folders above it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    state, size = hashlib.sha256(), 0
    try:
        source = file.open("rb")
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    with source, target.open("xb") as sink:
        while piece := source.read(_PIECE):
            state.update(piece)
            size += sink.write(piece)
        sink.flush()
        os.fsync(sink.fileno())
    return StoredFile(target.relative_to(package).as_posix(), size, state.hexdigest())


def write_hashed(target: Path, content: str | bytes, package: Path) -> StoredFile:
    """Write a file of a draft to the disk and return its digest."""
    data = content.encode() if isinstance(content, str) else content
    with target.open("wb") as sink:
        sink.write(data)
        sink.flush()
        os.fsync(sink.fileno())
    path = target.relative_to(package).as_posix()
    return StoredFile(path, len(data), _hexdigest(data))
