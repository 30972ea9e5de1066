"""One tidy table of a run: a row per cell, pooled over rounds."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from platebench.images.generated import generated
from platebench.results.measurement import CellName
from platebench.results.operations import OPERATIONS, floor_of
from platebench.results.ratios import Ratio, Rounds, ratio
from platebench.results.records import Record, RecordFile, RunInfo
from platebench.stores.name import StoreName


@dataclass(frozen=True)
class CellResult:
    """One cell. Times are wall seconds of one operation, None if it was not measured.

    `image_set` is the set's name, `images` its size; `profile` is `raw` or `ic`, or a user's own
    set. `read_images` and `read_bytes` are what one operation reads or writes, in uncompressed
    pixels. `cpu_s` is the median over samples, all threads; `peak_bytes` the largest over rounds.
    `stored_pixel_bytes` are the uncompressed pixels that the measured store holds: those of the
    image set, and a tenth more if it has a second version (see `stored_pixel_bytes_of`).
    `floor_ratio` is the ratio to the floor in the same rounds, `floor_low` and `floor_high` its 95%
    interval for a repeat run (see `ratios`). `by_round` holds all samples.
    """

    operation: str
    detail: str
    store: StoreName
    image_set: str
    images: int | None
    profile: str
    cache: str
    status: str
    message: str
    median_s: float | None
    q25_s: float | None
    q75_s: float | None
    samples: int
    rounds: int
    cpu_s: float | None
    peak_bytes: int | None
    stored_bytes: int | None
    stored_files: int | None
    set_pixel_bytes: int | None
    stored_pixel_bytes: int | None
    read_images: int | None
    read_bytes: int | None
    floor_ratio: float | None
    floor_low: float | None
    floor_high: float | None
    commit: str
    machine: str
    libraries: Mapping[str, str]
    by_round: Rounds

    @property
    def format(self) -> str:
        """The store's format."""
        return self.store.format

    @property
    def layout(self) -> str:
        """The store's layout."""
        return self.store.layout

    @property
    def tuning(self) -> str:
        """The store's tuning."""
        return self.store.tuning

    @property
    def bytes_per_pixel_byte(self) -> float | None:
        """Bytes stored per byte of uncompressed pixels in the store."""
        if self.stored_bytes is None or not self.stored_pixel_bytes:
            return None
        return self.stored_bytes / self.stored_pixel_bytes

    @property
    def floor_reach(self) -> float | None:
        """Half the width of the ratio's interval, relative to it: 0.05 is +-5%.

        None from one round, and for the floor, whose ratio to itself is always 1.
        """
        if self.floor_low is None or self.floor_high is None or self.floor_low == self.floor_high:
            return None
        return math.sqrt(self.floor_high / self.floor_low) - 1

    @property
    def mb_per_s(self) -> float | None:
        """Uncompressed pixels read or written per second, in 10^6 bytes."""
        return self.read_bytes / 1e6 / self.median_s if self.read_bytes and self.median_s else None

    @property
    def images_per_s(self) -> float | None:
        """Images read or written per second."""
        return self.read_images / self.median_s if self.read_images and self.median_s else None

    def as_dict(self) -> dict[str, Any]:
        """Return the cell for JSON and CSV, without its samples."""
        published: dict[str, Any] = {}
        for key, value in asdict(self).items():
            if key == "store":
                published |= {"store": str(self.store), **value}
            elif key != "by_round":
                published[key] = value
        return published


def tidy(file: RecordFile) -> list[CellResult]:
    """Return the cells of a run, in the order of operations, details and stores."""
    return cells_of(file.info(), file.records())


def cells_of(info: RunInfo, records: Iterable[Record]) -> list[CellResult]:
    """Return the cells of a run from its records, in the same order."""
    by_cell: dict[CellName, list[Record]] = defaultdict(list)
    for record in records:
        by_cell[record.run.cell].append(record)
    sizes = _sizes_of_sets(by_cell)
    cells = [
        _cell(info, cell, records, sizes.get(cell.images, {}), _floor_ratio(cell, by_cell))
        for cell, records in by_cell.items()
    ]
    return sorted(cells, key=_place)


