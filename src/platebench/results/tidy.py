"""One tidy table of a run: a row per cell, pooled over rounds."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from platebench.images.generated import generated
from platebench.images.objects import OBJECTS
from platebench.results.measurement import CellName
from platebench.results.operations import OPERATIONS
from platebench.results.ranking import cpu, rank
from platebench.results.ratios import Timing
from platebench.results.records import Record, RecordFile, RunInfo
from platebench.results.timings import by_cell, cpu_seconds, timings
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, TIFF_FOLDER

COMPRESSED = 0.95
"""Bytes per byte of pixels below which a store counts as compressed."""


@dataclass(frozen=True)
class CellResult:
    """One cell. Times are wall seconds of one operation, None if it was not measured.

    `image_set` is the set's name, `images` its size; `profile` is `raw` or `ic`, or a user's own
    set. `read_images` and `read_bytes` are what one operation reads or writes, in uncompressed
    pixels. `cpu_s` is the median over samples, all threads; `peak_bytes` the largest over rounds.
    `stored_pixel_bytes` are the uncompressed pixels that the measured store holds: those of the
    image set, a tenth more if it has a second version, and the values of its table of objects if
    it has one (see `stored_pixel_bytes_of`).
    `freed_bytes` are what `prune` removed from the disk, None for other operations.
    `fetched_bytes` are what one sample of `crop` read from the store's files, cold from the disk.
    `first_batch_s` is the time of `epoch` until its first batch, the median over samples, `start_s`
    that of the first epoch, with the start of the workers. `take_p50_s` and `take_p99_s` are the
    median and the 99th percentile of the seconds of single takes of `readers`. Of several rounds,
    these are medians.
    `floor_ratio` is the ratio to the floor in the same rounds, `floor_low` and `floor_high` its 95%
    interval for a repeat run (see `ratios`); so are those to the TIFF folder (`tiff_`) and to the
    fastest store of the same operation (`best_`), which may be the TIFF folder but not the floor.
    `rank` and `cpu_rank` are the places by wall and by CPU time, `=2` in a tie, None for the floor
    and without a time. `wall` and `cpu` hold all samples. `way` is how several processes wrote the
    store, None for other operations.
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
    freed_bytes: int | None
    fetched_bytes: int | None
    first_batch_s: float | None
    start_s: float | None
    take_p50_s: float | None
    take_p99_s: float | None
    set_pixel_bytes: int | None
    stored_pixel_bytes: int | None
    read_images: int | None
    read_bytes: int | None
    floor_ratio: float | None
    floor_low: float | None
    floor_high: float | None
    tiff_ratio: float | None
    tiff_low: float | None
    tiff_high: float | None
    best_ratio: float | None
    best_low: float | None
    best_high: float | None
    rank: str | None
    cpu_rank: str | None
    commit: str
    machine: str
    libraries: Mapping[str, str]
    wall: Timing
    cpu: Timing
    way: str | None = None

    @property
    def table(self) -> tuple[str, ...]:
        """What cells that are compared have in common: all but the store."""
        return (self.operation, self.detail, self.cache, self.image_set)

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
    def below_floor(self) -> bool:
        """True if the store is faster than the floor beyond doubt, so the floor is not one.

        The floor holds the raw pixels. A store that holds fewer bytes may well be faster.
        """
        return self.floor_high is not None and self.floor_high < 1 and not self.is_smaller

    @property
    def is_smaller(self) -> bool:
        """True if the store compresses: it holds fewer bytes than the raw pixels."""
        return self.bytes_per_pixel_byte is not None and self.bytes_per_pixel_byte < COMPRESSED

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
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "store":
                published |= {"store": str(value), **asdict(value)}
            elif each.name not in ("wall", "cpu"):
                published[each.name] = value
        return published


def tidy(file: RecordFile) -> list[CellResult]:
    """Return the cells of a run, in the order of operations, details and stores."""
    return cells_of(file.info(), file.records())


def cells_of(info: RunInfo, records: Iterable[Record]) -> list[CellResult]:
    """Return the cells of a run from its records, in the same order."""
    found = by_cell(records)
    sizes = _sizes_of_sets(found)
    wall, cpu = timings(found), timings(found, cpu_seconds)
    cells = [
        _cell(
            info,
            cell,
            mine,
            sizes.get(cell.images, {}),
            wall.get(cell, Timing({})),
            cpu.get(cell, Timing({})),
        )
        for cell, mine in found.items()
    ]
    tables: dict[tuple[object, ...], list[CellResult]] = defaultdict(list)
    for cell in cells:
        tables[cell.table].append(cell)
    return sorted((each for table in tables.values() for each in _related(table)), key=_place)


