"""What a choice of store means for a whole source: bytes, hours, speeds, files and memory.

The figures come from the cells of one image set, which is usually a sample of the source. `Basis`
reads them for `decision`, so that whoever shows a decision takes it from the same cells.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from scipy import special

from platebench.images.generated import generated
from platebench.results.decision import Decision, StoreFigures, decide, not_measured
from platebench.results.moderated_variance import Noise, noise_of, with_noise, with_prior
from platebench.results.needs import AT_RANDOM, CROPS, IN_ORDER, PARALLEL, USES, WRITES, Needs
from platebench.results.questions import measured, of_image_set, smallest_first
from platebench.results.ranking import pair_scores
from platebench.results.ratios import CONFIDENCE, Pooled, Ratio, typical
from platebench.results.robust_mean import RobustMean
from platebench.results.tidy import CellResult
from platebench.stores.name import StoreName
from platebench.stores.registry import FLOOR, FORMATS

OPERATION_OF = {
    IN_ORDER: "scan",
    AT_RANDOM: "take",
    CROPS: "crop",
    PARALLEL: "readers",
    WRITES: "write",
}
"""The operation that measures each use."""

ALWAYS_WARM = (PARALLEL, WRITES)
"""Uses that are measured warm only, whatever the others are."""

DETAILS_OF = {
    AT_RANDOM: ("16 scattered", "1", "16 scattered, reopened", "1, reopened"),
    PARALLEL: ("2 processes",),
}
"""The details of the cells that count for a use, the preferred ones first; others have none."""

_RAW = 0.98
"""A store with more bytes per byte of pixels does not compress: its size is that of the pixels."""


class Kind(StrEnum):
    """How a figure came about."""

    MEASURED = "measured"
    EXTRAPOLATED = "extrapolated"
    MODELLED = "modelled"


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval; `low` and `high` are None for what has none.

    A count has no interval, nor has a figure from one round.
    """

    value: float
    kind: Kind
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Source:
    """What is to be kept, and the sample of it that was measured.

    `images` and `pixel_bytes` are of all that is to be kept; `sampled` and `sampled_bytes` of the
    measured images. `complete`: all images were measured. `size_error` is the standard error of
    the sample's compressed size, relative to it (see `size_error`), None if one image says nothing
    of it. `large_files` is how many files of a store hold most of its bytes (see `large_files`): of
    several, there are more for more images.
    """

    images: int
    pixel_bytes: int
    sampled: int
    sampled_bytes: int
    complete: bool
    size_error: float | None = None
    large_files: Mapping[StoreName, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Advised:
    """The figures of one store; each is None if it was not measured.

    `stored_bytes` and `files` are of the whole source, `hours` to write it in one process.
    `in_order`, `at_random` and `parallel` are images per second, `crops` are crops per second.
    `read_memory` and `write_memory` are the largest peaks in bytes.
    """

    store: StoreName
    stored_bytes: Estimate | None
    hours: Estimate | None
    in_order: Estimate | None
    at_random: Estimate | None
    crops: Estimate | None
    parallel: Estimate | None
    files: Estimate | None
    read_memory: int | None
    write_memory: int | None
    native_versions: bool
    opened_by: tuple[str, ...]


class Basis:
    """The measured cells of one image set, as figures of stores.

    Reads are cold if any store has a cold read, else warm: one decision never mixes both. Only
    those of several processes are always warm, as writes are (`ALWAYS_WARM`).
    """

    def __init__(self, cells: Iterable[CellResult]) -> None:
        self._every = list(cells)
        always_warm = {OPERATION_OF[use] for use in ALWAYS_WARM}
        reads = [cell for cell in measured(self._every) if cell.operation not in always_warm]
        self.cold = not reads or any(cell.cache == "cold" for cell in reads)
        self._tables = {use: self._table(use) for use in USES}

    def decide(self, needs: Needs) -> Decision:
        """Return the three choices for these needs."""
        return decide(self.figures, self.pair, needs)

    def _table(self, use: str) -> dict[StoreName, CellResult]:
        """Return the cell of each store that answers a use, failed ones included."""
        cache = "cold" if self.cold and use not in ALWAYS_WARM else "warm"
        mine = [
            cell
            for cell in self._every
            if (cell.operation, cell.cache) == (OPERATION_OF[use], cache)
        ]
        tables = [
            {cell.store: cell for cell in mine if cell.detail == detail}
            for detail in DETAILS_OF.get(use, ("",))
        ]
        with_a_time = (table for table in tables if measured(table.values()))
        return next(with_a_time, None) or next(filter(None, tables), {})

    def cell(self, store: StoreName, use: str) -> CellResult | None:
        """Return the measured cell of a store for a use."""
        found = self._tables[use].get(store)
        return found if found is not None and measured([found]) else None

    @cached_property
    def stores(self) -> list[StoreName]:
        """The stores with a cell, without the floor."""
        every = (cell.store for table in self._tables.values() for cell in table.values())
        return [store for store in dict.fromkeys(every) if store != FLOOR]

    @cached_property
    def sizes(self) -> dict[StoreName, CellResult]:
        """A cell of each store of known size, the smallest first."""
        # `smallest_first` looks at warm scans; cold ones are of the same files.
        warm = (replace(each, cache="warm") for each in self._every)
        return {cell.store: cell for cell in smallest_first(warm).order}

    @cached_property
    def figures(self) -> list[StoreFigures]:
        """What the decision knows of each store."""
        seconds = {use: self._seconds(use) for use in USES}
        return [
            StoreFigures(
                store,
                None if (cell := self.sizes.get(store)) is None else cell.bytes_per_pixel_byte,
                {use: found[store] for use, found in seconds.items() if store in found},
                _native(store),
                {use: _reason(use, self._tables[use].get(store)) for use in USES},
            )
            for store in self.stores
        ]

    def pair(self, one: StoreName, other: StoreName, use: str) -> Ratio | None:
        """Return how many times as long one store takes as another, from their shared rounds.

        Of one shared round the variance is that of cells like these, if it is known.
        """
        mine, base = self.cell(one, use), self.cell(other, use)
        found = None if mine is None or base is None else mine.wall.over(base.wall)
        if found is None:
            return None
        return replace(found, mean=with_prior(found.mean, self._any_noise))

    @cached_property
    def _any_noise(self) -> Noise | None:
        """The noise of cold cells, else of warm ones: for cells whose own is not known yet.

        Cold reads vary more than writes and warm reads, so intervals are rather too wide.
        """
        known = [(cell.cache, cell.wall.noise) for cell in measured(self._every)]
        return next((noise for _, noise in sorted(known, key=_cold_first) if noise), None)

    def _seconds(self, use: str) -> dict[StoreName, float]:
        """Return seconds per image, whose ratios are those of the shared rounds.

        The least-squares scores of `ranking` set their ratios, the median of all their level.
        """
        cells = [cell for cell in measured(self._tables[use].values()) if cell.read_images]
        if not cells:
            return {}
        scores = pair_scores([cell.wall.blocks for cell in cells])
        level = math.fsum(math.log(typical(cell.wall.blocks).estimate) for cell in cells)
        shift = (level - math.fsum(scores)) / len(cells)
        return {
            cell.store: math.exp(score + shift) / (cell.read_images or 1)
            for cell, score in zip(cells, scores, strict=True)
        }

    @cached_property
    def _noise(self) -> dict[str, Noise | None]:
        """The noise of times that are not relative to another store, by the state of the cache."""
        means: dict[str, list[RobustMean]] = defaultdict(list)
        tables: dict[str, int] = defaultdict(int)
        for table in self._tables.values():
            cells = measured(table.values())
            for cell in cells:
                means[cell.cache].append(typical(cell.wall.blocks).mean)
            if cells:
                tables[cells[0].cache] += 1
        # The stores of a table share the drift of their rounds.
        return {
            cache: noise_of(found, len(found) / tables[cache]) for cache, found in means.items()
        }

    def time(self, store: StoreName, use: str) -> Pooled | None:
        """Return the typical seconds of one sample of a use, with its interval."""
        cell = self.cell(store, use)
        if cell is None:
            return None
        noise = self._noise[cell.cache] or self._noise.get("cold")
        return Pooled(with_noise(typical(cell.wall.blocks).mean, noise), cell.wall.run_shift)

    def advised(self, store: StoreName, source: Source) -> Advised:
        """Return the figures of one store for the whole source."""
        cells = {use: self.cell(store, use) for use in USES}
        reads = [cells[use] for use in (IN_ORDER, AT_RANDOM)]
        size = next((each.size for each in self.figures if each.store == store), None)
        return Advised(
            store=store,
            stored_bytes=None if size is None else _bytes(size, source),
            hours=self._hours(store, source),
            in_order=self._rate(store, IN_ORDER),
            at_random=self._rate(store, AT_RANDOM),
            crops=self._rate(store, CROPS),
            parallel=self._rate(store, PARALLEL),
            files=_files(next(filter(None, cells.values()), None), source),
            read_memory=max((cell.peak_bytes or 0 for cell in reads if cell), default=0) or None,
            write_memory=None if (wrote := cells[WRITES]) is None else wrote.peak_bytes,
            native_versions=_native(store),
            opened_by=next((each.openers(store) for each in FORMATS if store in each.stores), ()),
        )

    def _rate(self, store: StoreName, use: str) -> Estimate | None:
        time, cell = self.time(store, use), self.cell(store, use)
        if time is None or cell is None or not cell.read_images:
            return None
        low, high = (
            None if end is None else cell.read_images / end for end in (time.high, time.low)
        )
        return Estimate(cell.read_images / time.estimate, Kind.MEASURED, low, high)

    def _hours(self, store: StoreName, source: Source) -> Estimate | None:
        time, cell = self.time(store, WRITES), self.cell(store, WRITES)
        if time is None or cell is None or not cell.read_bytes:
            return None
        per = source.pixel_bytes / cell.read_bytes / 3600
        low, high = (None if end is None else per * end for end in (time.low, time.high))
        kind = Kind.MEASURED if source.complete else Kind.EXTRAPOLATED
        return Estimate(per * time.estimate, kind, low, high)


def sample_of(cells: Sequence[CellResult], images: str, pixel_bytes: int | None = None) -> Source:
    """Return what so many bytes of images like those of an image set are.

    Without a number of bytes they are the image set itself, which was measured whole.
    """
    mine = [cell for cell in measured(of_image_set(cells, images)) if cell.images]
    sizes = {(cell.images or 1, cell.set_pixel_bytes or 0) for cell in mine if cell.set_pixel_bytes}
    number, sampled_bytes = max(sizes, default=(1, 1))
    whole = sampled_bytes if pixel_bytes is None else pixel_bytes
    return Source(
        images=max(1, round(number * whole / sampled_bytes)),
        pixel_bytes=whole,
        sampled=number,
        sampled_bytes=sampled_bytes,
        complete=pixel_bytes is None,
        large_files=growing_files(cells, images, number),
    )


def growing_files(cells: Sequence[CellResult], images: str, number: int) -> dict[StoreName, int]:
    """Return how many files of each store grow with the images, by image sets of other sizes.

    Of a store that was written in one size only, it is not known.
    """
    made = generated(images)
    by_store: dict[StoreName, dict[int, int]] = {}
    for cell in measured(cells):
        alike = generated(cell.image_set)
        if made is None or alike is None or alike[0] != made[0]:
            continue
        if cell.operation in ("write", "scan") and cell.stored_files and cell.images:
            by_store.setdefault(cell.store, {})[cell.images] = cell.stored_files
    return {
        store: round(number * (files[max(files)] - files[min(files)]) / (max(files) - min(files)))
        for store, files in by_store.items()
        if len(files) > 1
    }


def size_error(sizes: Sequence[int], pixels: Sequence[int], whole: int) -> float | None:
    """Return the relative standard error of a sample's compressed bytes per byte of pixels.

    `sizes` are compressed bytes of each sampled image, `pixels` its uncompressed ones, and `whole`
    how many images there are. It is the ratio estimator's error for a sample without replacement
    (Cochran 1977, Sampling Techniques, section 6.4); None from one image of several.
    """
    count = len(sizes)
    if count >= whole:
        return 0.0
    if count < 2 or not sum(sizes):
        return None
    ratio = sum(sizes) / sum(pixels)
    off = [size - ratio * pixel for size, pixel in zip(sizes, pixels, strict=True)]
    variance = math.fsum(each**2 for each in off) / (count - 1)
    share_left = 1 - count / whole
    return math.sqrt(share_left * variance / count) / (sum(sizes) / count)


def large_files(sizes: Sequence[int]) -> int:
    """Return how many of a store's files, given by their bytes, hold a share of its images.

    That is at least 1% of the bytes: a manifest, a list or a table is smaller.
    """
    return sum(size >= 0.01 * sum(sizes) for size in sizes)


def _bytes(size: float, source: Source) -> Estimate:
    value = size * source.pixel_bytes
    if source.complete:
        return Estimate(value, Kind.MEASURED)
    if size >= _RAW:
        return Estimate(value, Kind.EXTRAPOLATED, value, value)
    if source.size_error is None:
        return Estimate(value, Kind.EXTRAPOLATED)
    quantile = float(special.stdtrit(max(1, source.sampled - 1), (1 + CONFIDENCE) / 2))
    reach = quantile * source.size_error
    return Estimate(value, Kind.EXTRAPOLATED, value * max(0.0, 1 - reach), value * (1 + reach))


def _files(cell: CellResult | None, source: Source) -> Estimate | None:
    """Return the number of files: those that hold images grow with the images, others do not."""
    if cell is None or not cell.stored_files:
        return None
    if source.complete:
        return Estimate(cell.stored_files, Kind.MEASURED)
    large = source.large_files.get(cell.store)
    if large is None or source.sampled == 1:
        return None
    if large < 2:
        return Estimate(cell.stored_files, Kind.MODELLED)
    grown = large * source.images / source.sampled
    return Estimate(round(cell.stored_files - large + grown), Kind.MODELLED)


def _cold_first(known: tuple[str, Noise | None]) -> bool:
    return known[0] != "cold"


def _native(store: StoreName) -> bool:
    return any(each.native_versions for each in FORMATS if store in each.stores)


def _reason(use: str, cell: CellResult | None) -> str:
    if cell is None or cell.status == "ok":
        return not_measured(use)
    return f"{use} {cell.status}: {cell.message}"


def images_of(needs: Needs, images: int, pixel_bytes: int) -> tuple[int, int]:
    """Return how many images and bytes of pixels are to be kept.

    Those of the source, or of `needs.pixel_bytes` as many as fit of the source's mean size.
    """
    if needs.pixel_bytes is None:
        return images, pixel_bytes
    return max(1, round(images * needs.pixel_bytes / pixel_bytes)), needs.pixel_bytes


def reasons_in_words(left_out: Mapping[StoreName, str]) -> list[str]:
    """Return a line for each reason, with the stores that have it."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for store, reason in left_out.items():
        by_reason[reason].append(str(store))
    return [f"{', '.join(stores)}: {reason}" for reason, stores in by_reason.items()]
