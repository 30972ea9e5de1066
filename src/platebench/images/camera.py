"""The camera: a frame of a movie as uint8 pixels, and its label image.

Two profiles. `raw` is the field as the camera gives it: uneven light, a noisy background, shot
noise that grows with the signal. `ic` is illumination-corrected, as in the talk: the background
subtracted, so that most pixels are 0 and some 1.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Literal

import numpy as np

from platebench.images.movie import HEIGHT, WIDTH, Movie
from platebench.images.nuclei import Patch
from platebench.images.randomness import generator, random_bytes, random_integers

Profile = Literal["raw", "ic"]

_LAMP_STREAM, _NOISE_STREAM = 4, 5
_BAND = 64
_HALF_A_LEVEL = 8
_READ_NOISE = 31
"""Noise without any light, in units that give, with shot noise, what real fields compress to."""


def take_frame(movie: Movie, frame: int, profile: Profile) -> np.ndarray:
    """Return `frame` as the camera sees it: uint8 (HEIGHT, WIDTH)."""
    background = _background(movie.seed, movie.number)
    light = _canvas()
    for cell, patch in movie.visible(frame):
        field, part = _overlap(patch, int(cell.x[frame]), int(cell.y[frame]))
        # Nuclei lie side by side in one layer: where two meet, the brighter is in front.
        np.maximum(light[field], patch.light[part], out=light[field])
    light += background
    return _expose(light, background, profile, movie, frame)


def label_frame(movie: Movie, frame: int) -> tuple[np.ndarray, list[int]]:
    """Return the label image, uint16 (HEIGHT, WIDTH), and the cell number of each label.

    Labels count from 1 in the order of the cells; 0 is background. Where nuclei overlap, the
    later covers the earlier; a nucleus that has no pixel of its own has no label.
    """
    owner = np.zeros((HEIGHT, WIDTH), np.uint16)
    for cell, patch in movie.visible(frame):
        field, part = _overlap(patch, int(cell.x[frame]), int(cell.y[frame]))
        owner[field][patch.mask[part]] = cell.number + 1
    flat = owner.ravel()
    places = np.flatnonzero(flat)
    owners = flat[places]
    present = np.flatnonzero(np.bincount(owners))
    label = np.zeros(len(movie.cells) + 1, np.uint16)
    label[present] = np.arange(1, len(present) + 1)
    flat[places] = label[owners]
    return owner, [int(number) - 1 for number in present]


def _expose(
    light: np.ndarray, background: np.ndarray, profile: Profile, movie: Movie, frame: int
) -> np.ndarray:
    """Add the camera's noise to `light` and round to grey levels, band by band of rows.

    A band stays in the processor's cache from the first operation to the last.
    """
    source = generator(_NOISE_STREAM, movie.seed, movie.number, frame)
    image = np.empty((HEIGHT, WIDTH), np.uint8)
    dark = np.zeros((_BAND, WIDTH), np.int16)
    for top in range(0, HEIGHT, _BAND):
        rows = np.s_[top : top + _BAND]
        amplitude = light[rows] >> 3
        amplitude += _READ_NOISE
        band = _noise(source, (_BAND, WIDTH))
        band *= amplitude
        band >>= 5
        band += light[rows]
        if profile == "ic":
            band -= background[rows]
            band += _HALF_A_LEVEL
            np.maximum(band, dark, out=band)
        band >>= 4
        # No band reaches 256: `draw` and `_background` keep the light below BRIGHTEST.
        image[rows] = band
    return image


def _noise(source: np.random.PCG64, shape: tuple[int, ...]) -> np.ndarray:
    """Return int16 noise from -15 to 15: one half of a byte less the other, hence triangular."""
    high = random_bytes(source, shape[0] * shape[1]).reshape(shape)
    low = high & 15
    high >>= 4
    low -= high
    return low.view(np.int8).astype(np.int16)


@lru_cache(maxsize=2)
def _background(seed: int, number: int) -> np.ndarray:
    """Return the empty field: int16 (HEIGHT, WIDTH), brightest near its middle.

    It has half a grey level more than there is light, so that cutting off rounds.
    """
    t = random_integers(generator(_LAMP_STREAM, seed, number), (3,))
    x = np.arange(WIDTH, dtype=np.int32) - WIDTH // 2 - int(t[0] % 200) + 100
    y = np.arange(HEIGHT, dtype=np.int32) - HEIGHT // 2 - int(t[1] % 160) + 80
    level = 13 * 16 + _HALF_A_LEVEL + int(t[2] % 32)
    fall = (x * x)[np.newaxis, :] + (y * y)[:, np.newaxis]
    return (level - (fall >> 13)).astype(np.int16)


class _Scratch(threading.local):
    """An array a thread, kept from frame to frame: fresh memory costs more than filling it."""

    canvas: np.ndarray | None = None


_scratch = _Scratch()


def _canvas() -> np.ndarray:
    if _scratch.canvas is None:
        _scratch.canvas = np.empty((HEIGHT, WIDTH), np.int16)
    _scratch.canvas.fill(0)
    return _scratch.canvas


def _overlap(patch: Patch, x: int, y: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where the patch lies in the field, and which part of it lies there."""
    left, top, side = x - patch.reach, y - patch.reach, 2 * patch.reach + 1
    columns = slice(max(left, 0), max(min(left + side, WIDTH), 0))
    rows = slice(max(top, 0), max(min(top + side, HEIGHT), 0))
    return (rows, columns), (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
