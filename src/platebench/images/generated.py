"""The names of generated image sets."""

from __future__ import annotations

import re
from typing import cast, get_args

from platebench.images.camera import Profile


def generated(name: str) -> tuple[Profile, int] | None:
    """Return the profile and number of images that `raw-N` or `ic-N` asks for, or None."""
    found = re.fullmatch(rf"({'|'.join(get_args(Profile))})-([1-9][0-9]*)", name)
    return None if found is None else (cast(Profile, found[1]), int(found[2]))
