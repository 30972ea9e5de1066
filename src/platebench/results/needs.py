"""What a reader needs of a store: how often images are read and written, versions, and the size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from platebench.errors import UserError

IN_ORDER = "reads in order"
AT_RANDOM = "random reads"
WRITES = "writes"

USES = (IN_ORDER, AT_RANDOM, WRITES)
"""The ways to use a store that have a weight."""

_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}


@dataclass(frozen=True)
class Needs:
    """How a store is used. Of 100 images, so many are read in order, read at random, and written.

    `versions`: earlier states must stay readable. Of stores that tie, one whose format keeps
    versions itself is then chosen. `pixel_bytes` is how much there is to keep, in bytes of
    uncompressed pixels; None for what the source has. Raises UserError unless the weights make 100.
    """

    reads: float = 80.0
    random: float = 15.0
    writes: float = 5.0
    versions: bool = False
    pixel_bytes: int | None = None

    def __post_init__(self) -> None:
        given = (self.reads, self.random, self.writes)
        if not all(0 <= weight <= 100 for weight in given) or abs(sum(given) - 100) > 0.01:
            said = ", ".join(f"{weight:g}" for weight in given)
            raise UserError(
                "--reads, --random, --writes: give three numbers from 0 to 100 that make 100"
                f" together, such as 80, 15, 5; these are {said} and make {sum(given):g}"
            )

    @property
    def weights(self) -> Mapping[str, float]:
        """The share of each use, by its name. They make 1 together."""
        every = zip(USES, (self.reads, self.random, self.writes), strict=True)
        return {use: weight / 100 for use, weight in every if weight}

    def __str__(self) -> str:
        given = zip(USES, (self.reads, self.random, self.writes), strict=True)
        return ", ".join(f"{weight:g}% {use}" for use, weight in given if weight)


def bytes_of(text: str) -> int:
    """Return the bytes that a text such as `5TB` or `800 GB` says, in units of 1000.

    Raises UserError for any other text, and for less than a byte.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([MGTP]B)\s*", text, re.IGNORECASE)
    size = 0 if found is None else round(float(found[1]) * _UNITS[found[2].upper()])
    if size < 1:
        raise UserError(f"--size {text}: give a number with MB, GB, TB or PB, such as 5TB or 800GB")
    return size
