"""Find what is stored at a path or a URL: a package, or an image set that a store wrote."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from platebench.addresses import masked
from platebench.errors import UserError
from platebench.packages.fetched import fetch, is_url
from platebench.packages.manifest import DATA, MANIFEST, read_manifest
from platebench.packages.reader import StoredSet
from platebench.stores import registry
from platebench.stores.contract import Version
from platebench.stores.name import StoreName


def locate(
    path: str | os.PathLike[str],
    version: int | None = None,
    store: str | None = None,
    cache: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> StoredSet:
    """Return what is stored at a path or a URL, which is fetched.

    `store` names the store of an image set that is no package; without it, the name of its folder
    or of the folder above says it (`parquet.tiff.fast`). Raises UserError if nothing is found, or
    no such version.
    """
    folder = _fetched(str(path), cache, options) if is_url(path) else Path(path)
    title = masked(str(path))
    try:
        exists, is_package = folder.exists(), (folder / MANIFEST).is_file()
    except (OSError, ValueError) as error:  # an overlong name, for instance
        raise UserError(f"{title!r}: {error}") from error
    if not exists:
        raise UserError(f"{title}: no such package")
    if store is None and is_package:
        return _package(folder, title, version)
    name = StoreName.parse(store) if store is not None else _named_by(folder)
    if name is None:
        raise UserError(
            f"{title}: not a package of platebench (it has no {MANIFEST}); 'platebench pack' makes"
            " one; of a bare image set, name the store with store="
        )
    return _image_set(folder, title, name, version)


def _fetched(url: str, cache: Path | None, options: Mapping[str, Any] | None) -> Path:
    from rich.console import Console

    from platebench.running.progress import Bar

    with Bar(Console(stderr=True)) as bar:
        return fetch(
            url,
            cache,
            options,
            lambda done, total: bar.show("fetching, in MB", done // 10**6, total // 10**6),
        )


def _package(folder: Path, title: str, version: int | None) -> StoredSet:
    manifest = read_manifest(folder)
    found = manifest.version(version)
    return StoredSet(
        store=manifest.store,
        path=folder / DATA,
        title=title,
        parts=not registry.format_of(manifest.store).native_versions,
        version=found.data_version,
        images=found.images,
        listed=tuple(_version(each.number, each.created, title) for each in manifest.versions),
        identity=hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest(),
    )


def _version(number: int, created: str, title: str) -> Version:
    try:
        return Version(number, datetime.fromisoformat(created))
    except ValueError:
        raise UserError(f"{title}: version {number} was made at {created!r}, no time") from None


def _image_set(folder: Path, title: str, name: StoreName, version: int | None) -> StoredSet:
    native = registry.format_of(name).native_versions
    parts = not native and (folder / "parts").is_dir() and any(folder.glob("[0-9]*.json"))
    if version is not None and not native and not parts:
        raise UserError(f"{title}: keeps no versions")
    return StoredSet(name, folder, title, parts, version)


def _named_by(folder: Path) -> StoreName | None:
    """Return the store that the name of a folder, or of the folder above, says."""
    known = registry.names()
    for place in (folder, folder.absolute().parent):
        name = StoreName.of_folder(place.name)
        if name in known:
            return name
    return None
