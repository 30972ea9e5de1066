"""Cells by name, and what one process measured of one cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from platebench.stores.name import StoreName

Status = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True)
class CellName:
    """One operation with its details on one store and one image set.

    `benchmark` is asv's name of the operation, `full_scan.FullScan.time_scan`. `details` are its
    parameters beyond the store and the image set, such as `("16 scattered", "kept")`.
    """

    benchmark: str
    store: StoreName
    images: str
    details: tuple[str, ...] = ()

    @classmethod
    def from_params(cls, benchmark: str, params: Sequence[str]) -> Self:
        """Return the cell of asv's parameters. Raises UserError if the first names no store."""
        store, images, *details = params
        return cls(benchmark, StoreName.parse(store), images, tuple(details))

    def __str__(self) -> str:
        return f"{self.benchmark}({', '.join(self.params)})"

    @property
    def params(self) -> tuple[str, ...]:
        """The parameters as asv has them."""
        return (str(self.store), self.images, *self.details)

    @property
    def kind(self) -> str:
        """The benchmark class, the key of `OPERATIONS`."""
        return kind_of(self.benchmark)


def kind_of(benchmark: str) -> str:
    """Return the class in asv's name of a benchmark."""
    return benchmark.split(".")[-2]


@dataclass(frozen=True)
class Measurement:
    """What one process measured of one cell.

    `record` has what the process noted besides asv's samples: CPU seconds per sample, peak memory,
    stored bytes and files.
    """

    cell: CellName
    status: Status
    message: str
    started: str
    samples_s: list[float]
    record: dict[str, Any] = field(default_factory=dict)
