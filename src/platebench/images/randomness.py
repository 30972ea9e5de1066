"""Random words that are the same on every machine.

NumPy keeps the raw stream of a bit generator and of `SeedSequence` fixed; it does not promise so
for its distributions. So nothing here but raw words, and integers made from them.
"""

from __future__ import annotations

import numpy as np


def generator(*key: int) -> np.random.PCG64:
    """Return the bit generator of this key; another key, an unrelated stream."""
    return np.random.PCG64(np.random.SeedSequence(key))


def random_bytes(source: np.random.PCG64, count: int) -> np.ndarray:
    """Return `count` random bytes, uint8, equal on little-endian and big-endian machines."""
    words = np.asarray(source.random_raw(-(-count // 8)), dtype="<u8")
    return words.view(np.uint8)[:count]


def random_integers(source: np.random.PCG64, shape: tuple[int, ...]) -> np.ndarray:
    """Return random integers from 0 to 2**31 - 1, int64, of this shape."""
    words = np.asarray(source.random_raw(int(np.prod(shape))), dtype=np.uint64)
    return (words >> np.uint64(33)).astype(np.int64).reshape(shape)
