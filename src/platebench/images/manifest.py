"""Manifest of a fixture: its settings, and the place and digest of every image.

It is written last, so a folder with a manifest is a complete fixture.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar, cast, get_args

from platebench.errors import UserError
from platebench.images.names import Place
from platebench.images.set_profiles import SetProfile

MANIFEST = "manifest.json"
T = TypeVar("T")

SCHEMA = 3
"""Incremented when the same settings give other bytes, so that old fixtures are regenerated."""


@dataclass(frozen=True)
class Settings:
    """Settings that determine the bytes of a fixture."""

    images: int
    profile: SetProfile
    seed: int
    ch5: bool
    tables: bool


@dataclass(frozen=True)
class Entry:
    """One image: its path below the fixture, its place, and the digest of its pixels."""

    path: str
    place: Place
    digest: str


@dataclass(frozen=True)
class Manifest:
    """Settings and images of a fixture, in order."""

    settings: Settings
    entries: list[Entry]

    @property
    def name(self) -> str:
        """Name of the image set, such as `raw-64`."""
        return f"{self.settings.profile}-{self.settings.images}"


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write `manifest` to `folder`."""
    images = [
        {"path": entry.path, **entry.place._asdict(), "digest": entry.digest}
        for entry in manifest.entries
    ]
    content = {"platebench": SCHEMA, "settings": asdict(manifest.settings), "images": images}
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n")


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest in `folder`; None if there is none of this schema.

    Raises UserError if it is damaged: not JSON, wrong types, a path out of the folder, or images
    that contradict the settings.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("platebench") != SCHEMA:
            return None
        entries = [_entry(image) for image in _typed(content["images"], list)]
        manifest = Manifest(_settings(_typed(content["settings"], dict)), entries)
        if len(entries) != manifest.settings.images or len({e.path for e in entries}) < len(
            entries
        ):
            raise ValueError("images that contradict the settings")
        return manifest
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: damaged; remove it and make the fixture again") from error


def _entry(image: object) -> Entry:
    """Parse an entry. Raises ValueError, TypeError or KeyError if it is invalid."""
    parts = _typed(image, dict)
    path = _typed(parts["path"], str)
    if not path or "\0" in path or PurePosixPath(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError("a path out of the folder")
    path.encode()
    place = Place(
        plate=_or_none(parts["plate"], str),
        well=_or_none(parts["well"], str),
        site=_or_none(parts["site"], str),
        frame=_or_none(parts["frame"], int),
        channel=_or_none(parts["channel"], str),
        z=_or_none(parts["z"], int),
    )
    for value in place:
        if isinstance(value, str):
            value.encode()
        elif value is not None and abs(value) >= 2**31:
            raise ValueError("a frame or z out of range")
    return Entry(path, place, _typed(parts["digest"], str))


def _settings(given: dict[str, object]) -> Settings:
    """Parse the settings. Raises ValueError, TypeError or KeyError if they are invalid."""
    profile = _typed(given["profile"], str)
    if profile not in get_args(SetProfile):
        raise ValueError("an unknown profile")
    return Settings(
        images=_typed(given["images"], int),
        profile=cast("SetProfile", profile),
        seed=_typed(given["seed"], int),
        ch5=_typed(given["ch5"], bool),
        tables=_typed(given["tables"], bool),
    )


def _typed(value: object, kind: type[T]) -> T:
    """Return `value` if it has the type `kind`, else raise TypeError. A bool is not an int."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{type(value).__name__} in place of {kind.__name__}")
    return value


def _or_none(value: object, kind: type[T]) -> T | None:
    return None if value is None else _typed(value, kind)
