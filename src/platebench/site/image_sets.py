"""The image sets: example images, their pixel values, and the files of each store.

Everything is made when the site is built, from two generated images of each measured profile.
Users' own images are not shown: they may be confidential.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from platebench.images.camera import Profile
from platebench.images.generated import generated
from platebench.images.imageset import ImageSet
from platebench.images.set_profiles import SetProfile, is_field
from platebench.site.drawing.panel import Panel, Scale
from platebench.site.file_trees import file_trees
from platebench.site.published import Published
from platebench.site.section import Section, render
from platebench.timing.workspace import Workspace
from platebench.viewing.thumbnails import Thumbnail, thumbnail

IMAGES = 2
CODECS = (("snappy", None), ("lz4", None), ("gzip", 4), ("zstd", 9))
"""Compressors of the stores, with their levels."""

LEVELS = 256
"""Grey levels of the histogram and the table, in which images of 12 bits are divided by 16."""

BIN = 16
"""Grey levels per row of the table."""

_WORDS: dict[str, str] = {
    "raw": "is the field from the camera, in 8 bits",
    "ic": "is illumination-corrected, without background, so most pixels are 0",
    "raw16": "is the field from a 12-bit camera, in uint16",
    "channels": "are sites of five channels, as in Cell Painting, in uint16",
    "zstack": "are stacks of eight planes that differ in focus, in uint16",
    "mixed": "are fields of four shapes, in uint8 and uint16",
    "crops": "are cells in five channels, 5 x 64 x 64 in uint16, cut from the fields of channels",
}


@dataclass(frozen=True)
class Shown:
    """Facts about the images of one profile.

    `counts` are pixels by value, int64 of shape (LEVELS,) or (16 * LEVELS,). `entropy` is of single
    values, in bits per pixel. `ratios` are bytes of pixels per compressed byte by codec, each image
    on its own.
    """

    profile: str
    thumbnails: list[Thumbnail]
    counts: np.ndarray
    entropy: float
    ratios: dict[str, float]

    @property
    def median(self) -> int:
        """The median pixel value."""
        return int(np.searchsorted(np.cumsum(self.counts), self.counts.sum() / 2))

    @property
    def levels(self) -> np.ndarray:
        """Pixels by grey level: int64 (LEVELS,)."""
        return np.asarray(self.counts.reshape(LEVELS, -1).sum(axis=1))


def section(published: Published, workspace: Workspace) -> Section:
    """Return the contents of the measured generated image sets.

    Images and stored files are kept in the workspace: only the first build takes seconds.
    """
    sets = {name: workspace.images(f"{name}-{IMAGES}") for name in profiles_in(published)}
    shown = [show(images, profile) for profile, images in sets.items()]
    first = next(iter(sets.values()), None)
    stores = {cell.store for cell in published.cells}
    return Section(
        anchor="image-sets",
        title="What is in an image set",
        html=render(
            "image_sets.html",
            shown=shown,
            words=_WORDS,
            divided="; of raw16, the value divided by 16" if "raw16" in sets else "",
            trees=file_trees(stores, first, workspace) if first else [],
            pixel_bytes=first.pixel_bytes if first else 0,
            images=IMAGES,
            described=[(name, _WORDS[profile]) for name, profile in sets_of_sites(published)],
            own=[name for name in published.info.images if generated(name) is None],
            chart=_histogram(shown) if shown else None,
            bins=list(_bins(shown)),
        ),
    )


def profiles_in(published: Published) -> list[str]:
    """Return the profiles of single fields of a run's generated sets, in the generator's order."""
    made = (generated(name) for name in published.info.images)
    found = {each[0] for each in made if each is not None}
    return [profile for profile in get_args(Profile) if profile in found]


def sets_of_sites(published: Published) -> list[tuple[str, SetProfile]]:
    """Return the other generated sets of a run, whose images are not shown, and their profiles."""
    made = ((name, generated(name)) for name in published.info.images)
    return [(name, each[0]) for name, each in made if each and not is_field(each[0])]


def show(images: ImageSet, profile: str) -> Shown:
    """Return the facts about images, which are uint8 or have 12 bits in uint16."""
    arrays = list(images)
    values = LEVELS if arrays[0].dtype == np.uint8 else 16 * LEVELS
    counts = sum(np.bincount(array.ravel(), minlength=values) for array in arrays)
    return Shown(
        profile,
        [thumbnail(array) for array in arrays],
        np.asarray(counts),
        entropy(np.asarray(counts)),
        {_codec_name(*codec): compression(arrays, *codec) for codec in CODECS},
    )


def entropy(counts: np.ndarray) -> float:
    """Return Shannon's entropy of single values in bits, from counts by value."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def compression(arrays: Sequence[np.ndarray], codec: str, level: int | None) -> float:
    """Return bytes of pixels per compressed byte, each image compressed on its own."""
    packer = pa.Codec(codec, compression_level=level)
    packed = sum(len(packer.compress(array.tobytes())) for array in arrays)
    return sum(array.nbytes for array in arrays) / packed


def _codec_name(codec: str, level: int | None) -> str:
    return codec if level is None else f"{codec} {level}"


def _histogram(shown: Sequence[Shown]) -> Markup:
    """Return the histogram of pixel values: a stepped line per profile, logarithmic above 1."""
    most = max(int(each.levels.max()) for each in shown)
    powers = [10**power for power in range(len(str(most)))]
    ticks = tuple((float(power), f"{power:,}") for power in powers)
    levels = tuple((float(level), str(level)) for level in range(0, LEVELS, 64))
    panel = Panel(Scale(0, LEVELS, levels, is_log=False), Scale(0.5, 1.5 * most, ticks))
    for each in shown:
        counts = [max(0.5, float(count)) for count in each.levels]
        steps = [place for level, count in enumerate(counts) for place in _step(level, count)]
        panel.path(steps, f"levels {each.profile}")
    return panel.svg("Pixels by grey level; the table has the same figures.")


def _step(level: int, count: float) -> tuple[tuple[float, float], tuple[float, float]]:
    return (float(level), count), (level + 1.0, count)


def _bins(shown: Sequence[Shown]) -> Iterator[tuple[int, int, list[int]]]:
    """Yield the first and last level of each bin, and its number of pixels by profile."""
    for first in range(0, LEVELS, BIN):
        last = first + BIN - 1
        yield first, last, [int(each.levels[first : last + 1].sum()) for each in shown]
