"""Candidates for the tunings of one layout: their Pareto front, the rules of choice.

`balanced` is one of the candidates that keep the limits and lie on their front of size against cold
random rows. Those with about the smallest product of size and time tie: a hundredth of the size
counts as much as a hundredth of the time. Of these it is the quickest to write. `small` is the
smallest candidate that still writes and reads at a bearable speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from platebench.results.turn_ratio import TurnRatio
from platebench.stores.name import StoreName

MOST_BYTES, MOST_BYTES_LZ4 = 0.45, 0.60
"""Bytes per byte of pixels that `balanced` may take; of LZ4, which reads faster, more."""

MOST_ROWS, MOST_WRITE = 3.0, 4.0
"""Times the baseline that `balanced` may take for cold random rows, and for writing.

The baseline is the layout's `fast`, or `default` where it has no `fast`.
"""

TIE = 1.10
"""Products of size and cold rows within this factor of the smallest tie."""

LEAST_WRITE, LEAST_ROWS = 10e6, 30e6
"""Bytes of pixels per second that `small` must write, and read as cold random rows.

These are 7 and 21 images of 1.4 MB per second, about what an automated microscope makes and a
viewer shows.
"""

WRITE, COLD_ROWS = "write", "cold rows"

_LIMITS = ((COLD_ROWS, "cold rows", MOST_ROWS), (WRITE, "writing", MOST_WRITE))


@dataclass(frozen=True)
class TimedOperation:
    """Median milliseconds of one operation, its ratio to the baseline, and bytes of pixels/s."""

    ms: float
    ratio: TurnRatio
    bytes_per_s: float


@dataclass(frozen=True)
class TunedCandidate:
    """One candidate: its size, its times, and the tunings that it is.

    `barred` says why it may be no tuning, however good it is; empty if it may.
    """

    store: StoreName
    bytes_per_pixel_byte: float
    files: int
    times: Mapping[str, TimedOperation]
    tunings: tuple[str, ...]
    barred: str = ""

    @property
    def variant(self) -> str:
        """The candidate's own name, without format and layout."""
        return self.store.tuning

    @property
    def misses(self) -> list[str]:
        """The limits of `balanced` that it does not keep, in words."""
        found = []
        if self.bytes_per_pixel_byte > self._most_bytes:
            found.append(
                f"{self.bytes_per_pixel_byte:.3f} of the raw size (limit {self._most_bytes:.2f})"
            )
        for operation, says, most in _LIMITS:
            ratio = self.times[operation].ratio
            if ratio.estimate > most:
                found.append(
                    f"{says} {ratio.estimate:.1f} ({ratio.low:.1f} to {ratio.high:.1f}) times as"
                    f" long (limit {most:g})"
                )
        return found

    @property
    def may_keep_limits(self) -> bool:
        """True if the intervals of its times reach below the limits of `balanced`."""
        return self.bytes_per_pixel_byte <= self._most_bytes and all(
            self.times[operation].ratio.low <= most for operation, _, most in _LIMITS
        )

    @property
    def _most_bytes(self) -> float:
        return MOST_BYTES_LZ4 if "lz4" in self.variant else MOST_BYTES

    @property
    def product(self) -> TurnRatio:
        """Size by cold rows relative to the baseline."""
        rows, size = self.times[COLD_ROWS].ratio, self.bytes_per_pixel_byte
        return TurnRatio(size * rows.estimate, size * rows.low, size * rows.high, rows.turns)

    @property
    def bearable(self) -> bool:
        """True if it may be `small`."""
        times = self.times
        return (
            times[WRITE].bytes_per_s >= LEAST_WRITE and times[COLD_ROWS].bytes_per_s >= LEAST_ROWS
        )


def pareto_front(candidates: Sequence[TunedCandidate]) -> list[TunedCandidate]:
    """Return those to which no other is both as small and as fast in cold rows."""
    return [
        each
        for each in candidates
        if not any(_dominates(other, each) for other in candidates if other is not each)
    ]


def _dominates(one: TunedCandidate, other: TunedCandidate) -> bool:
    mine = (one.bytes_per_pixel_byte, one.times[COLD_ROWS].ratio.estimate)
    its = (other.bytes_per_pixel_byte, other.times[COLD_ROWS].ratio.estimate)
    return mine != its and mine[0] <= its[0] and mine[1] <= its[1]


def best_balanced(candidates: Sequence[TunedCandidate]) -> TunedCandidate | None:
    """Return what the rule makes `balanced`; None if no candidate keeps the limits."""
    kept = pareto_front([each for each in candidates if not each.misses and not each.barred])
    least = min((each.product.estimate for each in kept), default=0.0)
    tied = [each for each in kept if each.product.estimate <= TIE * least]
    return min(tied, key=lambda each: each.times[WRITE].ratio.estimate, default=None)


def best_small(candidates: Sequence[TunedCandidate]) -> TunedCandidate | None:
    """Return what the rule makes `small`; None if no candidate is bearable."""
    bearable = [each for each in candidates if each.bearable and not each.barred]
    return min(bearable, key=lambda each: each.bytes_per_pixel_byte, default=None)


def may_be_balanced(chosen: TunedCandidate, best: TunedCandidate) -> bool:
    """True if a repeat of the measurement may make `chosen` `balanced`, which made it `best`."""
    return chosen.may_keep_limits and chosen.product.low <= TIE * best.product.high


def with_tuning(candidates: Sequence[TunedCandidate], tuning: str) -> TunedCandidate | None:
    """Return the candidate that is a tuning today."""
    return next((each for each in candidates if tuning in each.tunings), None)


def as_record(candidate: TunedCandidate) -> dict[str, Any]:
    """Return a candidate as a JSON-compatible dict, without what code decides."""
    record = {**asdict(candidate), "store": str(candidate.store)}
    del record["tunings"], record["barred"]
    return record


def from_record(
    record: Mapping[str, Any], tunings: Sequence[str], barred: str = ""
) -> TunedCandidate:
    """Return the candidate of a record. Raises LookupError or TypeError for another record."""
    times = {
        name: TimedOperation(**{**timed, "ratio": TurnRatio(**timed["ratio"])})
        for name, timed in record["times"].items()
    }
    return TunedCandidate(
        StoreName.parse(record["store"]),
        record["bytes_per_pixel_byte"],
        record["files"],
        times,
        tuple(tunings),
        barred,
    )
