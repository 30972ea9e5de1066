"""Draw z-stacks: planes of one site that differ in focus.

Every nucleus lies at a depth of its own, between two planes of the middle of the stack. In a plane
`d` steps away its light is spread over a square of 2 * round(SPREAD * d) + 1 pixels, twice, which
keeps its sum and takes away its detail. Background, camera and noise are those of `raw16`; every
plane has its own noise. Only integers are used.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from platebench.images.camera import expose_twelve_bits, overlap
from platebench.images.movie import HEIGHT, WIDTH, Movie
from platebench.images.nuclei import NucleusShape, Patch

PLANES = 8
"""Planes of a stack."""

SHARPEST = PLANES // 2
"""The plane in which most nuclei are in focus."""

SPREAD = 1.5
"""Pixels by which light spreads to each side, per plane out of focus."""

_STEPS = 16
"""Depths per plane."""

_FRAME = 2000
"""Noise of plane z has the frame number _FRAME + z, which no frame of a movie has."""


def stack(movie: Movie, frame: int) -> Iterator[np.ndarray]:
    """Yield the planes of the site that a frame of a movie shows, each uint16 (HEIGHT, WIDTH)."""
    light = np.empty((HEIGHT, WIDTH), np.int16)
    nuclei = movie.visible(frame)
    for plane in range(PLANES):
        light.fill(0)
        for nucleus, patch in nuclei:
            drawn = _defocused(patch, abs(plane - depth(nucleus.shape)))
            field, part = overlap(drawn, int(nucleus.x[frame]), int(nucleus.y[frame]))
            lit = light[field]
            np.maximum(lit, drawn.light[part], out=lit)
        yield expose_twelve_bits(light, movie, _FRAME + plane)


def depth(shape: NucleusShape) -> float:
    """Return where a nucleus is sharpest, in planes: within one of SHARPEST."""
    mixed = shape.grain[0] * 31 + shape.grain[1] * 17
    return SHARPEST - 1 + mixed % (2 * _STEPS + 1) / _STEPS


def _defocused(patch: Patch, distance: float) -> Patch:
    """Return a patch as it is seen from `distance` planes away; `mask` stays that in focus."""
    reach = int(SPREAD * distance + 0.5)
    if reach == 0:
        return patch
    width = 2 * reach + 1
    # Two sums reach `reach` pixels each to every side.
    light = np.pad(patch.light.astype(np.int32), 2 * reach)
    for _ in range(2):
        # At most 3520 * 17 * 17 in a sum, and 200 such sums in a running total: below 2**31.
        light = _sums(_sums(light, width).T, width).T // (width * width)
    return Patch(light.astype(np.int16), np.pad(patch.mask, 2 * reach), patch.reach + 2 * reach)


def _sums(plane: np.ndarray, width: int) -> np.ndarray:
    """Return the sum of the `width` values around each along columns, zeros beyond the edge."""
    half = width // 2
    totals = np.cumsum(np.pad(plane, ((half + 1, half), (0, 0))), axis=0, dtype=np.int32)
    return np.asarray(totals[width:] - totals[:-width])
