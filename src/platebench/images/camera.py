"""Render a frame of a movie as pixels and as a label image.

There are three profiles. `raw` is the field as the camera records it, in 8 bits: uneven
illumination, a noisy background, and shot noise that grows with the signal. `ic` is
illumination-corrected, as in the talk: the background is subtracted, so most pixels are 0 and some
are 1. `raw16` is the field from a 12-bit camera, in uint16; see `photon_camera`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Literal

import numpy as np

from platebench.images import photon_camera
from platebench.images.movie import HEIGHT, WIDTH, Movie
from platebench.images.nuclei import Patch
from platebench.images.randomness import generator, random_bytes, random_integers

Profile = Literal["raw", "ic", "raw16"]

_LAMP_STREAM, _NOISE_STREAM = 4, 5
_BAND = 64
_NOISE_POOL = 1 << 18
_HALF_A_LEVEL = 8
_READ_NOISE = 31
"""Read noise in the dark, chosen so that frames compress as well as real fields do."""


def dtype_of(profile: Profile) -> np.dtype:
    """Return the dtype of a profile's images."""
    return np.dtype(np.uint16 if profile == "raw16" else np.uint8)


def image_bytes(profile: Profile) -> int:
    """Return the size of the pixels of one image in bytes."""
    return HEIGHT * WIDTH * dtype_of(profile).itemsize


def take_frame(movie: Movie, frame: int, profile: Profile) -> np.ndarray:
    """Return the pixels of `frame`: (HEIGHT, WIDTH) of `dtype_of(profile)`."""
    light = _scratch.light
    light.fill(0)
    for nucleus, patch in movie.visible(frame):
        field, part = overlap(patch, int(nucleus.x[frame]), int(nucleus.y[frame]))
        # All nuclei are in one layer. Where two overlap, the brighter one is in front.
        lit = light[field]
        np.maximum(lit, patch.light[part], out=lit)
    if profile == "raw16":
        return expose_twelve_bits(light, movie, frame)
    return _expose(light, profile, movie, frame)


def label_frame(movie: Movie, frame: int) -> tuple[np.ndarray, list[int]]:
    """Return the label image, uint16 (HEIGHT, WIDTH), and the number of each label's nucleus.

    Labels count from 1 in the order of the nuclei; 0 is background. Where nuclei overlap, the
    later one covers the earlier one. A nucleus without a visible pixel has no label.
    """
    owner = np.zeros((HEIGHT, WIDTH), np.uint16)
    for nucleus, patch in movie.visible(frame):
        field, part = overlap(patch, int(nucleus.x[frame]), int(nucleus.y[frame]))
        owner[field][patch.mask[part]] = nucleus.number + 1
    flat = owner.ravel()
    places = np.flatnonzero(flat)
    owners = flat[places]
    present = np.flatnonzero(np.bincount(owners))
    label = np.zeros(len(movie.nuclei) + 1, np.uint16)
    label[present] = np.arange(1, len(present) + 1)
    flat[places] = label[owners]
    return owner, [int(number) - 1 for number in present]


def _expose(light: np.ndarray, profile: Profile, movie: Movie, frame: int) -> np.ndarray:
    """Add background and noise to `light` in place, and round it to grey levels, band by band.

    A band of rows stays in the CPU cache from the first operation to the last.
    """
    background = empty_field(movie.seed, movie.number)
    image = np.empty((HEIGHT, WIDTH), np.uint8)
    noise, amplitude = _scratch.noise, _scratch.amplitude
    for top, (one, other) in zip(
        range(0, HEIGHT, _BAND), _noise(movie.seed, movie.number, frame), strict=True
    ):
        rows = np.s_[top : top + _BAND]
        band = light[rows]
        band += background[rows]
        np.right_shift(band, 3, out=amplitude)
        amplitude += _READ_NOISE
        np.subtract(one, other, out=noise)
        noise *= amplitude
        noise >>= 5
        band += noise
        if profile == "ic":
            band -= background[rows]
            band += _HALF_A_LEVEL
            np.maximum(band, _scratch.dark, out=band)
        band >>= 4
        # No value reaches 256: `draw` and `empty_field` keep the light below BRIGHTEST.
        image[rows] = band
    return image


