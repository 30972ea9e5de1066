"""Statistics by which generated images are compared with real fields of 8 bits."""

from __future__ import annotations

import lz4.frame
import numpy as np
import zstandard

NUCLEUS = 40
"""Level of 8 bits above which a pixel counts as part of a nucleus."""

_SIDE = 8
_ROUNDING = 1 / 12
"""Variance that rounding to whole levels adds."""


def entropy(image: np.ndarray) -> float:
    shares = np.bincount(image.ravel()) / image.size
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def zstd_ratio(image: np.ndarray) -> float:
    return len(zstandard.ZstdCompressor(1).compress(image.tobytes())) / image.nbytes


def lz4_ratio(image: np.ndarray) -> float:
    return len(lz4.frame.compress(image.tobytes())) / image.nbytes


def roughness(image: np.ndarray) -> float:
    return float(np.diff(image.astype(np.int64), axis=1).std())


def looks_raw(image: np.ndarray) -> bool:
    return (
        2.8 <= entropy(image) <= 3.3
        and 0.32 <= zstd_ratio(image) <= 0.38
        and 0.54 <= lz4_ratio(image) <= 0.60
        and np.mean(image == 0) < 0.05
        and 2.4 <= roughness(image) <= 3.6
    )


def background(image: np.ndarray) -> float:
    """Return the median level of the background."""
    return float(np.median(image[image <= NUCLEUS]))


def contrast(image: np.ndarray) -> float:
    """Return the median level of nuclei, divided by that of the background."""
    return float(np.median(image[image > NUCLEUS])) / background(image)


def noise_deviation(image: np.ndarray, darkest: float, brightest: float) -> float:
    """Return the standard deviation of noise where the mean is between two levels.

    It is that of mixed second differences, which cancel slopes, in blocks of 8 x 8 pixels; the
    median over blocks. Rounding to whole levels is subtracted. Texture of nuclei counts as noise.
    """
    values = image.astype(np.float64)
    mixed = (values[:-1, :-1] - values[1:, :-1] - values[:-1, 1:] + values[1:, 1:]) / 2
    means = _blocks(values[:-1, :-1]).mean(axis=1)
    variances = np.square(_blocks(mixed)).mean(axis=1)
    chosen = variances[(means >= darkest) & (means < brightest)]
    return float(np.sqrt(np.median(chosen) - _ROUNDING))


def _blocks(values: np.ndarray) -> np.ndarray:
    rows, columns = (side // _SIDE for side in values.shape)
    cut = values[: rows * _SIDE, : columns * _SIDE]
    split = cut.reshape(rows, _SIDE, columns, _SIDE).transpose(0, 2, 1, 3)
    return split.reshape(rows * columns, _SIDE * _SIDE)
