"""Expose a field on a 12-bit camera: offset, photon shot noise and read noise, as uint16 counts.

A pixel is `offset + gain * (electrons + read noise)`, rounded, where the electrons are those of the
light with Poisson noise. Values are 0 to 4095 in the low bits of uint16, as cameras write them.
Above 30 electrons a Poisson distribution is close to a normal one with the same variance, so noise
is drawn from an approximately normal distribution (the sum of four uniform bytes).

Calibrated on three real fields, with the tests in tests/images/test_photon_camera.py. These fields
are uint16, but every value is a multiple of 257: they hold 8 bits. They are therefore compared with
generated images divided by 16, on the assumption that 8 bits are the upper ones of 12:

- entropy, compressibility with Zstandard and LZ4, and differences between neighbours are within
  the limits that the profile `raw` keeps;
- the background's median is 13 or 14 of 255 levels, as in the real fields, and nuclei are 6 to 8
  times as bright (real: 8 to 9);
- the noise, by the photon transfer curve (variance against mean in small blocks): the standard
  deviation is 1.1 to 1.5 times the real one, in the background and in nuclei. It is not lower
  because nuclei cover half as many pixels as in the real fields, and without more noise the images
  would compress better than real ones.

Assumed, as 8 bits cannot show it:

- The low four bits are noise of this model. No real image of 12 bits was at hand.
- The offset is 100 counts. In the real fields the variance extrapolates to zero at about 90 of 4095
  counts, which agrees. See https://www.photometrics.com/learn/camera-test-protocol for bias, gain
  and read noise, and how each is measured.
- 1.25 electrons per count, 2.2 electrons of read noise. Measured values of 12-bit cameras with
  CMOS sensors of 3.45 um pixels are 0.3 to 2.8 electrons per count, depending on the gain that is
  set, and 2.0 to 2.2 electrons of read noise
  (https://manualshive.com/en/manual/moravian-instruments/c1-series/1833097?page=15). Cameras sold
  as scientific CMOS have about 1 electron of read noise, which shot noise hides at this background
  (https://raw.githubusercontent.com/SciCrunch/RRID-Instruments/refs/heads/main/PDF/SCR_021136.pdf).
- No pixel differs from another in offset, gain or noise, and none is hot.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from platebench.images.randomness import generator, random_bytes, random_integers

BITS = 12
OFFSET = 100
"""Counts without light."""

COUNTS_PER_ELECTRON = 0.8
READ_NOISE = 2.2
"""Read noise of a pixel: standard deviation in electrons."""

BACKGROUND = 24
"""Counts added to the background of `raw`, whose fields are darker than the real ones."""

_STREAM = 6
_POOL = 1 << 18
_SHIFT = 14
_DEVIATION = float(np.sqrt(4 * (256**2 - 1) / 12))
"""Standard deviation of the sum or difference of four random bytes."""


def expose(band: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the counts of a band of rows: uint16 in its shape.

    `band` is int16, the mean of each pixel in counts without BACKGROUND. `one` and `other` are
    int32 of `noise_bands`.
    """
    mean = band + np.int16(BACKGROUND)
    noise = one - other
    noise *= _amplitudes()[mean]
    noise += 1 << (_SHIFT - 1)
    noise >>= _SHIFT
    noise += mean
    # Neither limit is reached: the noise is at most 3.5 standard deviations.
    return np.asarray(noise.astype(np.uint16))


def noise_bands(
    seed: int, number: int, frame: int, bands: int, rows: int, columns: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield two int32 arrays (rows, columns) of 0 to 510 per band; their difference is its noise.

    Each is a slice of a fixed pool at a random offset, as in `camera`: noise repeats too rarely for
    any format to compress it better.
    """
    size = rows * columns
    places = random_integers(generator(_STREAM, seed, number, frame), (bands, 2)) % (_POOL - size)
    ones, others = _pools()
    for one, other in places.tolist():
        yield (
            ones[one : one + size].reshape(rows, columns),
            others[other : other + size].reshape(rows, columns),
        )


@cache
def _pools() -> tuple[np.ndarray, np.ndarray]:
    """Return two pools of sums of two random bytes: int32 (_POOL,)."""
    drawn = random_bytes(generator(_STREAM), 4 * _POOL).astype(np.int32).reshape(4, _POOL)
    return drawn[0] + drawn[1], drawn[2] + drawn[3]


@cache
def _amplitudes() -> np.ndarray:
    """Return the factor from noise to counts by mean: int32 (1 << BITS,), scaled by 1 << _SHIFT."""
    electrons = np.maximum(np.arange(1 << BITS) - OFFSET, 0) / COUNTS_PER_ELECTRON
    deviation = np.sqrt(electrons + READ_NOISE * READ_NOISE) * COUNTS_PER_ELECTRON
    return np.asarray(np.rint(deviation * ((1 << _SHIFT) / _DEVIATION)).astype(np.int32))
