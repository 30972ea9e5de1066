"""Draw nuclei with H2B-GFP-stained chromatin as small patches.

Light is measured in sixteenths of a grey level. Only integers and elementwise IEEE operations
(+ - * / sqrt) are used, so every machine and every SIMD width gives the same patch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from platebench.images.randomness import generator, random_bytes

CLASSES = (
    "Interphase",
    "Large",
    "Elongated",
    "Binuclear",
    "Polylobed",
    "Prometaphase",
    "Metaphase",
    "Anaphase",
    "Apoptosis",
)
"""Phenotypic classes of Mitocheck that the generator draws. Files store the index of a class."""

TEXTURE_SIDE = 256
LARGEST_REACH = 64
BRIGHTEST = 3520
"""Maximum light of a nucleus. With the background (below 256) and noise, it gives 255."""

_TEXTURE_STREAM = 3


class Lobe(NamedTuple):
    """One ellipse of a nucleus: centre and half axes in pixels; the long axis is along (p, q)."""

    x: float
    y: float
    long: float
    short: float
    p: int
    q: int


class Look(NamedTuple):
    """Chromatin of a phenotype: relative size, light and texture; width of the edge in pixels."""

    size: float
    light: float
    texture: float
    softness: float


LOOKS = {
    "Interphase": Look(1.0, 1.0, 0.5, 3.2),
    "Large": Look(1.4, 0.8, 0.5, 3.6),
    "Elongated": Look(1.0, 0.95, 0.5, 3.2),
    "Binuclear": Look(0.75, 1.0, 0.45, 3.2),
    "Polylobed": Look(0.62, 1.0, 0.45, 3.2),
    "Prometaphase": Look(0.8, 1.55, 0.8, 2.6),
    "Metaphase": Look(0.85, 2.0, 0.3, 2.6),
    "Anaphase": Look(0.7, 1.9, 0.3, 2.6),
    "Apoptosis": Look(0.33, 2.1, 0.2, 2.4),
}


@dataclass(frozen=True)
class NucleusShape:
    """Properties of a nucleus that do not change over time.

    `radius` is in pixels and `light` in sixteenths of a grey level. (`p`, `q`) points along the
    long axis. `aspect` is the ratio of short to long axis in 64ths. `grain` is the offset into the
    chromatin texture.
    """

    phenotype: str
    radius: int
    light: int
    p: int
    q: int
    aspect: int
    grain: tuple[int, int]


class Patch(NamedTuple):
    """A drawn nucleus: `light` int16 and `mask` bool, both (side, side).

    The centre of the nucleus is `reach` pixels from each edge.
    """

    light: np.ndarray
    mask: np.ndarray
    reach: int


def draw(shape: NucleusShape, phenotype: str) -> Patch:
    """Draw a nucleus of this shape in `phenotype`."""
    look = LOOKS[phenotype]
    lobes = _lobes(shape, phenotype, shape.radius * look.size)
    reach = min(LARGEST_REACH, int(max(abs(o.x) + abs(o.y) + o.long for o in lobes) * 1.35) + 4)
    grain, bend = (_cut(plane, shape.grain, 2 * reach + 1) for plane in _texture_planes())
    body = halo = np.zeros((), np.float32)
    for lobe in lobes:
        distance = elliptical_distance(lobe, reach)
        distance *= bend
        body = np.maximum(body, edge(distance, lobe, look.softness))
        distance *= -1.0 / 1.8
        distance += 1.0
        halo = np.maximum(halo, distance)
    texture = grain * look.texture
    texture += 1.0
    light = np.maximum(texture, 0.35, out=texture)
    light *= body
    halo *= halo
    halo *= 0.035
    light += halo
    light *= shape.light * look.light
    return Patch(np.minimum(light, BRIGHTEST, out=light).astype(np.int16), body > 0.5, reach)


def _lobes(shape: NucleusShape, phenotype: str, radius: float) -> list[Lobe]:
    p, q, aspect = shape.p, shape.q, shape.aspect / 64
    length = float(np.sqrt(np.float64(p * p + q * q)))
    along, across = p / length, q / length
    places: tuple[tuple[float, float], ...]
    match phenotype:
        case "Elongated":
            return [Lobe(0, 0, radius * 1.55, radius * 0.6, p, q)]
        case "Metaphase":
            return [Lobe(0, 0, radius * 1.15, radius * 0.36, p, q)]
        case "Anaphase":
            return [Lobe(0, 0, radius * 1.1, radius * 0.42, -q, p)]
        case "Binuclear":
            x, y = along * radius * 0.95, across * radius * 0.95
            return [Lobe(x, y, radius, radius * aspect, -q, p), Lobe(-x, -y, radius, radius, p, q)]
        case "Polylobed":
            places = ((0.9, 0.1), (-0.7, 0.6), (-0.2, -0.9), (0.5, 0.9))
        case "Apoptosis":
            places = ((1.3, 0.4), (-1.2, 0.9), (0.1, -1.3), (-0.1, 0.2), (1.0, 1.9))
        case _:
            return [Lobe(0, 0, radius, radius * aspect, p, q)]
    return [
        Lobe(
            radius * (u * along - v * across),
            radius * (u * across + v * along),
            radius * (1.0 - 0.12 * place),
            radius * (0.95 - 0.15 * place),
            p,
            q,
        )
        for place, (u, v) in enumerate(places)
    ]


def elliptical_distance(lobe: Lobe, reach: int) -> np.ndarray:
    """Return the elliptical distance of each pixel from the lobe's centre; 1 on the boundary."""
    columns, rows = _grid(reach)
    x, y = columns - np.float32(lobe.x), rows - np.float32(lobe.y)
    along = x * float(lobe.p) + y * float(lobe.q)
    across = y * float(lobe.p) - x * float(lobe.q)
    norm = float(lobe.p * lobe.p + lobe.q * lobe.q)
    along *= along
    across *= across
    along *= 1.0 / (norm * lobe.long * lobe.long)
    across *= 1.0 / (norm * lobe.short * lobe.short)
    along += across
    return np.asarray(np.sqrt(along))


