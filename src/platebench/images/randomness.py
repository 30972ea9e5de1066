"""Random numbers that are the same on every machine.

NumPy guarantees a stable stream for bit generators and `SeedSequence`, but not for distributions
(NEP 19). This module therefore uses raw words only, and integers made from them.
"""

from __future__ import annotations

import numpy as np


def generator(*key: int) -> np.random.PCG64:
    """Return a bit generator for this key. Different keys give independent streams."""
    return np.random.PCG64(np.random.SeedSequence(key))


def random_bytes(source: np.random.PCG64, count: int) -> np.ndarray:
    """Return `count` random bytes, uint8, independent of the machine's byte order."""
    words = np.asarray(source.random_raw(-(-count // 8)), dtype="<u8")
    return words.view(np.uint8)[:count]


def random_integers(source: np.random.PCG64, shape: tuple[int, ...]) -> np.ndarray:
    """Return random integers from 0 to 2**31 - 1, int64, in this shape."""
    words = np.asarray(source.random_raw(int(np.prod(shape))), dtype=np.uint64)
    return (words >> np.uint64(33)).astype(np.int64).reshape(shape)
