"""Names of generated image sets."""

from __future__ import annotations

import re
from typing import cast, get_args

from platebench.images.camera import Profile


def generated(name: str) -> tuple[Profile, int] | None:
    """Parse a name such as `raw16-64` into the profile and the number of images, or return None."""
    found = re.fullmatch(rf"({'|'.join(get_args(Profile))})-([1-9][0-9]*)", name)
    return None if found is None else (cast(Profile, found[1]), int(found[2]))