def edge(distance: np.ndarray, lobe: Lobe, softness: float) -> np.ndarray:
    """Return 1 inside the lobe and 0 outside, with a smoothstep `softness` pixels wide."""
    steepness = lobe.short / softness
    rise = distance * -steepness
    rise += steepness + 0.5
    np.minimum(np.maximum(rise, 0.0, out=rise), 1.0, out=rise)
    smooth = rise * -2.0
    smooth += 3.0
    smooth *= rise
    smooth *= rise
    return np.asarray(smooth)


@cache
def _grid(reach: int) -> tuple[np.ndarray, np.ndarray]:
    line = np.arange(-reach, reach + 1, dtype=np.float32)
    return line[np.newaxis, :], line[:, np.newaxis]


def _cut(plane: np.ndarray, place: tuple[int, int], side: int) -> np.ndarray:
    x, y = place
    return plane[y : y + side, x : x + side]


@cache
def _texture_planes() -> tuple[np.ndarray, np.ndarray]:
    """Return periodic smooth noise, float32: for chromatin around 0, for outlines around 1."""
    source = generator(_TEXTURE_STREAM)
    fine, coarse, bend = (smooth_noise(source, width) for width in (3, 9, 25))
    chromatin = (fine + 0.7 * coarse) / 256.0
    outline = 1.0 + bend / 330.0
    return np.tile(chromatin, (2, 2)), np.tile(outline, (2, 2))


def smooth_noise(source: np.random.PCG64, width: int) -> np.ndarray:
    """Return periodic float32 noise from -128 to 127, with grains about `width` pixels wide."""
    noise = random_bytes(source, TEXTURE_SIDE * TEXTURE_SIDE).astype(np.int32)
    plane = noise.reshape(TEXTURE_SIDE, TEXTURE_SIDE)
    for _ in range(2):
        plane = _sums(_sums(plane, width).T, width).T
    even = plane / width**4 - 127.5
    return np.clip(even * (width * 0.85), -128.0, 127.0).astype(np.float32)


def _sums(plane: np.ndarray, width: int) -> np.ndarray:
    """Return the periodic moving sum along columns: each value and the `width` - 1 before it."""
    # Totals stay below 2**31: 281 rows of values up to 255 * 25**3.
    totals = np.cumsum(np.concatenate([plane[-width:], plane]), axis=0, dtype=np.int32)
    return np.asarray(totals[width:] - totals[:-width])
