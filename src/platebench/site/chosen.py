"""Which image set the page speaks of, and which of its cells answer which question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from platebench.images.camera import Profile
from platebench.results.tidy import CellResult
from platebench.stores.registry import FLOOR

RAW: Profile = "raw"
"""The profile of generated images that are as a camera gives them."""


@dataclass(frozen=True)
class Images:
    """An image set as results name it; `count` is None where no process lived to say."""

    profile: str
    count: int | None


class Question(NamedTuple):
    """What a person asks, and the cells that answer it.

    `words` are the question's, `timed` says in a few words what was done; `versions` whether it is
    asked only of what keeps versions.
    """

    words: str
    timed: str
    operation: str
    detail: str = ""
    cache: str = "warm"
    versions: bool = False


TAKE = Question(
    "to read single images at random",
    "16 scattered images, the store opened for them, from the page cache",
    "take",
    "16 scattered, reopened",
)
COLD_TAKE = Question(
    "to read single images at random, from the disk",
    "16 scattered images, the store opened for them, nothing in the page cache",
    "take",
    "16 scattered",
    "cold",
)
SCAN = Question("to scan everything", "every image in order, from the page cache", "scan")
COLD_SCAN = Question(
    "to scan everything, from the disk",
    "every image in order, nothing in the page cache",
    "scan",
    cache="cold",
)
WRITE = Question("to write", "all images and their table, to the end of fsync", "write")
APPEND = Question(
    "to add a version", "a tenth more images, to the end of fsync", "append", versions=True
)
OLD = Question(
    "to open an old version",
    "every image of the first version, from the page cache",
    "open-version",
    versions=True,
)
QUESTIONS = (TAKE, COLD_TAKE, SCAN, COLD_SCAN, WRITE, APPEND, OLD)


def images_of(cell: CellResult) -> Images:
    """Return the image set of a cell."""
    return Images(cell.profile, cell.images)


def measured(cells: Iterable[CellResult]) -> list[CellResult]:
    """Return the cells that have a time: neither failed nor skipped, in any round."""
    return [cell for cell in cells if cell.status == "ok" and cell.median_s is not None]


def headline_image_set(cells: Iterable[CellResult]) -> Images | None:
    """Return the image set to speak of, None where nothing was measured.

    It is the one on which the most was measured, stores times operations, of the generated raw
    sets where there are any; the larger on a tie.
    """
    counts = Counter(images_of(cell) for cell in measured(cells))
    return max(
        counts,
        key=lambda images: (images.profile == RAW, counts[images], images.count or 0),
        default=None,
    )


def of_images(cells: Iterable[CellResult], images: Images) -> list[CellResult]:
    """Return the cells of one image set."""
    return [cell for cell in cells if images_of(cell) == images]


def asked(cells: Iterable[CellResult], question: Question) -> list[CellResult]:
    """Return the cells that a question is about, the floor's among them."""
    wanted = (question.operation, question.detail, question.cache)
    return [cell for cell in cells if (cell.operation, cell.detail, cell.cache) == wanted]


def quickest_first(cells: Iterable[CellResult]) -> list[CellResult]:
    """Return the measured stores but the floor, the quickest first.

    Their order is that of their ratios to the floor, in which the machine's drift cancels; of
    their times only where the floor's is not known to all.
    """
    found = [cell for cell in measured(cells) if cell.store != FLOOR]
    if any(cell.floor_ratio is None for cell in found):
        return sorted(found, key=lambda cell: cell.median_s or 0.0)
    return sorted(found, key=lambda cell: cell.floor_ratio or 0.0)


def smallest_first(cells: Iterable[CellResult]) -> list[CellResult]:
    """Return a measured cell of each store but the floor that says its size, smallest first.

    A scan is asked before a write: what cannot be read back has no size worth telling. On a tie
    the stores are in the order of the registry.
    """
    by_store: dict[str, CellResult] = {}
    for question in (SCAN, WRITE):
        for cell in measured(asked(cells, question)):
            if cell.store != FLOOR and cell.bytes_per_pixel_byte is not None:
                by_store.setdefault(cell.store, cell)
    return sorted(by_store.values(), key=lambda cell: cell.bytes_per_pixel_byte or 0.0)
