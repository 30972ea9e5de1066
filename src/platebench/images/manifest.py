"""The manifest of a fixture: its settings, and of every image its place and digest.

It is written last, so a folder with a manifest holds a whole fixture.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from platebench.errors import UserError
from platebench.images.camera import Profile
from platebench.images.names import Place

MANIFEST = "manifest.json"
SCHEMA = 2
"""Raised when the same settings give other bytes than before, so an old fixture is made anew."""


@dataclass(frozen=True)
class Settings:
    """All that decides the bytes of a fixture."""

    images: int
    profile: Profile
    seed: int
    ch5: bool
    tables: bool


@dataclass(frozen=True)
class Entry:
    """One image: its path below the fixture, where it was taken, and the digest of its pixels."""

    path: str
    place: Place
    digest: str


@dataclass(frozen=True)
class Manifest:
    """A fixture's settings and its images in order."""

    settings: Settings
    entries: list[Entry]

    @property
    def name(self) -> str:
        """What the image set is called: `raw-64`."""
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
    """Return the manifest in `folder`, or None if it has none of this schema.

    Raises UserError if there is one that cannot be understood.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict) or content.get("platebench") != SCHEMA:
            return None
        entries = [
            Entry(
                image["path"],
                Place(image["plate"], image["well"], image["site"], image["frame"]),
                image["digest"],
            )
            for image in content["images"]
        ]
        return Manifest(Settings(**content["settings"]), entries)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged; remove the folder and make the fixture again") from error
