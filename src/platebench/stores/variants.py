"""Named ways to set up a format, and which of them each tuning is.

Each format's module has a table `CANDIDATES` with one `Variants` per layout. A store takes the name
of a variant in place of a tuning, so `platebench calibrate tuning` measures candidates with the
code of the published stores.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from platebench.errors import UserError

T = TypeVar("T")


def for_tables(settings: Mapping[str, T], tuning: str) -> T:
    """Return a tuning's settings for tables. A variant that no tuning is named for has `fast`'s."""
    return settings[tuning if tuning in settings else "fast"]


def baseline(tunings: Collection[str]) -> str:
    """Return the tuning that a layout's others are compared with: `fast`, else `default`."""
    return "fast" if "fast" in tunings else "default"


@dataclass(frozen=True)
class Variants(Generic[T]):
    """The settings of one layout by the variant's name, and the variant that each tuning is.

    `barred` has variants that are measured and may be no tuning, with the reason as a sentence.
    """

    settings: Mapping[str, T]
    tunings: Mapping[str, str]
    barred: Mapping[str, str] = field(default_factory=dict)

    def of(self, tuning: str) -> T:
        """Return the settings of a tuning or of a variant. Raises UserError for another name."""
        name = self.variant(tuning)
        if name not in self.settings:
            raise UserError(f"{tuning}: no such tuning; choose from {', '.join(self.settings)}")
        return self.settings[name]

    def variant(self, tuning: str) -> str:
        """Return the name of the variant that a tuning is; a variant's own name stays."""
        return self.tunings.get(tuning, tuning)
