"""The simulated screen of a fixture: plate, well, frame and nuclei of each image."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from platebench.images.camera import Profile, label_frame, take_frame
from platebench.images.features import ObjectFeatures, measure
from platebench.images.movie import Nucleus, movie
from platebench.images.names import Place
from platebench.images.nuclei import CLASSES

FIRST_FRAME = 43
"""Frame of the talk's image LT0001_02_15_43, which is the first image of every fixture."""

FRAMES_PER_MOVIE = 32
"""Few enough that 64 images come from two wells; enough that nuclei can be tracked."""

WELLS_PER_PLATE = 16
FIRST_WELL = 15
SITE = "01"

GENES = ("KIF11", "PLK1", "INCENP", "AURKB", "BUB1", "CDC20", "ESPL1", "NCAPD2", "scrambled")
"""Genes silenced in Mitocheck, one per well; `scrambled` is its negative control."""


class Shot(NamedTuple):
    """One image of a fixture: its number, and the movie and frame it shows."""

    number: int
    movie: int
    frame: int


def shots(images: int) -> Iterator[Shot]:
    """Yield the shots of a fixture in order."""
    for number in range(images):
        yield Shot(number, number // FRAMES_PER_MOVIE, FIRST_FRAME + number % FRAMES_PER_MOVIE)


def place_of_shot(shot: Shot) -> Place:
    """Return plate, well, site and frame of a shot."""
    plate, well = divmod(shot.movie, WELLS_PER_PLATE)
    return Place(f"LT{plate + 1:04d}_02", str(FIRST_WELL + well), SITE, shot.frame)


def tiff_name(shot: Shot) -> str:
    """Return the name of a shot's TIFF file, in the pattern of the talk's files."""
    place = place_of_shot(shot)
    return f"{place.plate}.{place.plate}_{place.well}_{place.frame}_IC.tif"


def gene_of(shot: Shot) -> str:
    """Return the gene silenced in the shot's well."""
    return GENES[shot.movie % len(GENES)]


@dataclass(frozen=True)
class Segmented:
    """A frame or site with its objects: `image` of the profile's dtype, `labels` uint16, features.

    `nuclei` are in the order of their labels. `planes` (channels, z, y, x) are all images of the
    shot, one of which is `image`; `channels` names them, if they are not H2B-GFP. `place` is
    without channel and z.
    """

    shot: Shot
    image: np.ndarray
    labels: np.ndarray
    nuclei: list[Nucleus]
    place: Place
    gene: str
    planes: np.ndarray
    channels: tuple[str, ...] = ()

    @property
    def time(self) -> int:
        """The index of the frame in its movie; 0 of a site without frames."""
        return self.place.frame or 0

    @cached_property
    def classes(self) -> np.ndarray:
        """The phenotypes of the nuclei: int32 (n,), indices of CLASSES."""
        names = [nucleus.phenotype(self.shot.frame) for nucleus in self.nuclei]
        return np.array([CLASSES.index(name) for name in names], np.int32)

    @cached_property
    def objects(self) -> ObjectFeatures:
        """The features of the nuclei, measured in `image`."""
        return measure(self.image, self.labels, len(self.nuclei))

    @property
    def probabilities(self) -> np.ndarray:
        """Simulated classifier output: float64 (n, classes); rows sum to 1 up to rounding."""
        rest = (3 + np.arange(len(self.nuclei)) % 13) / 64.0
        sure = np.repeat((rest / (len(CLASSES) - 1))[:, np.newaxis], len(CLASSES), axis=1)
        sure[np.arange(len(self.nuclei)), self.classes] = 1.0 - rest
        return sure


def segment(seed: int, shot: Shot, profile: Profile) -> Segmented:
    """Render a shot, and label and measure its nuclei."""
    well = movie(seed, shot.movie)
    image = take_frame(well, shot.frame, profile)
    labels, numbers = label_frame(well, shot.frame)
    return Segmented(
        shot,
        image,
        labels,
        [well.nuclei[number] for number in numbers],
        place=place_of_shot(shot),
        gene=gene_of(shot),
        planes=image[np.newaxis, np.newaxis],
    )


def cell_uuid(seed: int, shot: Shot, nucleus: Nucleus) -> str:
    """Return a UUID for a nucleus in one frame."""
    key = f"{seed} {shot.movie} {shot.frame} {nucleus.number}".encode()
    return str(uuid.UUID(bytes=blake2b(key, digest_size=16).digest(), version=5))
