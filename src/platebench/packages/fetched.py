"""Fetch a package from a URL to a folder of this machine, whole, and check its digests.

Any URL that fsspec knows will do. The manifest says which files there are, so the server need not
list folders: plain HTTP is enough. All files of the package are fetched before anything is read,
each once. They stay in the cache folder:

    <cache>/<digest of the URL>/files/<SHA-256>                  every file that was fetched
    <cache>/<digest of the URL>/<digest of the manifest>/package/     hard links to them

So a second `open` fetches only the manifest, a fetch that was interrupted goes on with the file
that is missing, and when the package has got a version since, only new files are fetched. Nothing
in the cache is ever evicted: delete the folder to make room.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import platformdirs

from platebench.addresses import masked
from platebench.drafts import made_anew
from platebench.errors import UserError
from platebench.limits import require_room
from platebench.optional import require
from platebench.ownership import FolderKind
from platebench.packages.manifest import LARGEST, MANIFEST, StoredFile, read_manifest

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

FETCHED = FolderKind("fetched", "a fetched package")

PACKAGE = "package"
"""The folder with the package, beside the mark that says who made it."""

FILES = "files"

_CHUNK = 1 << 20
_HTTP = {"http", "https"}

Progress = Callable[[int, int], None]
"""Called with the bytes that are done and those of the whole package."""


def is_url(path: str | os.PathLike[str]) -> bool:
    """Say whether this is a URL, and not a path."""
    return isinstance(path, str) and "://" in path


def default_cache() -> Path:
    """Return the folder where packages are kept if no other is named."""
    return platformdirs.user_cache_path("platebench", appauthor=False) / "packages"


def fetch(
    url: str,
    cache: Path | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Return a folder with the package at `url`, which is fetched unless it is in the cache.

    `options` are fsspec's for this kind of URL. Raises UserError if there is no package, if a file
    is not the one that the manifest describes, or if the disk has no room. Then there is no folder.
    """
    require("a URL", "fsspec")
    remote = _Remote(url, options or {})
    if remote.is_local:
        return Path(remote.root)
    manifest = remote.manifest()
    here = (cache or default_cache()) / _digest(remote.url.encode()) / _digest(manifest)
    if not (here / PACKAGE / MANIFEST).is_file():
        try:
            with made_anew(here, FETCHED) as draft:
                package = draft / PACKAGE
                package.mkdir()
                (package / MANIFEST).write_bytes(manifest)
                _fetch_files(remote, package, here.parent / FILES, progress)
        except OSError as error:  # a full disk, or a manifest with a file below a file
            reason = error.strerror or error
            raise UserError(
                f"{remote.title}: cannot be kept in {here.parent} ({reason})"
            ) from error
    return here / PACKAGE


class _Remote:
    """A folder at a URL."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        """Raise UserError for a kind of URL that is unknown, or whose library is missing."""
        from fsspec.core import url_to_fs

        self.url = url.rstrip("/")
        self.title = masked(self.url)
        """The URL as messages show it."""
        self._http = self.url.partition("://")[0] in _HTTP
        if self._http:
            require("an HTTP URL", "aiohttp")
        self._files: AbstractFileSystem
        try:
            self._files, root = url_to_fs(self.url, **options)
        except (ImportError, ValueError, TypeError) as error:
            raise UserError(f"{self.title}: {_one_line(error)}") from error
        self.root = str(root).rstrip("/")
        protocols = self._files.protocol
        self.is_local = "file" in ([protocols] if isinstance(protocols, str) else protocols)

    def manifest(self) -> bytes:
        """Return the manifest's bytes. Raises UserError if there is none."""
        content = b"".join(self.chunks(MANIFEST, LARGEST))
        if len(content) > LARGEST:
            raise UserError(f"{self.title}: its manifest has more than {LARGEST:,} bytes")
        return content

    def chunks(self, path: str, most: int) -> Iterator[bytes]:
        """Yield the content of a file, at most one byte more than `most`."""
        left = most + 1
        # Servers without range requests send a file from its start to its end.
        how = {"block_size": 0} if self._http else {}
        place = f"{self.root}/{quote(path) if self._http else path}"
        with self._refusing(path), self._files.open(place, "rb", **how) as file:
            while left > 0 and (chunk := file.read(min(left, _CHUNK))):
                left -= len(chunk)
                yield chunk

    @contextmanager
    def _refusing(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            what = f"{path} is missing"
            if isinstance(error.__cause__, OSError):  # fsspec says so of a server that is away, too
                what = f"{path} cannot be fetched ({_one_line(error.__cause__)})"
            elif path == MANIFEST:
                what = f"not a package of platebench (it has no {MANIFEST})"
            raise UserError(f"{self.title}: {what}") from error
        except (UserError, MemoryError):
            raise
        except Exception as error:
            raise UserError(
                f"{self.title}: {path} cannot be fetched ({_one_line(error)})"
            ) from error


def _fetch_files(remote: _Remote, package: Path, fetched: Path, progress: Progress) -> None:
    """Fetch the files of a package whose manifest is there, or link those in `fetched`."""
    manifest = read_manifest(package)
    total = sum(file.size for file in manifest.files)
    missing = sum(file.size for file in manifest.files if not (fetched / file.sha256).is_file())
    require_room(package, missing, f"the files of {remote.title}")
    fetched.mkdir(exist_ok=True)
    done = 0
    for file in manifest.files:
        progress(done, total)
        place = package / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        if not _linked(fetched / file.sha256, place):
            _fetch_file(remote, file, place, partial(_shifted, progress, done, total))
            _linked(place, fetched / file.sha256)
        done += file.size
    progress(done, total)


def _shifted(progress: Progress, before: int, total: int, size: int) -> None:
    progress(before + size, total)


def _fetch_file(
    remote: _Remote, file: StoredFile, place: Path, progress: Callable[[int], None]
) -> None:
    state, size = hashlib.sha256(), 0
    with place.open("xb") as out:
        for chunk in remote.chunks(file.path, file.size):
            state.update(chunk)
            size += len(chunk)
            out.write(chunk)
            progress(min(size, file.size))
    if size != file.size or state.hexdigest() != file.sha256:
        raise UserError(
            f"{remote.title}: {file.path} is not the file that the manifest describes; the package"
            " is damaged or was changed meanwhile"
        )


def _linked(file: Path, place: Path) -> bool:
    """Make a hard link to a file. False if there is none, or on a file system without links."""
    try:
        os.link(file, place)
    except OSError:
        return False
    return True


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _one_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return masked(lines[0])[:200] if lines and lines[0] else type(error).__name__
