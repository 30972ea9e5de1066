"""Profiles of generated image sets: what an image is, and which images are of one site.

Beside the profiles of single fields (`raw`, `ic`, `raw16`; see `camera`) there are

- `channels`: five channels per site, as in Cell Painting; the images are uint16 of 12 bits.
- `zstack`: stacks of eight planes in steps of focus; uint16 of 12 bits.
- `mixed`: images of several shapes and dtypes, as a folder from several microscopes has them.
- `crops`: cells instead of fields, (5, 64, 64) uint16, cut from the fields of `channels`.

The number in the name of a set counts images: `channels-60` has 12 sites. The images of a site are
neighbours in row order, and have equal plate, well, site and frame; they differ in channel or z.
"""

from __future__ import annotations

from typing import Literal, TypeGuard, get_args

import numpy as np

from platebench.errors import UserError
from platebench.images.camera import Profile, dtype_of, image_bytes
from platebench.images.focus import PLANES
from platebench.images.movie import HEIGHT, WIDTH
from platebench.images.painting import CHANNELS

SetProfile = Literal["raw", "ic", "raw16", "channels", "zstack", "mixed", "crops"]

CROP_SIDE = 64
"""Height and width of a crop in pixels."""

MIXED: tuple[tuple[tuple[int, int], np.dtype], ...] = (
    ((HEIGHT, WIDTH), np.dtype(np.uint8)),
    ((HEIGHT // 2, WIDTH // 2), np.dtype(np.uint16)),
    ((904, 1224), np.dtype(np.uint8)),
    ((300, 257), np.dtype(np.uint16)),
)
"""Shape and dtype of the images of `mixed`, in turn: a field in 8 bits; a field binned by 2 x 2;
the size of another camera; a region of interest with odd sides."""


def images_per_site(profile: SetProfile) -> int:
    """Return how many images a site has."""
    return {"channels": len(CHANNELS), "zstack": PLANES}.get(profile, 1)


def is_field(profile: SetProfile) -> TypeGuard[Profile]:
    """True for the profiles of single fields, which `camera` draws."""
    return profile in get_args(Profile)


def shape_and_dtype(profile: SetProfile, number: int) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape and dtype of image `number` of a set."""
    match profile:
        case "mixed":
            return MIXED[number % len(MIXED)]
        case "crops":
            return (len(CHANNELS), CROP_SIDE, CROP_SIDE), np.dtype(np.uint16)
        case "channels" | "zstack":
            return (HEIGHT, WIDTH), np.dtype(np.uint16)
        case _:
            return (HEIGHT, WIDTH), dtype_of(profile)


def bits_of(profile: SetProfile) -> int | None:
    """Return the bits per pixel of all images of a profile; None if they differ."""
    return None if profile == "mixed" else 8 * shape_and_dtype(profile, 0)[1].itemsize


def set_bytes(profile: SetProfile, images: int) -> int:
    """Return the size in bytes of the pixels of `images` images."""
    if is_field(profile):
        return images * image_bytes(profile)
    turn = len(MIXED) if profile == "mixed" else 1
    sizes = [_bytes(*shape_and_dtype(profile, number)) for number in range(turn)]
    return images // turn * sum(sizes) + sum(sizes[: images % turn])


def _bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize


def require_whole_sites(profile: SetProfile, images: int) -> None:
    """Raise UserError, which names the next good numbers, for a part of a site."""
    each = images_per_site(profile)
    if images % each == 0:
        return
    below, above = images // each * each, (images // each + 1) * each
    good = f"{profile}-{above}" if below == 0 else f"{profile}-{below} or {profile}-{above}"
    raise UserError(f"{profile}-{images}: a site has {each} images; give {good}")
