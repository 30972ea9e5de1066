"""Draw and expose the five channels of a site, as Cell Painting stains them (Bray 2016).

All channels show the same cells at the same places. `DNA` is the nuclei of `nuclei`, as `raw16`
has them. Around each nucleus is a cell body of about twice its radius, in which the other channels
have structures of their own:

- `ER`: a fine mesh that is densest at the nucleus and fades towards the edge of the cell.
- `RNA`: bright nucleoli in the nucleus, and a dim, smooth cytoplasm.
- `AGP`: a bright plasma membrane, actin fibres, and a Golgi apparatus beside the nucleus.
- `Mito`: a network of threads in the cytoplasm; the nucleus is dark.

Each channel has its own brightness, background and uneven illumination, and its own noise; the
camera is that of `photon_camera`. Illumination is the same on all fields of a channel, as it
depends on the optics.

Only `DNA` is calibrated on real fields, as no others were at hand. Of the other channels it is
assumed that they look like this. The tests check that they show the same cells, that they differ in
structure, brightness and background, and that Zstandard 1 compresses them to between 0.55 and 0.66
of their size, which the noise of the camera decides.

Only integers and elementwise IEEE operations are used, as in `nuclei`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from platebench.images import photon_camera
from platebench.images.camera import empty_field, overlap
from platebench.images.movie import HEIGHT, WIDTH, Movie
from platebench.images.nuclei import (
    TEXTURE_SIDE,
    Lobe,
    NucleusShape,
    Patch,
    edge,
    elliptical_distance,
    smooth_noise,
)
from platebench.images.randomness import generator

CHANNELS = ("DNA", "ER", "RNA", "AGP", "Mito")
"""Channels of a site, in row order. Names are those of Cell Painting: AGP is actin, Golgi and
plasma membrane."""

BODY = 2.1
"""Radius of a cell, in radii of its nucleus."""

LARGEST_BODY = 88
"""Most pixels from the centre of a cell to the edge of its patch."""

_TEXTURE_STREAM = 8
_BAND = 64
_FRAME = 1000
"""Noise of channel c has the frame number _FRAME + c, which no frame of a movie has."""

_LAMPS = 1 << 20
"""Number of the movie whose lamp is that of the first channel."""


class Stain(NamedTuple):
    """Light of a channel at its brightest structures, and what is added to the background.

    Both are in counts of 12 bits, which are sixteenths of a grey level of 8 bits.
    """

    light: float
    background: int


STAINS = {
    "DNA": Stain(0.0, 0),  # the light of a nucleus is a property of its shape
    "ER": Stain(900.0, 60),
    "RNA": Stain(1400.0, 110),
    "AGP": Stain(1100.0, 40),
    "Mito": Stain(1700.0, 20),
}


def paint(movie: Movie, frame: int) -> Iterator[np.ndarray]:
    """Yield the channels of the site that a frame of a movie shows, each uint16 (HEIGHT, WIDTH)."""
    cells = movie.visible(frame)
    light = np.empty((HEIGHT, WIDTH), np.int16)
    bodies = [_Body(nucleus.shape, patch) for nucleus, patch in cells]
    for channel, name in enumerate(CHANNELS):
        light.fill(0)
        for (nucleus, patch), body in zip(cells, bodies, strict=True):
            drawn = patch if name == "DNA" else body.draw(name)
            field, part = overlap(drawn, int(nucleus.x[frame]), int(nucleus.y[frame]))
            lit = light[field]
            np.maximum(lit, drawn.light[part], out=lit)
        yield _expose(light, movie, channel)


def _expose(light: np.ndarray, movie: Movie, channel: int) -> np.ndarray:
    image = np.empty((HEIGHT, WIDTH), np.uint16)
    noise = photon_camera.noise_bands(
        movie.seed, movie.number, _FRAME + channel, HEIGHT // _BAND, _BAND, WIDTH
    )
    lamp = _lamp(movie.seed, channel)
    for top, (one, other) in zip(range(0, HEIGHT, _BAND), noise, strict=True):
        rows = np.s_[top : top + _BAND]
        light[rows] += lamp[rows]
        image[rows] = photon_camera.expose(light[rows], one, other)
    return image


@lru_cache(maxsize=len(CHANNELS))
def _lamp(seed: int, channel: int) -> np.ndarray:
    """Return the light of an empty field in a channel: int16 (HEIGHT, WIDTH)."""
    return empty_field(seed, _LAMPS + channel) + np.int16(STAINS[CHANNELS[channel]].background)


class _Body:
    """The body of a cell, in which the channels other than DNA are drawn.

    `rim` is the elliptical distance from the centre, 1 on the edge of the cell; `inside` falls from
    1 to 0 there; `core` is the nucleus, 1 where it is brightest.
    """

    def __init__(self, shape: NucleusShape, nucleus: Patch) -> None:
        long = shape.radius * BODY
        # A cell is rounder than its nucleus.
        lobe = Lobe(0.0, 0.0, long, long * (0.5 + shape.aspect / 128), shape.p, shape.q)
        self.reach = min(LARGEST_BODY, int(long * 1.25) + 6)
        self.side = 2 * self.reach + 1
        self._grain = shape.grain
        self._tone = 0.7 + (shape.grain[0] * 37 + shape.grain[1] * 11) % 64 / 106
        self.rim = elliptical_distance(lobe, self.reach) * self._cut("bend")
        self.inside = edge(self.rim, lobe, 5.0)
        self.core = np.zeros((self.side, self.side), np.float32)
        self._place_nucleus(nucleus, shape.light)
        self._golgi = _golgi(shape, self.reach)

    def _place_nucleus(self, nucleus: Patch, light: int) -> None:
        solid = np.minimum(nucleus.light * np.float32(2.0 / light), 1.0)
        solid *= nucleus.mask
        margin = self.reach - nucleus.reach
        if margin >= 0:
            self.core[margin : self.side - margin, margin : self.side - margin] = solid
        else:
            self.core[:] = solid[-margin:margin, -margin:margin]

    def draw(self, channel: str) -> Patch:
        """Return the light of a channel around the centre of the cell."""
        light = getattr(self, f"_{channel.lower()}")()
        light *= np.float32(STAINS[channel].light * self._tone)
        return Patch(light.astype(np.int16), self.core > 0.5, self.reach)

    def _er(self) -> np.ndarray:
        mesh = 0.62 + 0.38 * self._cut("mesh")
        fade = np.maximum(1.25 - self.rim, 0.0)
        return np.asarray(np.minimum(mesh * fade, 1.0) * self.inside * (1.0 - 0.75 * self.core))

    def _rna(self) -> np.ndarray:
        spots = np.minimum(np.maximum(self._cut("spots") * 3.0 - 1.1, 0.0), 1.0)
        return np.asarray(self.inside * (0.2 + 0.05 * self._cut("mesh")) + self.core * spots * 0.7)

    def _agp(self) -> np.ndarray:
        membrane = np.maximum(1.0 - np.abs(self.rim - 0.93) * 9.0, 0.0)
        fibres = _ridge(self._cut("fibres"), 6.0) * np.maximum(1.05 - self.rim, 0.0)
        cell = self.inside * (0.16 + 0.25 * fibres) * (1.0 - 0.5 * self.core)
        return np.asarray(np.minimum(cell + 0.45 * membrane * self.inside + self._golgi, 1.0))

    def _mito(self) -> np.ndarray:
        threads = _ridge(self._cut("threads"), 4.0)
        near = np.maximum(1.1 - self.rim, 0.0)
        cell = threads * near + 0.06
        return np.asarray(np.minimum(cell, 1.0) * self.inside * (1.0 - self.core))

    def _cut(self, texture: str) -> np.ndarray:
        x, y = self._grain
        return np.asarray(_textures()[texture][y : y + self.side, x : x + self.side])


def _golgi(shape: NucleusShape, reach: int) -> np.ndarray:
    """Return a spot beside the nucleus: float32 from 0 to 0.5."""
    length = float(np.sqrt(np.float64(shape.p * shape.p + shape.q * shape.q)))
    x, y = (part / length * shape.radius * 1.25 for part in (shape.q, -shape.p))
    spot = Lobe(x, y, shape.radius * 0.42, shape.radius * 0.3, shape.p, shape.q)
    return np.asarray(edge(elliptical_distance(spot, reach), spot, 4.0) * np.float32(0.5))


def _ridge(noise: np.ndarray, steepness: float) -> np.ndarray:
    """Return thin lines, 1 where the noise crosses 0."""
    return np.asarray(np.maximum(1.0 - np.abs(noise) * np.float32(steepness), np.float32(0.0)))


@cache
def _textures() -> dict[str, np.ndarray]:
    """Return periodic smooth noise around 0 (of `bend` around 1), float32, tiled twice."""
    source = generator(_TEXTURE_STREAM)
    widths = {"mesh": 3, "spots": 6, "fibres": 7, "threads": 4, "bend": 31}
    planes = {name: smooth_noise(source, width) / 128 for name, width in widths.items()}
    planes["bend"] = 1.0 + planes["bend"] / 4.5
    assert all(plane.shape == (TEXTURE_SIDE, TEXTURE_SIDE) for plane in planes.values())
    return {name: np.tile(plane.astype(np.float32), (2, 2)) for name, plane in planes.items()}
