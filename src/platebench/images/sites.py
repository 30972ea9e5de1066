"""The sites of a generated image set: their places, file names, images and objects.

A shot is what is drawn at once. Of the profiles of single fields it is a frame of a movie, which is
one image; see `screen`. Of `channels`, `zstack` and `mixed` it is a site of a 384-well plate with
cells of its own, and has all images of that site, which are neighbours in row order.
"""

from __future__ import annotations

import numpy as np

from platebench.images import screen
from platebench.images.camera import label_frame, take_frame
from platebench.images.focus import PLANES, SHARPEST, stack
from platebench.images.movie import HEIGHT, WIDTH, Movie, movie
from platebench.images.names import Place
from platebench.images.painting import CHANNELS, paint
from platebench.images.screen import FIRST_FRAME, GENES, Segmented, Shot
from platebench.images.set_profiles import MIXED, SetProfile, images_per_site, is_field

SITES_PER_WELL = 4
WELL_ROWS, WELL_COLUMNS = 16, 24
"""Those of a 384-well plate. Wells are filled row by row, from A01."""

_PLATES = {"channels": "CP", "zstack": "ZS", "mixed": "MX", "crops": "CP"}
"""Beginning of the names of plates. Crops are cut from the fields of `channels`."""


def shots(profile: SetProfile, images: int) -> list[Shot]:
    """Return the shots of a set of `images` images, which are whole sites, in order."""
    if is_field(profile):
        return list(screen.shots(images))
    return [site_shot(number) for number in range(images // images_per_site(profile))]


def site_shot(number: int) -> Shot:
    """Return site `number` of a set that consists of sites. Each shows a movie of its own."""
    return Shot(number, number, FIRST_FRAME)


def site_place(shot: Shot, profile: SetProfile) -> Place:
    """Return plate, well and site; of single fields, also the frame."""
    if is_field(profile):
        return screen.place_of_shot(shot)
    well, site = divmod(shot.number, SITES_PER_WELL)
    plate, well = divmod(well, WELL_ROWS * WELL_COLUMNS)
    row, column = divmod(well, WELL_COLUMNS)
    name = f"{chr(ord('A') + row)}{column + 1:02d}"
    return Place(f"{_PLATES[profile]}{plate + 1:04d}", name, str(site + 1))


def places(shot: Shot, profile: SetProfile) -> list[Place]:
    """Return the place of each image of a shot."""
    place = site_place(shot, profile)
    match profile:
        case "channels":
            return [place._replace(channel=name) for name in CHANNELS]
        case "zstack":
            return [place._replace(channel=CHANNELS[0], z=z) for z in range(PLANES)]
        case _:
            return [place]


def file_names(shot: Shot, profile: SetProfile) -> list[str]:
    """Return the name of each image's TIFF file; `names.place_of` reads its place from it."""
    if is_field(profile):
        return [screen.tiff_name(shot)]
    return [f"{_stem(place)}.tif" for place in places(shot, profile)]


def site_stem(shot: Shot, profile: SetProfile) -> str:
    """Return the name of a site, such as `CP0001_A01_s1`."""
    return _stem(site_place(shot, profile))


def _stem(place: Place) -> str:
    plane = "" if place.z is None else f"_z{place.z}"
    channel = "" if place.channel is None else f"_{place.channel}"
    return f"{place.plate}_{place.well}_s{place.site}{plane}{channel}"


def images_of(seed: int, shot: Shot, profile: SetProfile) -> list[np.ndarray]:
    """Draw the images of a shot, in the order of `places`."""
    if is_field(profile):
        return [take_frame(movie(seed, shot.movie), shot.frame, profile)]
    site = Movie(seed, shot.movie)
    match profile:
        case "channels" | "crops":
            return list(paint(site, shot.frame))
        case "zstack":
            return list(stack(site, shot.frame))
        case _:
            return [_mixed(site, shot)]


def segment(seed: int, shot: Shot, profile: SetProfile) -> Segmented:
    """Draw a shot, and label and measure its nuclei: in DNA, and in the sharpest plane."""
    if is_field(profile):
        return screen.segment(seed, shot, profile)
    images = images_of(seed, shot, profile)
    site = movie(seed, shot.movie)
    labels, numbers = label_frame(site, shot.frame)
    if profile == "mixed":
        labels, numbers = _seen(_fitted(labels, shot.number), numbers)
    image = images[SHARPEST if profile == "zstack" else 0]
    axes = (1, len(images)) if profile == "zstack" else (len(images), 1)
    return Segmented(
        shot,
        image,
        labels,
        [site.nuclei[number] for number in numbers],
        place=site_place(shot, profile),
        gene=GENES[shot.number // SITES_PER_WELL % len(GENES)],
        planes=np.stack(images).reshape(*axes, *image.shape),
        channels=() if profile == "mixed" else CHANNELS[: axes[0]],
    )


def _mixed(site: Movie, shot: Shot) -> np.ndarray:
    """Return the image of a site of `mixed`, of the shape and dtype of its turn."""
    shape, dtype = MIXED[shot.number % len(MIXED)]
    field = take_frame(site, shot.frame, "raw" if dtype == np.uint8 else "raw16")
    if shape == (HEIGHT // 2, WIDTH // 2):
        # A camera sums the charge of four pixels; the mean keeps it in 12 bits.
        sums = field[::2, ::2] + field[1::2, ::2] + field[::2, 1::2] + field[1::2, 1::2]
        return np.asarray(sums >> 2)
    return np.ascontiguousarray(_fitted(field, shot.number))


def _fitted(plane: np.ndarray, number: int) -> np.ndarray:
    """Return the part of a field that image `number` of `mixed` shows, from its middle."""
    (height, width), _ = MIXED[number % len(MIXED)]
    if (height, width) == (HEIGHT // 2, WIDTH // 2):
        return plane[::2, ::2]
    top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
    return plane[top : top + height, left : left + width]


def _seen(labels: np.ndarray, numbers: list[int]) -> tuple[np.ndarray, list[int]]:
    """Return labels from 1 without gaps, and the nuclei that are left."""
    present = np.flatnonzero(np.bincount(labels.ravel(), minlength=len(numbers) + 1)[1:])
    renumbered = np.zeros(len(numbers) + 1, np.uint16)
    renumbered[present + 1] = np.arange(1, len(present) + 1)
    return renumbered[labels], [numbers[place] for place in present]