def _related(table: Sequence[CellResult]) -> list[CellResult]:
    """Return the cells of a table with their ratios to each other and their ranks."""
    by_store = {cell.store: cell for cell in table}
    ranking, by_cpu = rank(table), rank(table, cpu)
    ranks, cpu_ranks = ranking.ranks(), by_cpu.ranks()
    bases = {"floor": by_store.get(FLOOR), "tiff": by_store.get(TIFF_FOLDER), "best": ranking.best}
    return [
        replace(
            cell,
            rank=ranks.get(cell.store),
            cpu_rank=cpu_ranks.get(cell.store),
            **{
                name: value
                for key, base in bases.items()
                if base is not None
                for name, value in _ratio_fields(key, cell, base).items()
            },
        )
        for cell in table
    ]


def _ratio_fields(key: str, cell: CellResult, base: CellResult) -> dict[str, Any]:
    if cell is base and cell.wall.blocks:
        end = 1.0 if len(cell.wall.rounds) > 1 else None
        return {f"{key}_ratio": 1.0, f"{key}_low": end, f"{key}_high": end}
    found = cell.wall.over(base.wall)
    if found is None:
        return {}
    return {f"{key}_ratio": found.estimate, f"{key}_low": found.low, f"{key}_high": found.high}


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
    wall: Timing,
    cpu: Timing,
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
        rounds=len({record.round for record in records}),
        cpu_s=_median(
            second for record in records for second in record.run.record.get("cpu_s", [])
        ),
        peak_bytes=_largest(record.run.record.get("peak_bytes") for record in records),
        stored_bytes=noted.get("stored_bytes"),
        stored_files=noted.get("stored_files"),
        freed_bytes=noted.get("freed_bytes"),
        fetched_bytes=noted.get("fetched_bytes"),
        **{
            name: _median(
                record.run.record[name] for record in records if record.run.record.get(name)
            )
            for name in ("first_batch_s", "start_s", "take_p50_s", "take_p99_s")
        },
        set_pixel_bytes=noted.get("set_pixel_bytes"),
        stored_pixel_bytes=stored_pixel_bytes_of(noted),
        read_images=noted.get("images"),
        read_bytes=noted.get("pixel_bytes"),
        floor_ratio=None,
        floor_low=None,
        floor_high=None,
        tiff_ratio=None,
        tiff_low=None,
        tiff_high=None,
        best_ratio=None,
        best_low=None,
        best_high=None,
        rank=None,
        cpu_rank=None,
        commit=info.commit,
        machine=info.machine,
        libraries=info.libraries,
        wall=wall,
        cpu=cpu,
        way=noted.get("way"),
    )


def stored_pixel_bytes_of(noted: Mapping[str, Any]) -> int | None:
    """Return the bytes of uncompressed pixels in the store that a record was measured on.

    A record of kind `history` was measured on a store with a second version, which appends
    max(1, n // 10) more images to the n of the set. Records do not say how large these images are;
    they are counted with the set's mean, which is exact for generated images. A record of a kind
    with objects was measured on a store that also holds a table, of `set_table_bytes` in memory.
    """
    pixel_bytes: int | None = noted.get("set_pixel_bytes")
    images: int | None = noted.get("set_images")
    if pixel_bytes is not None and str(noted.get("kind")).startswith(OBJECTS):
        return pixel_bytes + int(noted.get("set_table_bytes") or 0)
    if pixel_bytes is None or noted.get("kind") != "history" or not images:
        return pixel_bytes
    return round(pixel_bytes * (images + max(1, images // 10)) / images)


SEVERITY = {"failed": 0, "skipped": 1, "ok": 2}
"""The most severe status of any round, the lowest number, is the cell's status."""


def worst(records: Iterable[Record]) -> Record:
    """Return the record with the most severe status: a failure in any round is a failed cell."""
    return min(records, key=lambda record: SEVERITY[record.run.status])


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return statistics.median(found) if found else None


def _largest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)
