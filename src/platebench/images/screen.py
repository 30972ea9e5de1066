"""The screen a fixture shows: which image is of which plate, well and frame, and its cells."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from platebench.images.camera import Profile, label_frame, take_frame
from platebench.images.features import Measured, measure
from platebench.images.movie import Cell, movie
from platebench.images.names import Place
from platebench.images.nuclei import CLASSES

FIRST_FRAME = 43
"""The frame of the talk's image, LT0001_02_15_43, which every fixture begins with."""

FRAMES_A_MOVIE = 32
"""Few enough that 64 images come from two wells, enough that nuclei can be tracked."""

WELLS_A_PLATE = 16
FIRST_WELL = 15
SITE = "01"

GENES = ("KIF11", "PLK1", "INCENP", "AURKB", "BUB1", "CDC20", "ESPL1", "NCAPD2", "scrambled")
"""Genes silenced in Mitocheck, well by well; `scrambled` is its negative control."""


class Shot(NamedTuple):
    """One image of a fixture: its number in it, and the movie and frame it shows."""

    number: int
    movie: int
    frame: int


def shots(images: int) -> Iterator[Shot]:
    """Yield the images of a fixture in their order."""
    for number in range(images):
        yield Shot(number, number // FRAMES_A_MOVIE, FIRST_FRAME + number % FRAMES_A_MOVIE)


def place_of_shot(shot: Shot) -> Place:
    """Return where and when a shot was taken."""
    plate, well = divmod(shot.movie, WELLS_A_PLATE)
    return Place(f"LT{plate + 1:04d}_02", str(FIRST_WELL + well), SITE, shot.frame)


def tiff_name(shot: Shot) -> str:
    """Return the name of a shot's TIFF file, as the talk's were named."""
    place = place_of_shot(shot)
    return f"{place.plate}.{place.plate}_{place.well}_{place.frame}_IC.tif"


def gene_of(shot: Shot) -> str:
    """Return the gene silenced in the shot's well."""
    return GENES[shot.movie % len(GENES)]


@dataclass(frozen=True)
class Segmented:
    """A frame with its objects: `image` uint8, `labels` uint16, and what was measured of them.

    `cells` are those of labels 1, 2, ...; `classes` int32 (n,) are places in CLASSES.
    """

    shot: Shot
    image: np.ndarray
    labels: np.ndarray
    cells: list[Cell]
    classes: np.ndarray
    measured: Measured

    @property
    def probabilities(self) -> np.ndarray:
        """How sure a classifier is of each class: float64 (n, classes), rows sum to 1 or nearly."""
        rest = (3 + np.arange(len(self.cells)) % 13) / 64.0
        sure = np.repeat((rest / (len(CLASSES) - 1))[:, np.newaxis], len(CLASSES), axis=1)
        sure[np.arange(len(self.cells)), self.classes] = 1.0 - rest
        return sure


def segment(seed: int, shot: Shot, profile: Profile) -> Segmented:
    """Take a shot, and label and measure its nuclei."""
    well = movie(seed, shot.movie)
    image = take_frame(well, shot.frame, profile)
    labels, numbers = label_frame(well, shot.frame)
    cells = [well.cells[number] for number in numbers]
    classes = [CLASSES.index(cell.phenotype(shot.frame)) for cell in cells]
    return Segmented(
        shot,
        image,
        labels,
        cells,
        np.array(classes, np.int32),
        measure(image, labels, len(cells)),
    )


def cell_uuid(seed: int, shot: Shot, cell: Cell) -> str:
    """Return a name for a cell in a frame that no other has."""
    key = f"{seed} {shot.movie} {shot.frame} {cell.number}".encode()
    return str(uuid.UUID(bytes=blake2b(key, digest_size=16).digest(), version=5))
