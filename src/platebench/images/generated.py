"""Names of generated image sets."""

from __future__ import annotations

import re
from typing import cast, get_args

from platebench.images.set_profiles import SetProfile

NAMES = ", ".join(f"{profile}-N" for profile in get_args(SetProfile))
"""The names of image sets, for messages: raw-N, ic-N and so on."""

LIKE_A_NAME = re.compile(rf"({'|'.join(get_args(SetProfile))})-[+-]?[0-9]+")
"""What is meant as a name, whatever its number."""


def generated(name: str) -> tuple[SetProfile, int] | None:
    """Parse a name such as `raw16-64` into the profile and the number of images, or return None.

    The number need not be one of whole sites; see `set_profiles.require_whole_sites`.
    """
    found = re.fullmatch(rf"({'|'.join(get_args(SetProfile))})-([1-9][0-9]*)", name)
    return None if found is None else (cast(SetProfile, found[1]), int(found[2]))