def expose_twelve_bits(light: np.ndarray, movie: Movie, frame: int) -> np.ndarray:
    """Return `light` with background as a 12-bit camera records it: uint16 (HEIGHT, WIDTH).

    A sixteenth of a grey level of 8 bits is one count of 12 bits.
    """
    background = empty_field(movie.seed, movie.number)
    image = np.empty((HEIGHT, WIDTH), np.uint16)
    noise = photon_camera.noise_bands(
        movie.seed, movie.number, frame, HEIGHT // _BAND, _BAND, WIDTH
    )
    for top, (one, other) in zip(range(0, HEIGHT, _BAND), noise, strict=True):
        rows = np.s_[top : top + _BAND]
        band = light[rows]
        band += background[rows]
        image[rows] = photon_camera.expose(band, one, other)
    return image


def _noise(seed: int, number: int, frame: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield two int16 arrays (_BAND, WIDTH) of 0 to 15 per band; their difference is its noise.

    Each array is a slice of a fixed pool of random numbers, at a random offset: fresh numbers for
    every pixel took as long as the rest of the frame. There are 31 billion pairs of offsets, so
    noise repeats too rarely for any format to compress it better.
    """
    source = generator(_NOISE_STREAM, seed, number, frame)
    size = _BAND * WIDTH
    places = random_integers(source, (HEIGHT // _BAND, 2)) % (_NOISE_POOL - size)
    ones, others = _noise_pools()
    for one, other in places.tolist():
        yield (
            ones[one : one + size].reshape(_BAND, WIDTH),
            others[other : other + size].reshape(_BAND, WIDTH),
        )


@cache
def _noise_pools() -> tuple[np.ndarray, np.ndarray]:
    """Return two pools of random numbers from 0 to 15 for all movies: int16 (_NOISE_POOL,)."""
    drawn = random_bytes(generator(_NOISE_STREAM), _NOISE_POOL)
    return (drawn & 15).astype(np.int16), (drawn >> 4).astype(np.int16)


@lru_cache(maxsize=2)
def empty_field(seed: int, number: int) -> np.ndarray:
    """Return the light of an empty field: int16 (HEIGHT, WIDTH), brightest near its middle.

    It includes half a grey level, so that truncation rounds.
    """
    t = random_integers(generator(_LAMP_STREAM, seed, number), (3,))
    x = np.arange(WIDTH, dtype=np.int32) - WIDTH // 2 - int(t[0] % 200) + 100
    y = np.arange(HEIGHT, dtype=np.int32) - HEIGHT // 2 - int(t[1] % 160) + 80
    level = 13 * 16 + _HALF_A_LEVEL + int(t[2] % 32)
    field = np.empty((HEIGHT, WIDTH), np.int16)
    for top in range(0, HEIGHT, _BAND):
        rows = np.s_[top : top + _BAND]
        fall = (x * x)[np.newaxis, :] + (y * y)[rows, np.newaxis]
        fall >>= 13
        field[rows] = level - fall
    return field


class _Scratch(threading.local):
    """Arrays per thread, reused for every frame: allocating them costs more than filling them."""

    def __init__(self) -> None:
        self.light = np.empty((HEIGHT, WIDTH), np.int16)
        self.noise = np.empty((_BAND, WIDTH), np.int16)
        self.amplitude = np.empty((_BAND, WIDTH), np.int16)
        self.dark = np.zeros((_BAND, WIDTH), np.int16)


_scratch = _Scratch()


def overlap(patch: Patch, x: int, y: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the slices of the field that the patch covers, and those of the patch inside it."""
    left, top, side = x - patch.reach, y - patch.reach, 2 * patch.reach + 1
    if 0 <= left <= WIDTH - side and 0 <= top <= HEIGHT - side:
        return (slice(top, top + side), slice(left, left + side)), (slice(None), slice(None))
    columns = slice(max(left, 0), max(min(left + side, WIDTH), 0))
    rows = slice(max(top, 0), max(min(top + side, HEIGHT), 0))
    return (rows, columns), (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
