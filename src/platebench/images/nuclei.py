"""Nuclei as a microscope shows them: chromatin stained with H2B-GFP, drawn as small patches.

Brightness is counted in sixteenths of a grey level. Only integers and elementwise IEEE
operations (+ - * / sqrt) are used: every machine and every SIMD width gives the same patch.
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
"""The phenotypic classes of Mitocheck that are drawn; a class is known by its place here."""

TEXTURE_SIDE = 256
LARGEST_REACH = 64
BRIGHTEST = 3520
"""The most light of a nucleus: with the background (below 256) and noise, it makes 255."""

_TEXTURE_STREAM = 3


class Lobe(NamedTuple):
    """One ellipse of a nucleus: centre and half axes in pixels, the long axis along (p, q)."""

    x: float
    y: float
    long: float
    short: float
    p: int
    q: int


class Look(NamedTuple):
    """How the chromatin of a phenotype looks: size, light, and depth of texture, all relative."""

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
class Nucleus:
    """What stays the same of a nucleus while it lives.

    `radius` is in pixels, `light` in sixteenths of a grey level, (`p`, `q`) points along the long
    axis, `aspect` is short through long axis in 64ths, `grain` places its chromatin texture.
    """

    phenotype: str
    radius: int
    light: int
    p: int
    q: int
    aspect: int
    grain: tuple[int, int]


class Patch(NamedTuple):
    """A drawn nucleus: `light` int16, `mask` bool, both (side, side).

    Its centre is in the middle, `reach` pixels from each edge.
    """

    light: np.ndarray
    mask: np.ndarray
    reach: int


def draw(nucleus: Nucleus, phenotype: str) -> Patch:
    """Draw `nucleus` as it looks in `phenotype`."""
    look = LOOKS[phenotype]
    lobes = _lobes(nucleus, phenotype, nucleus.radius * look.size)
    reach = min(LARGEST_REACH, int(max(abs(o.x) + abs(o.y) + o.long for o in lobes) * 1.35) + 4)
    fine, coarse, bend = _textures(nucleus.grain, 2 * reach + 1)
    bend = 1.0 + (bend - 128.0) / 330.0
    body = halo = np.zeros_like(bend)
    for lobe in lobes:
        distance = _distance(lobe, reach) * bend
        body = np.maximum(body, _edge(distance, lobe, look.softness))
        halo = np.maximum(halo, np.maximum(1.0 - distance / 1.8, 0.0))
    grain = 1.0 + look.texture * ((fine - 128.0) + 0.7 * (coarse - 128.0)) / 256.0
    light = nucleus.light * look.light * (body * np.maximum(grain, 0.35) + 0.035 * halo * halo)
    return Patch(np.minimum(light, BRIGHTEST).astype(np.int16), body > 0.5, reach)


def _lobes(nucleus: Nucleus, phenotype: str, radius: float) -> list[Lobe]:
    p, q, aspect = nucleus.p, nucleus.q, nucleus.aspect / 64
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


def _distance(lobe: Lobe, reach: int) -> np.ndarray:
    """Return the distance from the lobe's centre; 1 is its rim."""
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


def _edge(distance: np.ndarray, lobe: Lobe, softness: float) -> np.ndarray:
    """Return 1 inside the lobe and 0 outside, going over smoothly in `softness` pixels."""
    rise = np.clip((1.0 - distance) * (lobe.short / softness) + 0.5, 0.0, 1.0)
    return np.asarray(rise * rise * (3.0 - 2.0 * rise))


@cache
def _grid(reach: int) -> tuple[np.ndarray, np.ndarray]:
    line = np.arange(-reach, reach + 1, dtype=np.float32)
    return line[np.newaxis, :], line[:, np.newaxis]


def _textures(grain: tuple[int, int], side: int) -> list[np.ndarray]:
    x, y = grain
    return [plane[y : y + side, x : x + side] for plane in _texture_planes()]


@cache
def _texture_planes() -> list[np.ndarray]:
    """Return smooth noise at three scales: float32, from 0 to 255 around 128, periodic.

    The first two are chromatin; the third bends outlines.
    """
    source = generator(_TEXTURE_STREAM)
    planes = []
    for width in (3, 9, 25):
        noise = random_bytes(source, TEXTURE_SIDE * TEXTURE_SIDE).astype(np.int64)
        plane = noise.reshape(TEXTURE_SIDE, TEXTURE_SIDE)
        for _ in range(2):
            for axis in (0, 1):
                shifted = [np.roll(plane, step, axis) for step in range(width)]
                plane = sum(shifted[1:], start=shifted[0])
        even = plane * 1.0 / width**4 - 127.5
        stretched = np.clip(even * (width * 0.85) + 128.0, 0.0, 255.0)
        planes.append(np.tile(stretched, (2, 2)).astype(np.float32))
    return planes
