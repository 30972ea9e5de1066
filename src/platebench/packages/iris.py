"""Read manifests of OME-IRIS, a catalogue of image data sets for benchmarks, as sources.

A manifest is a YAML file that names the files and folders of one data set, with its licence and
origin (github.com/WayScience/OME-IRIS, `dataset.schema.yaml` and `verify.py` of July 2026):

    id, name, description, tier, license, source_identifier
    source: {repository, path, url}
    files: [{path, kind: file | directory, url, sha256}]
    relationships: [...]     which columns of a table name which images

`ome-iris fetch` puts the files in the folder `source_identifier`. platebench fetches nothing: it
looks for them in that folder beside the manifest, in `data/` beside it, and beside the manifest
itself. The manifest is kept in the package, so the relationships are, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platebench.errors import UserError
from platebench.images.walk import shown
from platebench.optional import require
from platebench.packages.manifest import safe_path
from platebench.results.strict_json import Damaged

ENDINGS = {".yaml", ".yml"}

_LARGEST = 2**20
"""Bytes of a manifest that are read at most."""

_TEXTS = ("id", "name", "license", "source_identifier")


@dataclass(frozen=True)
class IrisFile:
    """A file or a folder that a manifest names: its path there, where it is, and its SHA-256."""

    path: str
    file: Path
    sha256: str = ""


@dataclass(frozen=True)
class IrisManifest:
    """What a manifest says. `missing` are paths that it names and that are not there."""

    name: str
    licence: str
    citation: str
    files: tuple[IrisFile, ...]
    missing: tuple[str, ...]


def read_iris(file: Path) -> IrisManifest:
    """Read a manifest.

    Raises UserError if the file is none, if it names a path that leaves its folder, or if none of
    what it names is there.
    """
    read = _read(file)
    entries = read.get("files")
    if not isinstance(entries, list) or not entries or not all(map(_is_entry, entries)):
        raise _no_manifest(file, "files is no list of paths")
    try:
        paths = {safe_path(each["path"], "file"): each for each in entries}
    except Damaged as error:
        raise _no_manifest(file, str(error)) from error
    folder = _folder(file, read["source_identifier"], list(paths))
    there = {path: each for path, each in paths.items() if (folder / path).exists()}
    return IrisManifest(
        name=read["source_identifier"],
        licence=read["license"],
        citation=_citation(read),
        files=tuple(
            IrisFile(path, folder / path, str(each.get("sha256") or "").strip().lower())
            for path, each in there.items()
        ),
        missing=tuple(path for path in paths if path not in there),
    )


def _read(file: Path) -> Mapping[str, Any]:
    require("an OME-IRIS manifest", "pyyaml")
    import yaml

    try:
        if file.stat().st_size > _LARGEST:
            raise _no_manifest(file, "it is too large")
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{shown(file)}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _no_manifest(file, str(error).split("\n", maxsplit=1)[0][:200]) from error
    if not isinstance(read, dict):
        raise _no_manifest(file, "it is no mapping")
    for key in _TEXTS:
        if not isinstance(read.get(key), str) or not read[key].strip():
            raise _no_manifest(file, f"it has no {key}")
    return read


def _no_manifest(file: Path, why: str) -> UserError:
    return UserError(f"{shown(file)}: no manifest of OME-IRIS ({why})")


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("path"), str)


def _folder(file: Path, identifier: str, paths: list[str]) -> Path:
    beside = file.parent
    try:
        name = safe_path(identifier, "source_identifier")
    except Damaged as error:
        raise _no_manifest(file, str(error)) from error
    for folder in (beside / name, beside / "data" / name, beside):
        if any((folder / path).exists() for path in paths):
            return folder
    raise UserError(
        f"{shown(file)}: its files are not in {name}, data/{name} or beside it; get them with"
        " 'ome-iris fetch'"
    )


def _citation(read: Mapping[str, Any]) -> str:
    source = read.get("source")
    told = source if isinstance(source, dict) else {}
    address = told.get("url") or told.get("repository")
    return ", ".join(str(each).strip() for each in (read["name"], address) if each)