def _sizes_of_sets(cells: Mapping[CellName, Sequence[Record]]) -> dict[str, dict[str, int]]:
    """Return the size of each image set. A process that was killed did not note it."""
    return {
        cell.images: {key: record.run.record[key] for key in _SIZES}
        for cell, records in cells.items()
        for record in records
        if all(record.run.record.get(key) is not None for key in _SIZES)
    }


_SIZES = ("set_images", "set_pixel_bytes")


def _place(cell: CellResult) -> tuple[object, ...]:
    """Return the sort key of a cell: operations in their order, warm before cold."""
    operations = [(operation.name, operation.cache) for operation in OPERATIONS.values()]
    place = operations.index((cell.operation, cell.cache))
    return (place, cell.profile, cell.images or 0, cell.detail)


def _cell(
    info: RunInfo,
    cell: CellName,
    records: Sequence[Record],
    size: Mapping[str, int],
    floor_ratio: Ratio | None,
) -> CellResult:
    operation = OPERATIONS[cell.kind]
    samples = [sample for record in records for sample in record.run.samples_s]
    quartiles = np.quantile(samples, [0.25, 0.5, 0.75]).tolist() if samples else [None] * 3
    worst_record = worst(records)
    noted = {**size, **worst_record.run.record}
    made = generated(cell.images)
    return CellResult(
        operation=operation.name,
        detail=", ".join(cell.details),
        store=cell.store,
        image_set=cell.images,
        images=noted.get("set_images"),
        profile=made[0] if made else cell.images,
        cache=operation.cache,
        status=worst_record.run.status,
        message=worst_record.run.message,
        median_s=quartiles[1],
        q25_s=quartiles[0],
        q75_s=quartiles[2],
        samples=len(samples),
        rounds=len(records),
        cpu_s=_median(
            second for record in records for second in record.run.record.get("cpu_s", [])
        ),
        peak_bytes=_largest(record.run.record.get("peak_bytes") for record in records),
        stored_bytes=noted.get("stored_bytes"),
        stored_files=noted.get("stored_files"),
        set_pixel_bytes=noted.get("set_pixel_bytes"),
        stored_pixel_bytes=stored_pixel_bytes_of(noted),
        read_images=noted.get("images"),
        read_bytes=noted.get("pixel_bytes"),
        floor_ratio=None if floor_ratio is None else floor_ratio.estimate,
        floor_low=None if floor_ratio is None else floor_ratio.low,
        floor_high=None if floor_ratio is None else floor_ratio.high,
        commit=info.commit,
        machine=info.machine,
        libraries=info.libraries,
        by_round=samples_by_round(records),
    )


def stored_pixel_bytes_of(noted: Mapping[str, Any]) -> int | None:
    """Return the bytes of uncompressed pixels in the store that a record was measured on.

    A record of kind `history` was measured on a store with a second version, which appends
    max(1, n // 10) more images to the n of the set. Records do not say how large these images are;
    they are counted with the set's mean, which is exact for generated images.
    """
    pixel_bytes: int | None = noted.get("set_pixel_bytes")
    images: int | None = noted.get("set_images")
    if pixel_bytes is None or noted.get("kind") != "history" or not images:
        return pixel_bytes
    return round(pixel_bytes * (images + max(1, images // 10)) / images)


SEVERITY = {"failed": 0, "skipped": 1, "ok": 2}
"""The most severe status of any round, the lowest number, is the cell's status."""


def worst(records: Iterable[Record]) -> Record:
    """Return the record with the most severe status: a failure in any round is a failed cell."""
    return min(records, key=lambda record: SEVERITY[record.run.status])


def samples_by_round(records: Iterable[Record]) -> dict[int, list[float]]:
    """Return the samples of each measured round."""
    return {record.round: record.run.samples_s for record in records if record.run.samples_s}


def _floor_ratio(cell: CellName, records: Mapping[CellName, Sequence[Record]]) -> Ratio | None:
    """Return the cell's ratio to the floor, None if they share no round."""
    mine = samples_by_round(records[cell])
    floor = samples_by_round(records.get(floor_of(cell), []))
    return ratio(mine, floor) if mine.keys() & floor.keys() else None


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return statistics.median(found) if found else None


def _largest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)
