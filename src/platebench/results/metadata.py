"""Metadata that grows: what stores keep and read beside the pixels, over the number of images.

A store *stops working* at the number of images from which opening it and reading one image, from
the disk, takes over `MOST_SECONDS` or asks for over `MOST_BYTES`. If a measured number exceeds a
limit, the number is measured: it lies between the last below and the first above, where a straight
line in the logarithms crosses the limit. Otherwise it is extrapolated with a line that is fitted to
three or more numbers of images, and marked so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from platebench.stores.name import StoreName
from platebench.timing.metadata import Found

MOST_SECONDS, MOST_BYTES = 1.0, 100e6
"""Seconds, and bytes asked for, to open a store and read one image."""

GROWS = 0.5
"""What grows by a lesser power of the images, from the last but one number of them to the last, is
not extrapolated. It may have stopped growing, as with files of bounded size, or be noise."""

FEWEST = 3
"""Numbers of images that an extrapolation needs."""

FARTHEST = 1e9
"""Images beyond which nothing is extrapolated."""


@dataclass(frozen=True)
class MetadataCell(Found):
    """What one store with so many tiny images keeps and reads."""

    images: int

    @property
    def seconds(self) -> float:
        """Seconds until the first image is there."""
        return self.open_s + self.first_s

    @property
    def bytes_read(self) -> int:
        """Bytes asked for until the first image is there."""
        return self.open_bytes + self.first_bytes

    @property
    def beside(self) -> int:
        """Bytes that are stored beside the values; negative if they are compressed."""
        return self.stored_bytes - self.value_bytes


@dataclass(frozen=True)
class StoreMetadata:
    """The cells of one store, the fewest images first, and why there are no more.

    `fails_at` is the number of images with which it failed, 0 if it did not.
    """

    store: StoreName
    cells: tuple[MetadataCell, ...]
    ended: str = ""
    fails_at: int = 0

    @property
    def per_image(self) -> float | None:
        """Bytes beside the values that one more image adds; None from one number of images."""
        line = fitted([(cell.images, cell.beside) for cell in self.cells])
        return None if line is None else line[1]

    @property
    def stops(self) -> Stop | None:
        """Where the store stops working; None if nothing shows that it ever does."""
        found = [
            stop
            for what, value, most in LIMITS
            if (stop := _stop([(each.images, value(each)) for each in self.cells], most, what))
        ]
        return min(found, key=lambda stop: stop.images, default=None)


@dataclass(frozen=True)
class Stop:
    """From how many images on a store exceeds a limit, which one, and whether that was measured.

    `at_most`: the fewest images that were measured exceed it already.
    """

    images: float
    limit: str
    measured: bool
    at_most: bool = False

    def __str__(self) -> str:
        count = rounded(self.images)
        if self.at_most:
            return f"{count} or fewer ({self.limit})"
        return f"{count} ({self.limit})" if self.measured else f"~{count} ({self.limit})"


Points = Sequence[tuple[int, float]]
"""Numbers of images and what was measured of each."""

LIMITS: tuple[tuple[str, Callable[[MetadataCell], float], float], ...] = (
    ("time", lambda cell: cell.seconds, MOST_SECONDS),
    ("bytes", lambda cell: cell.bytes_read, MOST_BYTES),
)


def fitted(points: Points) -> tuple[float, float] | None:
    """Return the line `start + slope * images` with the least squares of relative errors.

    None for fewer than two numbers of images.
    """
    if len({images for images, _ in points}) < 2:
        return None
    across, up = (np.array(each, float) for each in zip(*points, strict=True))
    weights = 1 / np.maximum(np.abs(up), 1e-12)
    slope, start = np.polyfit(across, up, 1, w=weights)
    return float(start), float(slope)


def _stop(points: Points, most: float, what: str) -> Stop | None:
    above = next((place for place, (_, value) in enumerate(points) if value > most), None)
    if above == 0:
        return Stop(points[0][0], what, measured=True, at_most=True)
    if above is not None:
        (few, low), (many, high) = points[above - 1 : above + 1]
        share = math.log(most / low) / math.log(high / low)
        return Stop(few * (many / few) ** share, what, measured=True)
    line = fitted(points)
    if line is None or line[1] <= 0 or len(points) < FEWEST:
        return None
    (few, low), (many, high) = points[-2:]
    if low <= 0 or math.log(high / low) < GROWS * math.log(many / few):
        return None
    images = (most - line[0]) / line[1]
    return Stop(images, what, measured=False) if images <= FARTHEST else None


def rounded(images: float) -> str:
    """Return a number of images with two digits, as text: `3,600,000`."""
    digits = 1 - math.floor(math.log10(images))
    return f"{round(images, digits):,.0f}"


def sentence(each: StoreMetadata) -> str:
    """Say what a store with many images costs to open, and from how many on it stops working.

    It has been measured with one number of images or more.
    """
    last, stop = each.cells[-1], each.stops
    said = (
        f"With {last.images:,} images of 16 pixels, the first one read is there after"
        f" {last.seconds * 1e3:,.3g} ms, and {last.bytes_read / 1e6:,.3g} MB were asked for."
    )
    if each.fails_at and (stop is None or not stop.measured):
        return f"{said} With {each.fails_at:,} it fails: {_one_line(each.ended)}."
    if stop is None:
        return f"{said} Nothing that was measured shows that it stops working."
    how = "measured" if stop.measured else "extrapolated"
    count = f"{rounded(stop.images)} images{' or fewer' if stop.at_most else ''} on"
    over = f"takes over {MOST_SECONDS:g} s"
    if stop.limit != "time":
        over = f"asks for over {MOST_BYTES / 1e6:.0f} MB"
    return f"{said} From {count} ({how}), it {over}."


@dataclass(frozen=True)
class MetadataFacts:
    """What the cells of one table have in common. `most_seconds` is for one store and number."""

    images: Sequence[int]
    most_seconds: float
    python: str
    libraries: Mapping[str, str]
    disk: str


def as_markdown(stores: Sequence[StoreMetadata], facts: MetadataFacts, command: str) -> str:
    """Return the page: how it was measured, which stores stop working, and the table."""
    libraries = ", ".join(f"{name} {version}" for name, version in facts.libraries.items())
    measured = [each for each in stores if each.cells]
    stopping = sorted(
        ((stop.images, each, stop) for each in measured if (stop := each.stops)),
        key=lambda found: (found[0], found[1].store),
    )
    lines = [
        "# Metadata that grows",
        "",
        f"What {len(measured)} stores keep and read beside the pixels, with up to"
        f" {facts.images[-1]:,} images of 4 x 4 pixels. A store stops working where opening it and"
        f" reading one image, from an empty page cache, takes over {MOST_SECONDS:g} s or asks for"
        f" over {MOST_BYTES / 1e6:.0f} MB."
        + (
            f" {len(stopping)} of them do, at the numbers of images in the last column."
            if stopping
            else " None of them does."
        ),
        "",
        "- `beside the pixels`: stored bytes beyond the images' values, per image: table, footers,"
        " indexes, padding. A TIFF file of 272 bytes is one value where TIFF files are stored."
        " Negative where the values are compressed.",
        "- `open` and `first image`: seconds, and bytes asked for (`rchar` of /proc/self/io, and"
        " pages of memory maps), at the largest number of images that was measured.",
        "- `stops working from`: the number of images, and which limit is exceeded first. A number"
        " with `~` is extrapolated by a straight line, if what was measured still grows; the others"
        " lie between two that were measured. `fails with`: it raised an error. `-`: nothing that"
        " was measured shows that it ever does.",
        "",
        f"    {command}",
        "",
        f"A larger number of images is left out where it would take over {facts.most_seconds:g} s"
        f" per store. {facts.disk}. Python {facts.python}, {libraries}.",
        "",
        "| store | images | files | beside the pixels, bytes | open, ms | open, MB"
        " | first image, ms | first image, MB | stops working from |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(_line(each) for each in measured),
        "",
        *(f"- `{each.store}`: {_one_line(each.ended)}" for each in stores if each.ended),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _line(each: StoreMetadata) -> str:
    last, per_image = each.cells[-1], each.per_image
    fields = (
        str(each.store),
        f"{last.images:,}",
        f"{last.files:,}",
        "" if per_image is None else f"{per_image:,.0f}",
        f"{last.open_s * 1e3:,.3g}",
        f"{last.open_bytes / 1e6:,.3g}",
        f"{last.first_s * 1e3:,.3g}",
        f"{last.first_bytes / 1e6:,.3g}",
        _end(each),
    )
    return f"| {' | '.join(fields)} |"


def _end(each: StoreMetadata) -> str:
    if each.stops is not None and (each.stops.measured or not each.fails_at):
        return str(each.stops)
    return f"fails with {each.fails_at:,}" if each.fails_at else "-"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def as_record(
    stores: Sequence[StoreMetadata], facts: MetadataFacts, command: str
) -> dict[str, Any]:
    """Return what the page is made of as a JSON-compatible dict."""
    rows = [
        {
            "store": str(each.store),
            "ended": each.ended,
            "fails_at": each.fails_at,
            "cells": [asdict(cell) for cell in each.cells],
        }
        for each in stores
    ]
    known = {**asdict(facts), "images": list(facts.images)}
    return {"command": command, "facts": known, "stores": rows}


def from_record(record: Mapping[str, Any]) -> tuple[list[StoreMetadata], MetadataFacts | None]:
    """Return the stores of a record and their facts; None of an empty record."""
    if not record:
        return [], None
    stores = [
        StoreMetadata(
            StoreName.parse(each["store"]),
            tuple(MetadataCell(**cell) for cell in each["cells"]),
            each["ended"],
            each.get("fails_at", 0),
        )
        for each in record["stores"]
    ]
    facts = {**record["facts"], "images": tuple(record["facts"]["images"])}
    return stores, MetadataFacts(**facts)
