"""Which variants the floor uses. The default was measured on the reference machine."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import cache

from platebench.errors import UserError
from platebench.stores.floor.variants import READERS, WRITERS

ENVIRONMENT = "PLATEBENCH_FLOOR"
"""Environment: the choice as text. `timing.protocol` lists it with the others."""


@dataclass(frozen=True)
class Choice:
    """The variant of each operation: warm if the images are in the page cache, else cold."""

    write: str
    scan: str
    take: str
    cold_scan: str
    cold_take: str

    def __post_init__(self) -> None:
        for name, variant in asdict(self).items():
            known = WRITERS if name == "write" else READERS
            if variant not in known:
                raise UserError(f"floor: {name}={variant}: give one of {', '.join(known)}")

    def __str__(self) -> str:
        return ",".join(f"{name}={variant}" for name, variant in asdict(self).items())

    @classmethod
    def parse(cls, text: str) -> Choice:
        """Return the choice that `str` gave. Raises UserError for any other text."""
        parts = dict(part.split("=") for part in text.split(",") if part.count("=") == 1)
        try:
            return cls(**parts)
        except TypeError as error:
            raise UserError(f"floor: {text!r} is not a choice such as {DEFAULT}") from error


DEFAULT = Choice(
    write="allocated-early-4-MiB",
    scan="pread-4",
    take="pread",
    cold_scan="pread",
    cold_take="direct-4",
)
"""docs/floor.md has the measurements."""

WITHOUT_DIRECT = Choice(
    write="allocated-early-4-MiB",
    scan="map",
    take="pread",
    cold_scan="sequential",
    cold_take="willneed-all",
)
"""The default on a file system that has no O_DIRECT."""


def current() -> Choice:
    """Return the choice that the environment names, or the default."""
    text = os.environ.get(ENVIRONMENT)
    return _parsed(text) if text else DEFAULT


@cache
def _parsed(text: str) -> Choice:
    # Parsed once per process: the store asks in each timed operation.
    return Choice.parse(text)
