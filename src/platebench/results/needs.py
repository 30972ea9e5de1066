"""What a reader needs of a store: how often images are read and written, versions, and the size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from platebench.errors import UserError

IN_ORDER = "reads in order"
AT_RANDOM = "random reads"
CROPS = "crops"
PARALLEL = "parallel reads"
WRITES = "writes"

OPTIONS = {
    IN_ORDER: "reads",
    AT_RANDOM: "random",
    CROPS: "crops",
    PARALLEL: "parallel",
    WRITES: "writes",
}
"""The option of the command line, and the field of `Needs`, that gives the weight of each use."""

USES = tuple(OPTIONS)
"""The ways to use a store that have a weight."""

RARE = (CROPS, PARALLEL)
"""Uses that have no weight unless one is given. They are told only if they have one."""

_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}


@dataclass(frozen=True)
class Needs:
    """How a store is used. Of 100 images, so many are read in order, read at random, and written.

    `crops`: of so many a part is read. `parallel`: so many are read at random by two processes at
    the same time. `versions`: earlier states must stay readable. Of stores that tie, one whose
    format keeps versions itself is then chosen. `pixel_bytes` is how much there is to keep, in
    bytes of uncompressed pixels; None for what the source has. Raises UserError unless the weights
    make 100.
    """

    reads: float = 80.0
    random: float = 15.0
    writes: float = 5.0
    versions: bool = False
    pixel_bytes: int | None = None
    crops: float = 0.0
    parallel: float = 0.0

    def __post_init__(self) -> None:
        given = list(self.shares.values())
        if not all(0 <= weight <= 100 for weight in given) or abs(sum(given) - 100) > 0.01:
            raise UserError(
                f"{self.options()}: these make {sum(given):g}; give numbers from 0 to 100 that"
                " make 100 together, such as --reads 80 --random 15 --writes 5"
            )

    @property
    def shares(self) -> Mapping[str, float]:
        """The share of each use in 100, by its name, those of 0 included."""
        return {use: getattr(self, option) for use, option in OPTIONS.items()}

    @property
    def weights(self) -> Mapping[str, float]:
        """The share of each use, by its name. They make 1 together."""
        return {use: share / 100 for use, share in self.shares.items() if share}

    def options(self) -> str:
        """Return the shares as options; rare uses are left out if they have none."""
        said = (
            f"--{OPTIONS[use]} {share:g}"
            for use, share in self.shares.items()
            if share or use not in RARE
        )
        return " ".join(said)

    def __str__(self) -> str:
        return ", ".join(f"{share:g}% {use}" for use, share in self.shares.items() if share)


def bytes_of(text: str) -> int:
    """Return the bytes that a text such as `5TB` or `800 GB` says, in units of 1000.

    Raises UserError for any other text, and for less than a byte.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([MGTP]B)\s*", text, re.IGNORECASE)
    size = 0 if found is None else round(float(found[1]) * _UNITS[found[2].upper()])
    if size < 1:
        raise UserError(f"--size {text}: give a number with MB, GB, TB or PB, such as 5TB or 800GB")
    return size
