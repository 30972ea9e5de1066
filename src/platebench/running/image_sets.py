"""The image sets that a user names: made or loaded, and given a name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from platebench.errors import UserError
from platebench.images.generated import LIKE_A_NAME, NAMES, generated
from platebench.images.set_profiles import require_whole_sites
from platebench.running.watcher import Watcher
from platebench.timing.workspace import Workspace


def image_sets(workspace: Workspace, images: Sequence[str], watcher: Watcher) -> list[str]:
    """Make or load the image sets, and return their names.

    Raises UserError for what is neither a number of images, the name of a set, nor a folder.
    """
    wanted = check_images(images)
    return list(dict.fromkeys(_ready(workspace, each, watcher) for each in wanted))


def check_images(images: Sequence[str]) -> list[str | Path]:
    """Return the names of image sets to generate, and folders. Raises UserError for others."""
    if not images:
        raise UserError("--images: give a number of images or a folder")
    return [_wanted(each) for each in images]


def _wanted(images: str) -> str | Path:
    """Return the name of an image set to generate, or the user's folder or file.

    Raises UserError for anything else. To name a folder called `raw-3`, write `./raw-3`.
    """
    if re.fullmatch(r"0[0-9]+", images):
        raise UserError(
            f"--images {images}: give {int(images)} for generated images, ./{images} for a folder"
        )
    name = f"raw-{int(images)}" if re.fullmatch(r"[+-]?[0-9]{1,12}", images) else images
    made = generated(name)
    if made is not None:
        require_whole_sites(*made)
        return name
    if LIKE_A_NAME.fullmatch(name):
        raise UserError(f"--images {images}: give 1 image or more, without leading zeros")
    if not Path(images).exists():
        raise UserError(f"{images}: neither a number of images, {NAMES}, nor a folder")
    return Path(images)


def _ready(workspace: Workspace, wanted: str | Path, watcher: Watcher) -> str:
    """Make or load an image set, and return its name."""
    if isinstance(wanted, Path):
        return workspace.hold_folder(wanted, watcher.preparing, watcher.says)
    workspace.images(wanted, watcher.preparing)
    return wanted
